"""Automata of logic gates: learnt by gradient, then hardened to bits.

    nca run logic_life                     learns Life from its 512 neighbourhoods
    nca play logic_life                    plays the hardened circuit
    nca export logic_life --to c           the circuit as one C program
    nca run logic_life --set 'task.teacher={ name = "life", rule = "B36/S23" }'
    nca run logic_checkerboard             grows a checkerboard from one cell

The rule `logic` is a network of gates of two inputs on wires that are drawn at random and stay. In
training a gate mixes all sixteen logic gates by the softmax of its weights; in evaluation, and in
all that is played, measured or exported, it is the gate of the greatest weight, so that cells are
bits and steps may be taken 64 cells at once. After Miotti et al. (2025) and Petersen et al. (2022).

The task `transitions` teaches a level what another rule without weights does, `teacher`. With
`cells = "every"` the grid holds each neighbourhood of radius 1 once: 8 cells in a row, or a torus
of 8 x 64; `grids right` of 1 at step 1 then means that all of them are right. `cells = "random"`
takes any grid, number of channels and radius. The task `bit_growth` grows the opaque pixels of a
target from one cell, on the first channel.

`gates` are the sixteen gates, `wires` draws wires, `rule` is the rule, `neighbourhoods` makes grids
of all neighbourhoods, `transitions` and `bit_growth` are the tasks.
"""
