"""Fixtures of language models."""

from support.gpus import two_gpus
from support.language_models import codebook, make_model, tokenizer

__all__ = ["codebook", "make_model", "tokenizer", "two_gpus"]
