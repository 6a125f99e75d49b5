"""What is wrong with a value, in the same words for recipes and for Python."""
