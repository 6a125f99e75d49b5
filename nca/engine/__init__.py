"""The engine: the state of an automaton, the rules that change it, and the steps of time.

A state maps the name of each level to a tensor `(batch, channel, *space)`. Levels may differ in
resolution: a cell of a level of `scale` 2 spans two cells of the grid along each axis, and rules
read every level in the grid of their own (`nca.Level`). A state also carries the
counters of its randomness, so that `rollout(state, 96)` and `rollout(rollout(state, 40), 56)` are
the same rollout, on every device. `step`, `rollout` and `trajectory` of an automaton need no
recipe, no task and no command line. `nca.settle(automaton, state, tolerance=1e-3, at_most=200)`
lets each sample step until it is at rest; `nca.rollout_frames(automaton, state, frames, steps)`
shows frame after frame on the input levels while the cells carry on what they hold.

Read this folder in this order:
- `layout`: the levels there are, bottom level first, and which of them hold the input.
- `capacity`: how much memory a machine has, and the refusal of what exceeds it.
- `wide`: the numbers that sums are taken in: float64 where a device has it.
- `to_device`: copies from the host for which it does not wait.
- `state`: one tensor per level, with random seed, step and sample numbers.
- `rim`: the cells beyond the edge, added to a grid.
- `topology`: what lies beyond the edge of the grid; a torus, unless a recipe says otherwise.
- `resample`: how a level of another resolution is read in the grid of a rule's own.
- `convolve`: correlation with a wide kernel, directly or by Fourier transforms.
- `stencils`: fixed 3-wide kernels: identity, gradient, Laplacian.
- `window`: a part of a larger grid whose cells know where in the whole they are.
- `thumbnail`: a state as a notebook shows it.
- `rng`: random numbers as a function of seed, step, sample, channel and cell.
- `context`: what a rule knows when it is built: its level among the levels, axes, topology.
- `discrete`: tables of successors and networks of logic gates, as data.
- `program`: a rule's arithmetic as data: perception and small nets, decay, attention, tables.
- `step_inputs`: what the rules of one step share: the padded state and common correlations.
- `view`: what a rule may see of one step.
- `run_discrete`: tables and gates computed in torch.
- `run_program`: a program computed in torch.
- `needs`: the channels, axes and states that a rule needs.
- `rule`: the contract of update rules, `UpdateRule`: a program or a forward.
- `perception`: fixed perception, and small nets applied to every cell.
- `conditions`: alive mask, noise and temporal skips.
- `stepper`: what one step is (`StepSpec`), how it may be executed (`Stepper`), and the plain way
  (`DenseStepper`); `nca.backends` holds the other ways, `nca.backends.choose` picks one.
- `reach`: how far a step looks, for parts of a grid that are stepped by themselves.
- `watch`: what rules write into, and must not.
- `activation_memory`: what a rollout keeps for its gradient, and what it computes again.
- `automaton`: `Automaton`: layout, rules and conditions together; `step`, `rollout`, `trajectory`.
- `population`: automata of one shape, stepped in one call.
- `initial`: first states: zeros, uniform numbers or learned vectors.
- `rollouts`: rollouts until nothing changes, and with changing input.
- `plane`: rollouts on a plane, which is a torus that grows.

Public to the other folders: every module. Users take the same names from `nca`.
"""
