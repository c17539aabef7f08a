"""What `benchmarks/gpu_check.py` checks: steps with their claims, one module a subject."""
