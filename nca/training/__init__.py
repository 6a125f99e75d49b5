"""The training loop, and what is chosen before it."""
