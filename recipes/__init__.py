"""Recipes as package data: a file decides all of a run; its first lines say what it measured."""
