"""Masked-language-model training of an encoder on the narratives, before it learns to classify."""
