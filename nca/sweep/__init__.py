"""Compare variants of a recipe: plan what to train, train each alone, and gather the outcome.

Planning is pure; a run of a sweep is a run like any other, in a folder of its own; what is
compared is measured on held-out data, unless somebody asks for the test set.
"""
