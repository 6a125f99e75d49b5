"""The training loop, from top to bottom.

What an iteration does is the trainer's (`nca.training.trainer`): a batch is run for some steps, and
the weights follow the gradient of its loss; a population does so member by member. Everything
random is counted, so that an iteration depends on the weights, the pool and its own number alone.
Several processes do the same in the same order, each with its own samples; gradients, and what is
logged, are means over all of them, so that they agree on every decision.

`train` does that for a recipe. Without one, an automaton is a module like any other:

```python
import torch
from torch import nn

import nca


class Rule(nca.UpdateRule):
    def __init__(self, channels: int = 8, hidden: int = 32) -> None:
        super().__init__()
        self.perceive = nca.StencilPerception(channels, axes=2)
        self.hidden = nn.Linear(self.perceive.features, hidden)
        self.change = nn.Linear(hidden, channels)
        nn.init.zeros_(self.change.weight)

    def forward(self, view: nca.View) -> torch.Tensor:
        return nca.perceptron(self.perceive(view, view.own), self.hidden, self.change)


layout = nca.Layout([nca.Level("body", channels=8)])
automaton = nca.Automaton(layout, {"body": [Rule()]}, fire_rate=0.5)
optimiser = torch.optim.Adam(automaton.parameters(), lr=2e-3)
target = torch.zeros(4, 16, 16)
target[:, 4:12, 4:12] = 1.0  # a white square, opaque
for iteration in range(60):
    state = automaton.seed(batch=4, size=(16, 16), random_seed=iteration)
    state["body"][:, 3:, 8, 8] = 1.0  # one living cell in the middle
    state = automaton.rollout(state, steps=12)
    loss = (state["body"][:, :4] - target).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
```
"""

from nca.progress import SILENT, Progress
from nca.training.monitor import ShowStates, TrainingMonitor
from nca.training.run import Run
from nca.training.trainer import begin_training
from nca.training.trainers import trainer_of


def train(run: Run, progress: Progress = SILENT, show: ShowStates | None = None) -> None:
    """Train until the recipe's last iteration, or until `progress.stopped()`.

    Logs, validates and saves on the way; where it stops, the last checkpoint is of that moment.

    Args:
        run: Where training stands; it is moved forward.
        progress: Where it is reported: iterations, the records of `metrics.jsonl`, warnings.
        show: Takes the last states now and then, for a picture.

    Raises:
        DivergedError: The loss is not finite any more, or all states stay dead.
        StorageError: A checkpoint or the log cannot be written; the last one is whole.
    """
    table, trainer = run.table, trainer_of(run)
    monitor = TrainingMonitor(run, progress, show)
    run.modules.train()
    begin_training(run, progress)
    while run.iteration < table.iterations:
        update = trainer.iterate()
        run.iteration += 1

        monitor.take(update.terms, update.norm, update.state)
        last, stopped = run.iteration == table.iterations, run.group.any(progress.stopped())
        if trainer.validates():
            trainer.validate(progress)
        if run.iteration % table.save_every == 0 or last or stopped:
            monitor.report()
            run.save()
        if stopped:
            return
