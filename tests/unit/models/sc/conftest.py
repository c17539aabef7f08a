"""Fixtures of sequence classifiers."""

from support.classifiers import cases, codebook, labels, params, project, settings

__all__ = ["cases", "codebook", "labels", "params", "project", "settings"]
