"""The engine: state, rules, and the passing of time."""
