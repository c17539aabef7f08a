"""The machine as numbers see it: device, dtype, threads, seeds."""
