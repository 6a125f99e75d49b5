"""Objects without labels: blocks and sprites that cells are to find by filling in what is hidden.

    nca run objects_blocks
    nca islands objects_blocks --samples 200
    nca evaluate objects_blocks --set task.noise=0.2
    nca evaluate objects_blocks --untrained

A scene holds a few objects on dark ground: blocks of four squares (`kind = "blocks"`), or discs,
squares, triangles, rings and crosses (`"sprites"`), which may lie on each other (`overlap`), with
different colours, with ones that may come twice, or with any (`colours`), under noise. A quarter of
each scene is emptied in training, and the top level tells the colours of all cells; beside it,
cells that touch agree, the more alike their colours are, against cells that lie apart. No label,
no object and no number of objects is in the loss.

Are the islands of the top level the objects? Both commands say so by the adjusted Rand index of the
cells that show objects (ARI) and the mean best overlap, beside what needs no automaton: connected
components of equal colour (as far as the noise lets colours differ) and k-means on colours, which
is given the number of objects. `nca islands` has clusters of places and the untrained automaton as
well.

On 200 test scenes of blocks the recipe comes to 0.937 +- 0.027 at step 12 and 0.923 +- 0.035 at
48 over random seeds 0, 1 and 2 (noise 0.1), where components of equal colour have 0.942 and k-means
0.959; under twice the noise to 0.905 +- 0.018, where they have 0.502 and 0.640.

Blocks on 16 x 16 cells, 150 held-out scenes, step 12 and four times as long; one run each, random
seed 0, 1 to 3 minutes of processor time:

    islands of the top level, ARI                      noise 0        0.1            0.2
    filling and agreement, noise 0.1 (the recipe)      0.931, 0.903   0.917, 0.902   0.892, 0.866
    filling alone, noise 0.1, twice the scenes         0.859, 0.171   0.848, 0.234   0.679, 0.091
    agreement with no strangers, noise 0.2             0.555, 0.333   0.530, 0.312   0.507, 0.336
    untrained, step 12                                 0.211          0.167          0.083
    components of equal colour                         1              0.943          0.537
    k-means on colours, the number given               1              0.957          0.651

Neither the second nor the third has strangers, and the second no pool. The automaton stays below
simple means where colours tell all, and is well above them where noise blurs colours. Not learnt
from: with five or six blocks 0.893 (equal colour 0.943, k-means 0.922), with colours that may
come twice 0.891 (0.928, 0.807), with overlap 0.814 (0.920, 0.948), all under noise 0.1.

Sprites are harder (`objects_sprites`, 200 test scenes, noise 0.1, step 12, random seeds 0, 1, 2):
0.758 +- 0.008 by islands, where components of equal colour have 0.795 and k-means 0.790; under
twice the noise 0.691 +- 0.017, where they have 0.637 and 0.413. Strangers have to be further apart
than a sprite is wide, or its own ends are strangers: with sprites up to 11 cells wide and `apart`
of 4 it was 0.101. On 100 held-out scenes of sprites up to 8 cells wide, one run each:

    apart  touching  sharpness of attention  iterations  ARI
    8      0.1       5                       400         0.707
    8      0.1       15                      400         0.727
    8      0.4       5                       400         0.010
    7      0.05      5                       400         0.757
    7      0.05      15                      400         0.756
    7      0.05      5                       800         0.778
    7      0.025     5                       400         0.766
    7      0.025     15                      800         0.797 (the recipe)

`scenes` draws scenes of `blocks` or `sprites`, `guesses` are the simple means, `task` puts them
together; the losses are those of `nca help part_whole`.
"""
