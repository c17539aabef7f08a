"""A language model at work: prompts, tokens, generation, and what a text must pass."""
