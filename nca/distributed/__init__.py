"""One run in several processes: by samples of the batch, or by cells of the grid.

    torchrun --nproc-per-node 4 -m nca run RECIPE

trains in four processes, each with a GPU of its own or, with `--device cpu`, a share of the cores.
Each draws, holds, steps and judges its own samples: a stretch of every batch, in training and in
evaluation, and a stretch of the pool, of which the states that a batch asks for come over from the
process that has them, and go back. So memory falls with the number of processes, and every way to
take steps (compiled, fused, in tiles) is that of one. The images of a data set, which any process
may ask for, lie in the memory of a machine once.

States are on their way back to the pool while the backward pass runs: with 20 ms added to every
message, two processes wait 0.1 ms for them in place of 20. What is waited for: losses of the drawn
states, which say who starts anew and may depend on the weights; and the mean of the gradients, one
message of 0.3 ms. Each weight is used in every step, so that its gradient is whole only when the
first step's is, and nothing is left to be computed meanwhile.

With `--shard 2x2` each has a block of the grid, and of the states of the pool, and asks its
neighbours for what lies beyond the edge of its block: once a step, and in large blocks while the
inside is stepped, or the gradient of the inside is computed (`block_stepper` says when). Outside of
the steps a batch is whole in each, which draws it and computes its loss: a task may judge cells
together.

The outcome does not depend on how many processes there are (1e-10 in float64; 1 to 4 processes,
gloo): fire masks, noise and draws are counted by sample and cell. `nca evaluate` steps and measures
in the same shares, and `nca render` steps in them.

Ctrl-C saves. A process that is lost ends all, with a sentence that says so;
`nca run --resume RUN`, in any number of processes, continues: a checkpoint holds the whole pool,
which the leader writes, and every process reads, a piece at a time.

Each process reads the data set before it is held in common; tasks that hold none in `hold_data`
have one for each process, as do all where `/dev/shm` has no room, and tasks with
`evaluation_batches` of their own draw those whole. With `--shard` no step is fused, and a task that
computes its loss in float32, as `texture` does, has the same outcome to the rounding of that. nccl
and several GPUs have not been run. On one machine without GPUs, threads do as well: `nca help
measured` has the figures.

`group` starts and ends the processes, `agreement` settles what each has decided for itself,
`shares` says which samples and rows each one has and moves rows between them, `pieces` is a tensor
that is whole in none, `common` is memory that all share, `sharding` says which part of a whole
state each one has, `halo` exchanges the edges of a tensor and `block_halo` those of a state,
`sharded` steps an automaton by parts, and `block_stepper` a block: from Python it is also stepped
without any process that holds the whole. Public to the other folders: every module.
"""
