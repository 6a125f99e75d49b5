"""Whole automata in Python: load, train, roll out, draw, film, evaluate, save."""
