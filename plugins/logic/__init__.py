"""Automata of logic gates, learnt by gradient and then hardened to bits."""
