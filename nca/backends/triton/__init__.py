"""A step of nets in one launch: perception and hidden layers stay on the chip.

A rollout is one operation of autograd (`rollout`), all of whose launches (`forward`, `backward`)
are started with little Python (`launch`), or recorded as CUDA graphs and replayed (`graphs`). They
are given `inputs`, and weights (`level_weights`) laid out (`weights`, `layers`, `step`) by a `plan`
of `sizes` that registers hold; `work` says who computes which part of a gradient. The programs:
`programs` (a step), `gradients`, `field_gradients`, `life`, `squash`, of parts in `perceive`,
`activations`, `slope`, `attention` and `draws`; `deep` and `deep_gradients` are the parts for nets
of several hidden layers.

For levels that are changed by nets of one shape, 3x3 correlations of some levels on a torus, hidden
layers, and a change for every channel; by shares of themselves; and by attention of their cells to
the nine cells of their neighbourhood. Hidden units have any activation of `nca.engine.program`; how
many layers there are is not bounded. Programs are written in Triton, which is imported when first
needed and never required.

Going forward, a program holds a tile of cells of one level. For each net it finds the neighbourhood
by arithmetic modulo the sides. Where a net has fixed stencils and they make for the smaller product
(`plan.stencils_pay`: 16 channels and 3 stencils are 48 numbers in place of 144), cells perceive
through them first; elsewhere the neighbourhood is multiplied with the first layer tap by tap, into
which stencils are folded. Then follow the last layer, share, noise, fire mask and living mask; the
random numbers are those of `nca.engine.rng`, bit by bit. All nets of all levels are one launch.

A net of several hidden layers, or that reads several levels, is a deep net. Its stencils are folded
into the first layer; what the units of a layer sum up is written to memory and read for the next
layer by the same program, 64 units at a time (32 where products are not those of bfloat16), so that
registers hold any number of layers of any width.

Going backward, only the states from before the step are there. Two launches, or three:
1. a program for each net, or 128 of its hidden units (64 of activations other than relu), computes
   the hidden layer again, and from it and the gradient of the level what it hands to the cells that
   it has read: the gradient of what they perceived through stencils, or that of the hidden layer.
   It sums up the gradient of the last layer over its cells, and beside stencils that of the first:
   for 64 hidden units after the other, since registers hold no more;
2. a program for each tile of a field gathers from the neighbours of a cell what they hand to it:
   the torus backwards, without atomic additions;
3. a program for each net without stencils and 64 rows of its first layer sums up their gradient.
Of a deep net, one program of the first launch goes up and down through all layers of its cells, and
hands on the gradients of what all units sum up; the third sums up the gradients of all layers.
Sums over cells are written as at most 264 parts; each adds up over the steps of a rollout where it
is, and the parts are summed in a fixed order at the end: the same bits each time. What is handed on
(96 bytes for 48 numbers in bfloat16, 256 for 128 hidden units) stays in the second cache of a
Hopper card at 8 grids of 72x72 cells.

Attention (`attention`) adds no launch: its weights are a softmax of float32, beside the nets of a
level. Going backward, a program for each attention, in the first launch, computes them again, hands
on 18 numbers of each cell, and sums up the gradients of rate and sharpness; the programs of fields
gather those of a cell and of its neighbours.

The floor on an H100, which copies 3.0 TB/s and multiplies bfloat16 at 800 TFLOP/s, for 16 channels,
3 stencils, 128 hidden units and one net: a step reads and writes 64 bytes of state for each cell,
0.04 ns, and takes 2 * (27 * 16 + 48 * 128 + 128 * 16) = 17 kFLOP, 0.02 ns; tap by tap it is 41.
Backward a cell takes 47 kFLOP or 0.06 ns, tap by tap 119, and moves 192 bytes of state and
gradients, 0.06 ns. Attention takes 9 * 7 * 16 = 1.0 kFLOP of float32 without tensor cores, 0.02 ns
at 67 TFLOP/s, of numbers that are in the first cache; backward 9 * 13 * 16 = 1.9 kFLOP or 0.03 ns,
and it reads state and gradient once more and hands on 72 bytes, 272 in all or 0.09 ns. The programs
have not run on a card yet, so none of this says how near they come.

Sides of matrices are filled up with zeros, for tensor cores multiply 16 and programs hold powers of
two: 10 and 12 channels become 16, 24 become 32, and 48 hidden units 64. Behind stencils hidden
units come in 64 and a rest, 96 as 64 and 32, for what is perceived is at hand. Step and gradient
multiply so many times what is needed: 1.00 behind three stencils with 16 channels and 96 hidden
units, 1.33 behind four with 12; without stencils 1.08 with 16 channels and 32 hidden units, 1.80
with 24 and 48. There it stays, by count: 48 hidden units as 32 and 16 spare 9 of 37 kFLOP
of a cell, 1.5 ns of a multiprocessor at 6 TFLOP/s, and gather 9 * 32 numbers once more, 1.2 kB or 5
ns at 220 GB/s; 24 channels without gaps spare as much of the products, and put cells of several
neighbours into one product, found by a division for each number in place of each row.

Deep nets pay for registers with memory. With 1 and 19 channels read and 80 and 80 units, of which
programs make 128 and 128, a step takes 119 kFLOP of a cell where 45 are needed, 0.15 ns at the rate
above; it writes 512 bytes of it in bfloat16 and reads 768. Its gradient takes 374 kFLOP or 0.47 ns,
writes 1.1 kB, and reads them 7 times, a third of that from neighbours. Up to some 50,000 cells in a
step and 25,000 in a gradient all of it stays in the second cache; beyond, the step takes 0.43 ns.
So many bytes of each cell lie beside the states, half as many again where products are not those of
bfloat16.

Four warps multiply 16 rows each of a tile of 64. With eight, where one product feeds another, all
rows would be multiplied twice, so eight are taken only where products are exact or channels many.

Products are those of bfloat16 with float32 sums under autocast to bfloat16, else those of float32
as torch's own switch has it (`step.FLOAT32_PRODUCTS`). States are float32 in either case.

Which cells live before a step, its programs find out themselves. Which live after it is known only
when the step of the neighbours has ended, so the next step clears the dead, as it reads them: from
25 numbers around a cell it finds out which of the nine that it perceives survived it (`life`). It
writes what it has read of its own cells once more where a gradient will be asked for, and a launch
clears what the last step leaves. So a step is one launch, and without a gradient it moves 128 bytes
of 16 channels, where clearing by a launch moves 256; the gradient finds states and masks as if that
had cleared them. Attention, deep nets and cells that live by what is more than one cell away keep
that launch after each step. What stays in torch, and makes rollouts of one step each: skips, and
levels that change and are read standardised.

Levels that nets read squashed are squashed where they are written, 16 or 24 numbers of a cell, the
dead among them, whose squashed zero is zero: the programs that read them would do it 9 times for
each net, and an exponential and a division of each number take longer than the product that
follows. A launch squashes them before the first step of a rollout, and another before the last step
of its gradient; from there on a program of fields squashes, beside what it does for one step, the
levels from before the step before.

Without a card the host takes 3 to 6 us for each further step and 6 to 10 for its gradient, where
operations of one step each took 140 and 225 (`tests/host_time.py`, on one thread of an idle AMD
EPYC; a driver adds a few microseconds to each launch); with all that a rollout takes besides, to
lay out weights and to allocate what its launches write, 22 and 16 us a step of 32 (one net), 63 and
53 of 20 (eight nets). Replayed graphs take none of it but the copies.
"""

from nca.backends.triton.graphs import RolloutGraphs
from nca.backends.triton.inputs import AliveCells, RolloutArguments
from nca.backends.triton.layers import LayerWeights
from nca.backends.triton.level_weights import LevelAttention, LevelWeights, NetWeights, ReadWeights
from nca.backends.triton.plan import AgreementPlan, AttentionPlan, LifePlan, ShownPlan
from nca.backends.triton.rollout import roll_out
from nca.backends.triton.step import Weights, float32_products, interpreted, prepare

__all__ = [
    "AgreementPlan",
    "AttentionPlan",
    "LevelAttention",
    "LevelWeights",
    "NetWeights",
    "ReadWeights",
    "LayerWeights",
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
