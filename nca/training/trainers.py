"""Which trainer a recipe asks for."""

from nca.recipe.tables import EvolveByExchange
from nca.training.exchange import ExchangeTrainer
from nca.training.run import Run
from nca.training.trainer import GradientTrainer, Trainer


def trainer_of(run: Run) -> Trainer:
    """Return what does the iterations of a run."""
    table = run.recipe.tables.evolve
    if isinstance(table, EvolveByExchange):
        return ExchangeTrainer(run, table)
    return GradientTrainer(run)
