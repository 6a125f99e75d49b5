"""The way in which training takes its steps is named before any of them passes."""

import pytest
import torch

from nca import Automaton, Layout, Level, Population, RuleContext
from nca.checkpoint.read import read_recipe
from nca.engine import automaton as automata
from nca.progress import SILENT
from nca.training.loop import train
from nca.training.run import Run
from nca.training.way import way_of_training
from nca_plugins.discrete.table_rule import Life

SMALL = ("train.iterations=1", "train.warmup=0", "train.validate_every=0", "rollout.steps=2")
TEXTURE = ("texture", "grid.size=[16, 16]", "pool.size=4", "train.drops=[]")
GROWING = ("growing", "grid.size=[16, 16]", "task.side=10", "train.batch=3", "pool.size=4")
GATES = ("logic_checkerboard",)
JOINT = ("growing_evolved", "evolve.population=4")
COMPILED = (*GATES, "train.compile=always")
TAKEN = [(TEXTURE, "tiled"), (GROWING, "sparse"), (GATES, "dense")]


def begun(folder, name: str, *keys: str) -> Run:
    return Run.start(read_recipe(name, [*keys, *SMALL]), folder, torch.device("cpu"), None, SILENT)


@pytest.mark.parametrize(("keys", "way"), [*TAKEN, (JOINT, "joint"), (COMPILED, "compiled")])
def test_a_way_is_named_and_no_step_passes(tmp_path, monkeypatch, keys, way):
    run = begun(tmp_path / "run", *keys)
    run.modules.eval()
    for kind in (Automaton, Population):
        for name in ("step", "rollout"):
            monkeypatch.setattr(kind, name, None, raising=False)
    assert way_of_training(run) == way
    assert not run.modules.training
    assert run.automaton.compiled == "never"


@pytest.mark.parametrize(("keys", "way"), TAKEN)
def test_the_way_that_is_named_is_taken(tmp_path, monkeypatch, keys, way):
    run, chosen, taken = begun(tmp_path / "run", *keys), automata.choose_stepper, list[str]()

    def noted(*given):
        stepper = chosen(*given)
        taken.append(stepper.way)
        return stepper

    monkeypatch.setattr(automata, "choose_stepper", noted)
    train(run)
    assert set(taken) == {way}


def test_tables_go_as_bits_unless_a_cell_may_rest():
    layout = Layout([Level("cells", channels=1)])
    life = Automaton(layout, {"cells": [Life(RuleContext(layout, "cells"))]})
    state = life.seed(batch=1, size=(16, 16), random_seed=0)
    assert life.way(state) == "bits"
    assert life.way(state, fire_rate=0.5) == "dense"
    assert Population([life]).way([state]) == "bits"
