"""Fixtures of sequence classifiers."""

from support.classifiers import backbones, cases, codebook, labels, params, project, settings

__all__ = ["backbones", "cases", "codebook", "labels", "params", "project", "settings"]
