"""Training: the loop, the run that it moves forward, and what is chosen before it."""
