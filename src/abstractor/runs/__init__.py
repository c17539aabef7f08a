"""What surrounds a run and changes no number: its card, going on after a stop, what may be loaded."""
