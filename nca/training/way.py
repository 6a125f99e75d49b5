"""The way in which a run will take its steps, as `nca.backends.choose` chooses it."""

import torch

from nca.engine.population import Population
from nca.engine.rng import HostRNG
from nca.recipe.tables import EvolveByStrategies
from nca.training.gradient_descent import next_batch
from nca.training.run import Run


def way_of_training(run: Run) -> str:
    """Return how the steps of training begin: `dense`, `sparse`, `tiled`, `fused`, ...

    None of them passes; on a CUDA device fused steps are compared with plain ones first, as they
    are before they are taken. Compiled steps are named where the recipe demands them; whether they
    pay, where it leaves that open, is a matter of the clock.

    Args:
        run: It is left as it was.
    """
    automaton, training = run.automaton, run.modules.training
    compiled, evolve = automaton.compiled, run.recipe.tables.evolve
    _, batch = next_batch(run, HostRNG(run.recipe.tables.random_seed, run.iteration))
    state = batch.state.select(slice(0, batch.state.batch // run.table.parts))
    run.modules.train()
    if run.table.compile == "always":
        automaton.compiled = "training"
    try:
        with run.recipe.autocast(run.device):
            if not isinstance(evolve, EvolveByStrategies):
                return automaton.way(state)
            with torch.no_grad():
                trials = Population.clones(automaton, evolve.population + 1)
                return trials.way([state] * len(trials))
    finally:
        automaton.compiled = compiled
        run.modules.train(training)
