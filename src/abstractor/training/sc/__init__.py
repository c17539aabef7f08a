"""Training of sequence classifiers."""
