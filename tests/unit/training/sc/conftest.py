"""Fixtures of sequence classifiers."""

from support.classifiers import backbones, cases, codebook, labels, params, project, settings
from support.gpus import two_gpus

__all__ = ["backbones", "cases", "codebook", "labels", "params", "project", "settings", "two_gpus"]
