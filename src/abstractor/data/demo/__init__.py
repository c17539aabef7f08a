"""A made-up corpus, so that everything runs without any data."""
