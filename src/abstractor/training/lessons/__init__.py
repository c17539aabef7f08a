"""What a model learns from, case by case."""
