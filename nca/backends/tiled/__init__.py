"""Tiled step: perception, layers and change of a tile of cells while it lies in a core's cache.

- `cuts`: how a batch of grids is cut into tiles.
- `perception`: what a tile's cells see, as a product with a sparse matrix.
- `layers`: layers over rows of cells, and their gradients by hand.
- `lowering`: what tiles can compute, found in what rules declare.
- `program`: the rules of all levels, laid out for many steps.
- `part`: the work on one tile.
- `work`: the work of one step.
- `step`: one step as one node of the graph.
- `rollout`: many steps as one node, where a mask that lasts spares cells.
- `stepper`: `TiledStepper`, and the reasons why a state cannot be stepped in tiles.
"""
