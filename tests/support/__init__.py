"""What tests share: whole tiny projects, tiny models, faults, and where the project lies."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The project's folder."""
