"""Tasks that are only watched: what `nca.WatchedTask` has for them."""

from pathlib import Path

import pytest
import torch

from nca import Batch, HostRNG, Layout, Level, NCAError, Share, TaskContext, WatchedTask


class Counted(WatchedTask):
    headline, better = "cells", "more"

    def training_batch(self, draw: HostRNG, samples: torch.Tensor) -> Batch:
        size = self.context.size
        return Batch(self.context.layout.zeros(len(samples), size).replace(samples=samples))

    def picture(self, state):
        return state["body"].expand(-1, 3, -1, -1)

    def measure(self, state, batch):
        return {"cells": Share.of(state["body"].flatten(1).sum(dim=1))}


def test_a_task_that_is_watched_says_only_how_its_states_begin_and_what_is_counted():
    task = Counted(TaskContext(Layout([Level("body", 1)]), (3, 4), Path()), trials=5)
    task.prepare(torch.device("cpu"))
    batches = list(task.evaluation_batches("test", 2))
    assert [batch.state.samples.tolist() for batch in batches] == [[-1, -2], [-3, -4], [-5]]
    with pytest.raises(NCAError, match="is watched, and not trained for") as refused:
        task.loss([batches[0].state], batches[0])
    assert "the task Counted" in str(refused.value)
