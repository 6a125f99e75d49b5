"""Sweeps: variants of a recipe, each trained under several random seeds, and compared.

Planning is pure; a run of a sweep is a run like any other, in a folder of its own; what is
compared is measured on held-out data, unless the test set is asked for.
"""
