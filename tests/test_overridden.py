"""Overrides of a checkpoint's recipe take effect on what it holds, or are refused."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from training_case import Sinking, begun

from nca import SILENT, CheckpointError, UpdateRule, View, register
from nca.checkpoint.trained import Trained
from nca.recipe.recipe import Recipe
from nca.training.run import Run


class Scaled(UpdateRule):
    """A share that follows from an option, and a weight that begins at another."""

    def __init__(self, *, scale: float = 2.0, start: float = 0.5) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))
        self.share = nn.Parameter(torch.tensor(start))

    def forward(self, view: View) -> Tensor:
        return self.share * self.scale * view.own


class Silent(Sinking):
    """A task that keeps what it has prepared, and does not say what that follows from."""

    def __init__(self, setting, *, depth: float = 1.0) -> None:
        super().__init__(setting)
        self.depth = depth
        self.register_buffer("kept", torch.zeros(()))

    def prepare(self, device, data=None, progress=None) -> None:
        if not self.kept:
            self.kept.fill_(self.depth)


class Saying(Silent):
    derived_buffers: ClassVar = {"kept": ("depth",)}


def saved(folder: Path, rule: str = "weighted", task: str = "sinking") -> str:
    run = begun(folder)
    register.rule("scaled")(Scaled)
    register.task("silent")(Silent)
    register.task("saying")(Saying)
    text = run.recipe.text.replace('"weighted"', f'"{rule}"').replace('"sinking"', f'"{task}"')
    recipe = Recipe.parse(text, name="other", folder=folder)
    Run.start(recipe, folder / "other", torch.device("cpu"), None, SILENT)
    return str(folder / "other" / "last.safetensors")


def load(path: str, *overrides: str) -> Trained:
    trained = Trained.load(path, torch.device("cpu"), overrides)
    trained.prepare(None)
    return trained


def test_a_stored_buffer_of_a_rule_follows_its_option(tmp_path):
    path = saved(tmp_path, rule="scaled")
    (rule,) = load(path, "levels.body.rules.0.scale=3.0").automaton.rules_of("body")
    assert rule.scale == 3
    (rule,) = load(path, "rollout.steps=2").automaton.rules_of("body")
    assert rule.scale == 2


def test_an_option_that_says_where_training_starts_comes_too_late(tmp_path):
    path = saved(tmp_path, rule="scaled")
    with pytest.raises(CheckpointError, match="comes too late: it says where training starts"):
        load(path, "levels.body.rules.0.start=0.25")
    assert load(path, "random_seed=5").recipe.tables.random_seed == 5


def test_what_a_task_has_prepared_is_made_anew_where_it_says_from_what(tmp_path):
    path = saved(tmp_path, task="saying")
    assert load(path).task.kept == 1
    assert load(path, "task.depth=4.0").task.kept == 4


def test_an_override_is_refused_where_a_task_does_not_say_what_it_keeps(tmp_path):
    path = saved(tmp_path, task="silent")
    assert load(path).task.kept == 1
    with pytest.raises(CheckpointError, match="Silent does not say which options"):
        load(path, "task.depth=4.0")
