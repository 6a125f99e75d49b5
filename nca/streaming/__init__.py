"""Grids larger than memory: a state in a file, stepped tile by tile."""
