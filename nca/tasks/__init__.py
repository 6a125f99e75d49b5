"""What an automaton is trained for: batches, pool, damage, losses, metrics, display."""
