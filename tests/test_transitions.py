"""The task `transitions`: what another rule does is the truth."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import nca
from nca import Automaton, HostRNG, Layout, Level, OptionError, RuleContext, TaskContext
from nca.checkpoint.read import read_recipe
from nca.errors import NCAError
from nca.registry.registry import registry
from nca_plugins.logic.neighbourhoods import SIDES, de_bruijn, every_neighbourhood
from nca_plugins.logic.transitions import Transitions

LAYOUT = Layout([Level("cells", 1)])


def task(size=(8, 64), layout=LAYOUT, **options) -> Transitions:
    options = {"teacher": "life", **options}
    return Transitions(TaskContext(layout, size, Path()), **options)


def automaton(name: str, layout=LAYOUT, axes: int = 2, **options) -> Automaton:
    context = RuleContext(layout, "cells", axes)
    return Automaton(layout, {"cells": [registry.get("rule", name)(context, **options)]})


@pytest.mark.parametrize(("symbols", "length"), [(2, 3), (8, 2), (3, 4), (2, 1), (1, 3)])
def test_a_de_bruijn_circle_has_every_word_once(symbols, length):
    circle = de_bruijn(symbols, length)
    words = [tuple((circle * (length + 1))[at : at + length]) for at in range(len(circle))]
    assert sorted(words) == sorted(itertools.product(range(symbols), repeat=length))


@pytest.mark.parametrize("axes", [1, 2])
def test_every_neighbourhood_stands_in_the_grid_once(axes):
    grid = every_neighbourhood(axes)
    assert tuple(grid.shape) == SIDES[axes]
    around = nca.TORUS.neighbours(grid[None, None]).flatten(3)[0, :, 0].T
    assert len({tuple(one) for one in around.tolist()}) == grid.numel() == 2**3**axes


def measured(task: Transitions, automaton: Automaton, steps: int) -> dict[str, float]:
    batch = next(task.evaluation_batches("test", 100))
    state = automaton.rollout(batch.state, steps)
    shares = task.measure(state, batch)
    return {name: (one.part.sum() / one.whole.sum()).item() for name, one in shares.items()}


@pytest.mark.parametrize("steps", [1, 7])
def test_a_rule_that_does_the_same_is_right_and_another_one_is_not(steps):
    own = task(teacher={"name": "life", "rule": "B36/S23"})
    same = automaton("life", rule="B36/S23")
    assert measured(own, same, steps) == {"cells right": 1.0, "grids right": 1.0}
    other = measured(own, automaton("life"), steps)
    assert other["grids right"] == 0
    assert 0.5 < other["cells right"] < 1
    batch = own.training_batch(HostRNG(0, 0), torch.arange(2))
    assert own.loss([same.rollout(batch.state, steps)], batch)["squared"].tolist() == [0, 0]
    assert (own.loss([automaton("life").rollout(batch.state, steps)], batch)["squared"] > 0).all()


def test_one_step_of_highlife_differs_from_life_in_28_neighbourhoods():
    own = task(teacher={"name": "life", "rule": "B36/S23"})
    assert measured(own, automaton("life"), 1)["cells right"] == 1 - 28 / 512


def test_rows_of_cells_have_a_teacher_too():
    own = task((16,), teacher={"name": "elementary", "number": 30})
    assert measured(own, automaton("elementary", axes=1, number=30), 5)["grids right"] == 1
    assert measured(own, automaton("elementary", axes=1, number=90), 1)["cells right"] == 0.75
    assert own.picture(own.display().first).shape == (1, 3, 1, 16)


def test_random_grids_differ_from_sample_to_sample_and_are_the_same_again():
    layout = Layout([Level("cells", 3)])
    own = task((5, 7), layout, cells="random", density=0.3, trials=5)
    first, again = (own.training_batch(HostRNG(1, 2), torch.arange(40)) for _ in range(2))
    cells = first.state["cells"]
    assert cells.equal(again.state["cells"])
    assert not cells[0].equal(cells[1])
    assert set(cells.unique().tolist()) == {0, 1}
    assert abs(cells.mean() - 0.3) < 0.03
    (batch,) = own.evaluation_batches("test", 100)
    (held_out,) = own.evaluation_batches("held_out", 100)
    assert batch.state.batch == 5
    assert not batch.state["cells"].equal(held_out.state["cells"])
    assert measured(own, automaton("life", layout), 3)["grids right"] == 1


def test_an_iteration_learns_from_a_share_of_the_cells_drawn_anew():
    whole, part = task(), task(share=0.25)
    losses = []
    for iteration in range(200):
        draw = HostRNG(0, iteration)
        batch = replace(part.training_batch(draw, torch.arange(2)), draw=draw)
        after = automaton("life", rule="B36/S23").step(batch.state)
        losses.append(part.loss([after], batch)["squared"])
        assert losses[-1].equal(part.loss([after], batch)["squared"])
        assert whole.loss([after], batch)["squared"].tolist() == [28.0] * 2
    drawn = torch.cat(losses)
    assert len(drawn.unique()) > 8
    assert abs(drawn.mean().item() - 28 / 4) < 0.5


@pytest.mark.parametrize(
    ("size", "options", "said"),
    [
        ((9, 64), {}, r"cells do not fit a grid of \[9, 64\] cells.*\[8\], or \[8, 64\]"),
        ((8, 8, 8), {"teacher": "fade"}, "cells do not fit a grid of"),
        ((8, 64), {"teacher": {"rule": "B3/S23"}}, r"\[teacher\] name is missing"),
        ((8, 64), {"teacher": {"name": "lief"}}, 'no rule "lief".*`life`'),
        ((8, 64), {"teacher": {"name": "life", "rule": "B9"}}, r'\[teacher\] rule is "B9"'),
        (
            (8, 64),
            {"teacher": {"name": "life", "rules": "B3"}},
            r"\[teacher\] rules unknown.* `rule`",
        ),
        ((8, 64), {"teacher": "elementary"}, "the rule needs 1"),
        ((8, 64), {"teacher": "growing"}, "teacher has weights of its own"),
        ((8, 64), {"level": "other"}, "other"),
    ],
)
def test_what_cannot_be_learnt_is_refused(size, options, said):
    with pytest.raises(NCAError) as refused:
        task(size, **options)
    text = " ".join(str(refused.value).split())
    assert re.search(said, text), text


def test_several_channels_have_more_neighbourhoods_than_the_grid_has():
    with pytest.raises(OptionError, match="cells do not fit 2 channels"):
        task(layout=Layout([Level("cells", 2)]))


def test_faults_of_the_teacher_are_shown_with_their_line(tmp_path):
    text = """format = 1
[grid]
size = [8, 64]
[[levels]]
name = "cells"
channels = 1
rules = [{ name = "logic" }]
[rollout]
steps = 1
[task]
name = "transitions"
teacher = { name = "life", rule = 3 }
"""
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(NCAError, match=r"line 12 +\[task.teacher\] rule +is 3"):
        read_recipe(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text(text.replace("rule = 3", 'rules = "B3/S23"'))
    with pytest.raises(NCAError, match=r"rules +unknown key +did you mean `rule`"):
        read_recipe(str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text(text.replace('name = "life", ', ""))
    with pytest.raises(NCAError, match=r"name +is missing"):
        read_recipe(str(tmp_path / "mine.toml"))
