"""Other ways to execute the same step: sparse, compiled, tiled, fused."""
