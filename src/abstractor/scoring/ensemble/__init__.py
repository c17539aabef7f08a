"""The blend: weights, thresholds and the honest score of all models together."""
