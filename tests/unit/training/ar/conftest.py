"""Fixtures of language models."""

from support.language_models import codebook, make_model, tokenizer

__all__ = ["codebook", "make_model", "tokenizer"]
