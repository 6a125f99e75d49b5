"""Measure a checkpoint."""
