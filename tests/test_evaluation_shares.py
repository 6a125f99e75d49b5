"""Of a batch to evaluate on each process draws its share, and gets what a whole one would give."""

import pytest
import torch
from processes import together
from tiny import PLUGIN, RECIPE

from nca import SILENT, PluginError, Task, register
from nca.checkpoint.read import read_recipe
from nca.distributed.shares import SampleShares
from nca.evaluation.evaluate import evaluate
from nca.recipe.tables import Evaluate
from nca.registry.discovery import discover, load_file
from nca.registry.registry import registry


def rows_of(here, shares, whole, batch):
    discover()
    if "blobs" not in registry.names("dataset"):
        load_file(here / "blobs.py")
    recipe = read_recipe(str(here / "tiny.toml"), [])
    automaton, task = recipe.automaton(), recipe.task()
    task.prepare(torch.device("cpu"), None, SILENT)
    if whole:  # as a task does that yields batches of its own
        batches = list(Task.evaluation_batches(task, "test", batch))
        task.evaluation_batches = lambda split, size: iter(batches)
    torch.manual_seed(0)
    for weight in automaton.parameters():
        weight.data = torch.rand(weight.shape)
    table = Evaluate(batch=batch, disturb="swap")
    given = {"split": "test", "steps": [3], "table": table, "shares": shares}
    return [
        [row.to_json() for row in evaluate(automaton, task, samples=samples, **given)]
        for samples in (0, 13)
    ]


def shared(here, count, whole, batch):
    return rows_of(here, SampleShares(torch.distributed.get_rank(), count), whole, batch)


@pytest.mark.parametrize("whole", [False, True])
def test_a_share_that_is_drawn_alone_is_that_of_the_whole_batch(whole, tmp_path):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    alone = rows_of(tmp_path, SampleShares(), False, 5)
    assert [len(rows) for rows in alone] == [2, 2]
    assert [rows[0]["samples"] for rows in alone] == [24, 13]
    assert alone[0][0] != alone[0][1]
    for rows in together(3, shared, tmp_path, 3, whole, 5):
        for found, wanted in zip(rows, alone, strict=True):
            for one, other in zip(found, wanted, strict=True):
                assert one == pytest.approx(other, abs=1e-6)


def test_a_task_has_batches_or_samples_to_evaluate_on():
    answers = dict.fromkeys(
        ("training_batch", "loss", "measure", "picture"), lambda self, *given: None
    )
    kind = type("Neither", (Task,), {**answers, "headline": "none", "better": "more"})
    with pytest.raises(PluginError, match="does not define evaluation_batches"):
        register.task("neither")(kind)
