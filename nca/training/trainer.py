"""A trainer: what one iteration of a run does, and what is measured and kept of it."""

import math
from abc import ABC, abstractmethod

from nca.evaluation.evaluate import Measurement, evaluate
from nca.progress import SILENT, Progress
from nca.recipe.recipe import Recipe
from nca.training.ema import ema_weights
from nca.training.gradient_descent import GradientDescent, Update
from nca.training.learner import Learner
from nca.training.run import Run


class Trainer(ABC):
    """Does the iterations of a run, one after the other; the loop counts and logs them.

    Args:
        run: Where training stands.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    @abstractmethod
    def iterate(self) -> Update:
        """Do the iteration of the run's number: move its weights, averages and pool."""

    @abstractmethod
    def validate(self, progress: Progress) -> None:
        """Measure on held-out data, log it, and keep the weights that are the best so far."""

    def validates(self) -> bool:
        """Return whether the iterations so far ask for a validation."""
        every, done = self.run.table.validate_every, self.run.iteration
        return bool(every) and (done % every == 0 or done == self.run.table.iterations)


class GradientTrainer(Trainer):
    """Moves the weights of a run along their gradient.

    Args:
        run: Where training stands.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.descent = GradientDescent(run)

    def iterate(self) -> Update:
        """See `Trainer.iterate`."""
        update = self.descent.look()
        self.descent.move(update)
        return update

    def validate(self, progress: Progress) -> None:
        """See `Trainer.validate`."""
        keep_if_best(self.run, measure_held_out(self.run, self.run.recipe, progress), progress)


def begin_training(run: Run, progress: Progress) -> None:
    """Report the beginning of training, or its return from a validation."""
    total = run.table.iterations
    progress.begin(run.recipe.name, total, done=run.iteration, unit="iterations")


def measure_held_out(learner: Learner, recipe: Recipe, progress: Progress = SILENT) -> Measurement:
    """Measure the averaged weights of a learner, or those of now, on held-out data.

    Args:
        learner: Whose weights are measured.
        recipe: Says at which steps, and what else `[evaluate]` says.
        progress: Where it is reported.
    """
    with ema_weights(learner.ema), learner.recipe.autocast(learner.device):
        (row,) = evaluate(
            learner.automaton,
            learner.task,
            split="held_out",
            steps=recipe.evaluation_steps[:1],
            table=recipe.tables.evaluate,
            samples=learner.table.validate_samples,
            disturb=False,
            progress=progress,
            shares=learner.group.samples,
        )
    return row


def keep_if_best(run: Run, row: Measurement, progress: Progress = SILENT) -> None:
    """Log what was measured on held-out data, and keep the weights if they are the best so far.

    Args:
        run: Where training stands.
        row: What its weights have measured.
        progress: Where it is reported.
    """
    record = {"iteration": run.iteration, "kind": "held_out", **row.to_json()}
    run.log.write(record)
    begin_training(run, progress)
    progress.record(record)
    headline = row.metrics[run.task.headline]
    sign = 1 if run.task.better == "more" else -1
    if math.isfinite(headline) and (run.best is None or sign * headline > sign * run.best):
        run.best = headline
        run.save_best({"held_out": [row.to_json()]})
