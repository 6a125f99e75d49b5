"""Grids larger than memory: a state in a file, stepped tile by tile.

    nca stream CHECKPOINT --size 4096x4096 --steps 96 --out field.png

keeps the grid on disk and one tile in memory; the outcome is that of stepping the whole. It
refuses temporal skips. With `--keep FOLDER` the grid stays there, and the same command goes on from
where it was killed, or for longer: `--steps` counts from the beginning.
`--store uint8` keeps a byte for each number of a rule whose levels hold whole ones, such as `life`.

Measured: four steps of the Game of Life on a torus of 16,384 x 16,384 cells, kept as bytes, in 14 s
of processor time, random cells and files included, and 0.74 GB of memory (`--store uint8 --tile
2048`, one thread of a loaded AMD EPYC, one run).

`grid_file` is the file, `stream` its steps, `kept_grid` one that stays, `fill_and_draw` first
states and pictures of it. Public to the other folders: every module.
"""
