"""The score: metrics, thresholds, cross-fitting, and what of it may be released."""
