"""Training: one step, one loop and one checkpoint for every stage."""
