"""Objects without labels."""
