"""Textures: tileable patterns, a distance between the patches of two pictures, and the task."""
