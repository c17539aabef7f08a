"""Pretrained models in their folders, and what each architecture computes rightly with."""
