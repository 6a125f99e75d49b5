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

`[evolve] kind = "exchange"` trains a population by gradients (Jaderberg et al. 2017), and the
better replace the worse:

    [evolve]
    kind = "exchange"
    population = 4                 # members, each with its own first weights, batches and pool
    every = 250                    # iterations until all are measured on held-out data, and ...
    replace = 1                    # ... so many of the worst give way to copies of the best
    sigma = 0.05                   # noise on a copy's weights, as a share of their root mean square
    factor = 1.2                   # by which a copy's hyperparameters are multiplied or divided
    vary = { learning_rate = [1e-3, 1e-2], fire_rate = [0.3, 0.9] }

`vary` names what a copy may have otherwise, each within its bounds: `learning_rate`, `steps` (the
most of a rollout; the fewest keep their share), `fire_rate`, `noise` (its scale) and `dropout` (of
the rules that have one). All begin with the recipe's values. A copy takes over weights, averages,
the optimiser's moments and the pool; its random numbers are those of the place that it fills. With
`replace = 0` members are runs of their own, to the bit: each that of the recipe with the random
seed that `metrics.jsonl` names. There, rows of kind `member` are the family tree (who began when,
in whose place, as whose copy, with what), rows of kind `judged` the figures of all;
`lineage.png` draws it. `best.safetensors` is the best member, under a recipe with its
hyperparameters; `last.safetensors` holds all, `member.N.` before their names, and shows the one
that leads. Members take turns: an iteration takes the time of all and the memory of one. A member
whose loss is not finite stays as it is until it is replaced. One process trains a population.

`loop` is the loop from top to bottom, `trainer` what an iteration does and what is kept of a
validation, `exchange` the same of a population, `trainers` which of them a recipe asks for,
`gradient_descent` moves the weights of a `learner` (the modules, and all that training keeps beside
them), `forward_backward` is one iteration's rollout, loss and gradient, `run` a learner with its
folder, `run_folder` makes and locks it, `restore` checks what a run takes up, `members` what a
population takes up, `individual` is who fills a place in it, `strategies` tries weights with noise
on them, `ema` averages weights, `monitor` notices what goes wrong, `choices` lets `memory_planner`,
`threads` and `compile_trial` choose before the first iteration, and trains, `way` names how steps
will be taken, `new_recipe` notes overrides of a run that goes on, `optimiser` moves the weights,
`log` and `tensorboard` write.
Public to the other folders: every module.
"""
