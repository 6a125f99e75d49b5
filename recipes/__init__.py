"""Recipes as package data: one file is the whole truth of one run."""
