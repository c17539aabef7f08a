"""A causal language model writes training text: paraphrases of narratives, and new cases after real ones."""
