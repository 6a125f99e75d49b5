"""Plugins: names, and how they are discovered."""
