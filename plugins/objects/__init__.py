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

MEASURED

`scenes` draws scenes of `blocks` or `sprites`, `guesses` are the simple means, `task` puts them
together; the losses are those of `nca help part_whole`.
"""
