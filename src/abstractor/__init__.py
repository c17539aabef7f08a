"""abstractor: case narratives in, coded variables out."""
