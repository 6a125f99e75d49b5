"""Evaluation: metrics of a checkpoint on held-out or test data."""
