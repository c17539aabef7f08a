"""Rows of tokens, whatever the model: how long, how many together."""
