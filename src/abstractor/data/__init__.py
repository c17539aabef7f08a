"""Cases, labels, folds and predictions."""
