"""Textures: tileable patterns, a distance between the patches of two pictures, and the task.

    nca run texture --set task.target=my.jpg --set task.side=48 --set task.tileable=false

learns any picture as a texture: what stands where does not matter, only what stands beside what.
`side` is how many cells the picture's longer side takes; patches reach 17 cells at the coarsest of
three scales (`task.scales`). The grid is always a torus, so that what comes out tiles. The metric
`distance` is 0 for the target and 1 for a plain picture of its mean colour, measured along
directions that no training sees. Textures are judged by patches along random directions, which
tells little of long lines and of lattices wider than the coarsest patch.

Recipes: `texture` (a weave) and `texture_scales` (the scales of a fish); `nca recipes show texture`
says what they measured. `patterns` are targets of our own drawing, `distance` the sliced
Wasserstein distance of patches, `task` the task.
"""
