"""Sequence classifiers (SC): an encoder or decoder with one head over all variables."""
