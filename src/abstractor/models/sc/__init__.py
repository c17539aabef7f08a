"""Sequence classifiers: one pass over a case, one output a code."""
