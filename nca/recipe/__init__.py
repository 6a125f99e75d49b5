"""Recipes: TOML in, checked, built."""
