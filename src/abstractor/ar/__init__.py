"""Autoregressive language models (AR): one question a variable, answered by one token."""
