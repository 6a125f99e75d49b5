"""GLOM (Hinton 2021, arXiv 2102.12627): part-whole hierarchies, as a cellular automaton."""
