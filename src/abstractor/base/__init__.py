"""What every script needs and no number depends on: errors, files, parameters, the runner."""
