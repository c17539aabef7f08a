"""Paraphrases and made cases by a language model."""
