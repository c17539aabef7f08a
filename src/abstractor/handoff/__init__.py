"""For another machine: a bundle that predicts, and what predicting costs."""
