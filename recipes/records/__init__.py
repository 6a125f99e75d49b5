"""Records: recipes that are measured against the best published automaton."""
