"""Checkpoints: files of weights with their recipe, found by name and loaded."""
