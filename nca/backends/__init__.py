"""Other ways to execute the same step: bits, sparse, tiled, compiled, fused.

All ways draw the same random numbers, and agree with the plain step up to rounding. `choose` picks
one for an automaton and a state; `nca plan RECIPE` and `automaton.way(state)` say which, and
`nca bench RECIPE` times them beside each other. Of what is not finite they make different things: a
cell that rests beside a NaN or an infinity becomes NaN in a plain step, which multiplies its change
by zero, and stays as it is in sparse steps and in tiles.

- `bits`: cells of few states, 64 to a word, for rules that are tables of successors or hard logic
  gates (`nca.why_not_bits`): 45 times as fast as the plain step on a large grid. All cells fire,
  there is no noise, alive mask or skip, and the state holds whole numbers.
- `sparse`: where an alive mask spares most of the grid, only the cells that can change are
  computed, for rules that promise to be `cellwise`; `sparse_inputs` is what such rules are shown.
- `tiled`: on a CPU, perception, layers and change of a few thousand cells while they lie in the
  cache, for rules that declare perception and layers (`nca.why_not_tiled`). Cells perceive by a
  sparse product, those that do not fire skip the layers, and the gradient is computed by hand from
  states and lists of cells alone. It is chosen where cells perceive by stencils, or where at most
  three quarters of them fire; where an alive mask spares cells and they perceive by stencils, as
  long as more than a third of the grid can change. Where a mask lasts (the dead are frozen, and no
  rule writes the level that tells life) many steps are one node of the graph, which works in place
  and keeps what the layers of the changing cells were given. It has no second derivatives:
  `tiled=False` for those. A rule with hooks, or with a forward beside its program, is not replaced
  by its program.
- `joint`: automata of one shape as one step, each with weights of its own (`nca.Population`).
- `same_numbers`: whether fixed stencils of several automata are the same ones.
- `changing`: which cells change in a step.
- `compiled`: one step by `torch.compile`. `[train] compile = "auto"` times on the run's own next
  batch whether compiled steps pay for the rest of the run, prints what it found, and keeps to it
  when the run is resumed; without it nothing is compiled, since compiled steps round differently.
  Weights that a short rollout does not reach have a gradient of zero rather than none, which Adam
  counts. What is compiled is not fused, unless `fused=True` demands that.
- `fused`: perception, hidden layer and change in one launch on a CUDA device, forward and
  backward; a rollout is one operation of autograd, which keeps nothing but states and masks
  of a byte for each cell. From the second of its kind on, a rollout is replayed as
  CUDA graphs of 1, 2, 4, ... steps, which hold up to twice its states on the device; where they do
  not have the bits of their launches, a warning says so, and none is replayed. `lowering` says what
  fits: two axes, torus, float32 states, levels of one size, at most 128 channels, rules that sum up
  3x3 kernels over some levels before layers of any number and activation, and attention to a 3x3
  neighbourhood. Between several hidden layers sums lie in memory, up to 4 bytes a unit and cell.
  Nets that read neighbours scaled by attention, location codes, the length of gradients, and
  dropout in training take the plain step, and so do parts of a shared grid. There are no second
  derivatives and no `torch.func.vmap` through a fused step: `fused=False` for those.
  `nca.why_not_fused(automaton, state)` says what stands in the way. `triton` holds the programs,
  which compile with Triton 3.5 to 3.8, those of torch 2.9 and later; `device_check` compares them
  with the plain step the first time on a device. Fixed stencils are perceived before a single
  hidden layer where that is the smaller product (with 16 channels and three of them a hidden unit
  has 48 inputs in place of 144). Products of float32 follow torch's own switch,
  `torch.backends.cuda.matmul.fp32_precision`: unset, up to 16 channels, a step multiplies by three
  products of TF32 for one, whose levels are within 1e-5 of the plain ones in the 2-norm, or it is
  not taken unasked; `ieee`, or `torch.set_float32_matmul_precision("highest")`, demands exact ones,
  and `tf32` allows single ones of TF32, within 4e-3. More channels, and gradients of weights behind
  stencils, have exact products.

`[train] precision` is that of matrix products; states and weights stay in float32. `auto`, which
holds where a recipe says nothing, times products of the recipe's own shapes on the device at hand,
and takes bfloat16 where they are at least 1.2 times as fast; a run keeps to what it began with. A
checkpoint that was trained in float32 is evaluated, drawn and played in float32, one trained in
bfloat16 in whichever is faster. `bfloat16` asked for by name is warned of where it is slow.

On a CPU `nca run` and `nca.train` time one thread, half of them and all, take what is fastest, and
look again when throughput has doubled or halved; `OMP_NUM_THREADS` has the last word, and runs of a
sweep have those of their slot. `nca.train` leaves torch with as many as it had. Threads of commands
soon sleep while they wait for each other (`GOMP_SPINCOUNT=2000`, unless that or `OMP_WAIT_POLICY`
is set), and so do those of a script in which a name of `nca` (`from nca import Automaton`) is the
first to import torch; one that imports torch itself first sets it where it is started:
`GOMP_SPINCOUNT=2000 python mine.py`.

`[train] memory` and `parts`: `nca help memory`. What was measured: `nca help measured`.

Public to the other folders: every module. Of their names `nca` exports `why_not_bits`,
`why_not_fused` and `why_not_tiled`.
"""
