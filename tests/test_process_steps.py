"""In tiles, compiled or fused: several processes train by the steps that one takes, and as it does.

Each takes about its share of the memory, which is measured here, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist
from process_group_case import CPU, shake
from processes import together
from torch import Tensor
from torch.testing import assert_close

from nca import SILENT
from nca.backends import choose
from nca.checkpoint.read import read_recipe
from nca.distributed.group import ProcessGroup
from nca.engine.stepper import Stepper
from nca.registry.discovery import discover
from nca.training import probe
from nca.training.loop import train
from nca.training.run import Run
from nca.types import Size

Way = Literal["tiled", "compiled", "fused"]

RECIPE = """\
format = 1
random_seed = 3
[grid]
size = [8, 8]
[[levels]]
name = "body"
channels = 4
rules = [{ name = "growing", hidden = 6, laplacian = true }]
[rollout]
steps = 2
fire_rate = 0.5
[task]
name = "image_growth"
target = "lizard"
side = 6
[pool]
size = 8
damaged = 1
[train]
batch = 4
iterations = 2
learning_rate = 2e-3
validate_every = 0
memory = "store"
precision = "float32"
[evaluate]
steps = [3]
"""
"""All cells live, half of them fire, and the rule perceives by stencils."""
TILES = ("grid.size=[48, 48]", "train.iterations=3")
"""Four samples of that size are several tiles, and two are."""


@dataclass(frozen=True)
class Outcome:
    """What a process has of a run.

    Attributes:
        ways: The ways to step that were chosen for it.
        weights: By name.
        body: Of its states of the pool.
    """

    ways: set[str]
    weights: dict[str, Tensor]
    body: Tensor


def begun(here: Path, name: str, shard: Size | None, overrides: tuple[str, ...]) -> Run:
    """Return a new run, whose weights have been moved."""
    group = ProcessGroup(dist.get_rank(), dist.get_world_size(), None, shard)
    discover()
    (here / f"{group.rank}.toml").write_text(RECIPE)
    recipe = read_recipe(str(here / f"{group.rank}.toml"), overrides)
    run = Run.start(recipe, here / name, CPU, None, SILENT, group)
    shake(run)
    return run


@contextmanager
def noted_ways() -> Iterator[set[str]]:
    """Note which ways to step are chosen, in shares of a grid, too."""
    names, chosen = set[str](), choose.choose_stepper

    def noted(*given: Any) -> Stepper:
        stepper = chosen(*given)
        names.add(stepper.way)
        return stepper

    with (
        patch("nca.engine.automaton.choose_stepper", noted),
        patch("nca.backends.choose.choose_stepper", noted),
    ):
        yield names


def trained(here: Path, name: str, way: Way, shard: Size | None = None) -> Outcome:
    """Train by one way to step: in float64, but for fused steps, which take float32 alone."""
    torch.set_default_dtype(torch.float32 if way == "fused" else torch.float64)
    traced = partial(torch.compile, backend="aot_eager")  # it takes a minute to translate a step
    try:
        run = begun(here, name, shard, TILES if way == "tiled" else ())
        run.automaton.fused = True if way == "fused" else None
        run.automaton.compiled = "training" if way == "compiled" else "never"
        with noted_ways() as ways, patch.object(torch, "compile", traced):
            train(run)
        assert run.pool
        weights = {n: weight.detach().clone() for n, weight in run.modules.named_parameters()}
        return Outcome(ways, weights, run.pool.tensors()["state.body"].clone())
    finally:
        torch.set_default_dtype(torch.float32)


WAYS = [("tiled", 1e-10), ("compiled", 1e-10), ("fused", 1e-6)]
"""Fused steps have no float64."""


@pytest.mark.parametrize(("way", "near"), WAYS, ids=[way for way, _ in WAYS])
def test_two_processes_train_by_these_steps_as_one_does(way, near, tmp_path):
    if way == "fused":
        pytest.importorskip("triton")
    (alone,) = together(1, trained, tmp_path, "one", way)
    two = together(2, trained, tmp_path, "two", way)
    assert [each.ways for each in (alone, *two)] == [{way}] * 3
    assert_outcome(two, alone, near, dim=0)
    if way == "tiled":
        halves = together(2, trained, tmp_path, "halves of the grid", way, (1, 2))
        assert [each.ways for each in halves] == [{"sharded", "tiled"}] * 2
        assert_outcome(halves, alone, near, dim=3)


def assert_outcome(parts: list[Outcome], alone: Outcome, near: float, dim: int) -> None:
    """Demand the weights in each process, and the pool, of which each has a part."""
    for part in parts:
        assert_close(part.weights, alone.weights, rtol=0, atol=near)
        assert part.body.shape[dim] == alone.body.shape[dim] // len(parts)
    whole = torch.cat([part.body for part in parts], dim)
    assert_close(whole, alone.body, rtol=0, atol=near)


LARGE = (
    *("grid.size=[32, 32]", "pool.size=4096"),
    *("train.batch=64", "train.iterations=1", "rollout.steps=24"),
)
"""A pool of 64 MiB, and a batch of 24 MiB where the states of all steps are kept."""


def memory_of_a_run(here: Path, name: str) -> dict[str, int | None]:
    """Return bytes: of tensors that a run holds, and takes at its peak, and what Linux counts."""
    train(begun(here, f"{name} small", None, ()))  # what that leaves behind is no part of it
    runs: list[Run] = []

    def begin() -> None:
        runs[:] = [begun(here, f"{name} {len(list(here.iterdir()))}", None, LARGE)]

    def whole() -> None:
        begin()
        train(runs[0])

    held, taken = probe.peak(begin, CPU), probe.peak(lambda: train(runs[0]), CPU)
    runs.clear()
    return {"held": held, "taken": taken, "resident": probe.resident_peak(whole, CPU)}


def test_memory_per_process_falls_with_their_number(tmp_path):
    (alone,) = together(1, memory_of_a_run, tmp_path, "one")
    assert alone["held"] > 64 << 20
    assert alone["taken"] > 24 << 20
    for count in (2, 4):
        for each in together(count, memory_of_a_run, tmp_path, f"{count}"):
            for name, size in each.items():
                if size is not None:  # what is not the run's, or is on its way between two
                    assert size / alone[name] < 1 / count + 0.15, name
