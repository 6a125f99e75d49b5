"""Pictures and films of an automaton, and the pictures that it is given.

    nca render CHECKPOINT                              a strip: samples through time
    nca render CHECKPOINT --show levels                the levels side by side
    nca render CHECKPOINT --out film.gif --steps 100   an animation; .apng, .webp, .mp4 too
    nca render CHECKPOINT --out -                      the last state, in the terminal
    nca render CHECKPOINT --size 64x160 --seeds 6 --damage 60:half:0.5:left --out film.gif
    nca render B3/S23 acorn --plane --out film.gif     on a grid that grows with the pattern
    nca render CHECKPOINT --frames film.gif --steps-per-frame 2 --out seen.gif

`--frames` shows a GIF or a folder of pictures on the input, and the cells carry on from frame to
frame what they hold. Films in .mp4 need `pip install "nca[video]"`. Pictures show grids of two
axes only.

`sheet` lays pictures out, `animation` encodes films, `picture_files` and `pictures` read them for
every door (`pixels` knows their modes, `load` makes targets of them, `upload` decodes messages),
`palettes`, `pca` and `outlines` choose colours, `terminal` draws with characters, `curve` and
`lineage` draw what a run has logged, `schedule` places seeds and damage, `film_input` reads films,
`collect` and `plane` keep states on their way, and `lattice`, with `hexagons.js` for pages, knows
how hexagons lie. Public to the other folders: every module.
"""
