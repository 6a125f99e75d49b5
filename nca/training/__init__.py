"""The training loop, and what is chosen before it.

    nca run RECIPE                 train, evaluate on test data, draw
    nca run --resume RUN           continue after any interruption, to the same bits
    nca run RECIPE --from RUN      begin with those weights of another run that fit
    nca plan RECIPE --free 24GB    what an iteration will need, before it is trained

A run's folder holds `recipe.toml`, `last.safetensors` (all that is needed to go on),
`best.safetensors` (the weights that were best on held-out data, with what they measured),
`metrics.jsonl`, `evaluation.json`, `states.png`, `levels.png` and `curve.png`. It is locked for as
long as its process runs (`.nca.lock`): a second one is refused, and who only reads is not.

`[train]` sets batch, iterations, learning rate and its schedule, treatment of gradients, averaged
weights, precision, memory (`nca help memory`), compiled steps (`nca help speed`), and when to
validate and to save. Everything random is counted, so that an iteration depends on the weights, the
pool and its own number alone. Two threads round otherwise than one: a resumed run takes as many as
it last had; `OMP_NUM_THREADS` keeps the number fixed, however busy the machine is. Before a
terminal with colours the cells are drawn as they train (`--no-picture`: not).

`[evolve] kind = "strategies"` follows no gradient: `population` trials of the weights with noise of
standard deviation `sigma`, all on the same batch, say by the rank of their loss which way the
optimiser goes (`evolution`). `fitness = "headline"` judges them by the task's headline metric
instead. Neither needs a derivative; an iteration costs as much as `population + 1` rollouts.

`loop` is the loop from top to bottom, `forward_backward` one iteration's rollout, loss and
gradient, `run` the modules and the counters, `run_folder` makes and locks the folder, `restore`
checks what a run takes up, `strategies` tries weights with noise on them, `ema` averages weights,
`monitor` notices what goes wrong, `choices` lets `memory_planner`, `threads` and `compile_trial`
choose before the first iteration, `new_recipe` notes overrides of a run that goes on, `optimiser`
moves the weights, `log` and `tensorboard` write.
Public to the other folders: every module.
"""
