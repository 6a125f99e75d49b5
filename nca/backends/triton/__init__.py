"""A step of nets in one launch: perception and hidden layers never leave the chip.

A rollout is one operation of autograd (`rollout`), all of whose launches (`launches`) are started
with little Python (`launch`), or recorded as CUDA graphs and replayed (`graphs`).

For levels that are changed by nets of one shape, a 3x3 correlation of some level on a torus, one
hidden layer with relu, and a change for every channel, and by shares of themselves. Programs are
written in Triton, which is imported when first needed and never required.

Going forward, a program holds a tile of cells of one level. For each net it gathers the
neighbourhood by arithmetic modulo the sides, multiplies it with the first layer tap by tap, and the
hidden layer with the last one, and adds share, noise, fire mask and living mask; the random numbers
are those of `nca.engine.rng`, bit by bit. All nets of all levels are one launch.

Going backward, only the states from before the step are there. Three launches:
1. a program for each net, or 128 of its hidden units, computes the hidden layer again, and from it
   and the gradient of the level that of the hidden layer, which it writes; it sums up that of the
   last layer over its cells;
2. a program for each tile of a field gathers from the neighbours of a cell the gradients of the
   hidden layers that had read it: the torus backwards, without atomic additions;
3. a program for each net and 64 rows of its first layer sums up their gradient over its cells.
Sums over cells are written as at most 264 parts; each adds up over the steps of a rollout where it
is, and the parts are summed in a fixed order at the end: the same bits each time. To write the
gradient of the hidden layer (256 bytes for 128 units in bfloat16, read back through the cache) is
cheaper than to compute the hidden layers of nine cells for each cell; at 8 grids of 72x72 cells all
of it is 10.6 MB, which the second cache of a Hopper card holds.

The floor on an H100, which copies 3.0 TB/s and multiplies bfloat16 at 800 TFLOP/s, for 16 channels,
128 hidden units and one net: a step reads and writes 64 bytes of state for each cell, 0.04 ns, and
takes 2 * 9 * 16 * 128 + 2 * 128 * 16 = 41 kFLOP, 0.05 ns. (A fixed perception is folded into the
first layer, so that one shape of program is enough; to perceive first would take 16.9 kFLOP.)
Backward, a cell takes three times as much, 123 kFLOP or 0.15 ns, and moves 192 bytes of state and
gradients, 0.06 ns, if the hidden gradients stay in the cache; if not, 512 more, 0.23 ns in all.
The programs have not run on a card yet, so none of this says how near they come.

Products are those of bfloat16 with float32 sums under autocast to bfloat16, else those of float32
(never tf32). States are float32 in either case.

Which cells live before a step, its programs find out themselves. Which live after it is known only
when the step of the neighbours has ended, so clearing the dead is a launch of its own; its gradient
is not. So a step that clears the dead is two launches, and its gradient three. Levels that nets
read squashed are squashed by one launch before each step. What stays in torch, and makes rollouts
of one step each: skips, and levels that change and are read standardised.

Without a card the host takes 7 to 18 us for each further step and 12 to 18 us for its gradient,
where operations of one step each took 140 and 225 (`tests/host_time.py`, on one thread of an AMD
EPYC that others used, too; a driver adds a few microseconds to each launch). A rollout takes 1 to 3
ms besides, to lay out weights and to allocate what its launches write.
"""

from nca.backends.triton.graphs import RolloutGraphs
from nca.backends.triton.inputs import AliveCells, RolloutArguments
from nca.backends.triton.plan import LifePlan, ShownPlan
from nca.backends.triton.rollout import roll_out
from nca.backends.triton.step import Weights, float32_products, interpreted, prepare
from nca.backends.triton.weights import LevelWeights, NetWeights

__all__ = [
    "LevelWeights",
    "NetWeights",
    "Weights",
    "prepare",
    "interpreted",
    "float32_products",
    "LifePlan",
    "ShownPlan",
    "AliveCells",
    "RolloutArguments",
    "roll_out",
    "RolloutGraphs",
]
