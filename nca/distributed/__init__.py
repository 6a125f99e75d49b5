"""One run in several processes: by samples of the batch, or by cells of the grid.

    torchrun --nproc-per-node 4 -m nca run RECIPE

trains in four processes, each with a GPU of its own or, with `--device cpu`, a share of the cores.
What is divided are the steps of the automaton and their gradients: by samples or, with
`--shard 2x2`, by cells, where each process asks its neighbours for what lies beyond the edge of
its block. The outcome does not depend on how many processes there are (1e-10 in float64; 1 to 4
processes, gloo): fire masks, noise and draws are counted by sample and cell. `nca evaluate` shares
its steps in the same ways.

Ctrl-C saves. A process that is lost ends all, with a sentence that says so;
`nca run --resume RUN`, in any number of processes, continues.

Each process draws the whole batch, holds the whole pool, and computes the loss of the whole batch.
Parts of a shared grid take no fused step. nccl and several GPUs have not been run. On one machine
without GPUs, threads do as well: `nca help measured` has the figures.

`group` starts and ends the processes, `agreement` settles what each has decided for itself,
`sharding` says which part each one has, `halo` exchanges edges, `sharded` steps an automaton by
parts: from Python it also steps a block without any process that holds the whole. Public to the
other folders: `group`, `agreement`, `sharding`, `sharded`.
"""
