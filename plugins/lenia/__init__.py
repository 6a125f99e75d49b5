"""Lenia."""
