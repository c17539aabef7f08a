"""What classifiers and language models have in common: backbones in their folders, adapters, rows under a budget."""
