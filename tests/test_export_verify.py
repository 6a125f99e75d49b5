"""The comparison before an export finds what is wrong, or says that it could not look."""

import copy
from collections.abc import Callable

import pytest
import torch
from simple import Add, Scale, one_level
from torch import Tensor

from nca import (
    Alive,
    Automaton,
    ExportError,
    Layout,
    Level,
    RuleContext,
    State,
    Topology,
    UpdateRule,
    View,
)
from nca.checkpoint.trained import Trained
from nca.export.example import Begin, example_state, lively_state
from nca.export.verify import NotCompared, Trial, compare, scale_of, trials
from nca.registry.registry import registry


def begun(automaton: Automaton, first: State, steps: int = 10) -> Begin:
    found = lively_state(automaton, first, steps)
    assert isinstance(found, Begin), found
    return found


@torch.no_grad()
def taken(automaton: Automaton, tried: list[Trial]) -> list[dict[str, Tensor]]:
    """Let another automaton take the steps, as an export does."""
    found = []
    for trial in tried:
        rate = 1.0 if trial.kind == "synchronous" else automaton.fire_rate
        found.append(dict(automaton.rollout(trial.begun, trial.steps, fire_rate=rate).levels))
    return found


def life(size: tuple[int, int] = (12, 10)) -> tuple[Automaton, State]:
    rule = registry.get("rule", "life")(RuleContext(Layout([Level("body", 1)]), "body"))
    automaton = one_level(rule)
    return automaton, automaton.seed(1, size)


class Ring(UpdateRule):
    """A smooth life: grow where the mean around a cell is near 0.15, else shrink."""

    def forward(self, view: View) -> Tensor:
        seen = view.correlate(view.own, torch.full((1, 1, 5, 5), 1 / 25))
        growth = 2 * torch.exp(-((seen - 0.15) ** 2) / 0.00045) - 1
        return (view.own + 0.1 * growth).clamp(0, 1) - view.own


@torch.no_grad()
def test_life_on_an_empty_grid_is_tried_on_random_states():
    automaton, empty = life()
    begin = begun(automaton, empty)
    assert begin.notes == ("tried on random states",)
    tried = trials(automaton, begin.state, 10)
    assert min(trial.changes["body"].item() for trial in tried[:2]) > 0.9
    assert compare(tried, taken(automaton, tried), "torch").greatest == 0
    other = one_level(
        registry.get("rule", "life")(RuleContext(automaton.layout, "body"), rule="B36/S23")
    )
    with pytest.raises(ExportError, match=r"strays from torch by 1 in \d+ steps? \(synchronous\)"):
        compare(tried, taken(other, tried), "torch")


@torch.no_grad()
def test_a_smooth_life_on_an_empty_grid_is_tried_where_it_grows_and_shrinks():
    automaton = one_level(Ring())
    begin = begun(automaton, automaton.seed(1, (16, 16)))
    change = automaton.step(begin.state)["body"] - begin.state["body"]
    assert change.max() > 0.01
    assert change.min() < -0.01


@torch.no_grad()
def test_a_state_that_stays_as_it_is_counts_as_nothing_even_if_it_is_not_empty():
    automaton, state = life()
    state["body"][0, 0, 3:5, 3:5] = 1  # a block
    assert begun(automaton, state).notes == ("tried on random states",)
    state["body"][0, 0, 8, 2:5] = 1  # a blinker
    assert begun(automaton, state).notes == ()


@torch.no_grad()
def test_what_never_changes_cannot_be_compared():
    automaton = one_level(Add(0.0)).float()
    found = lively_state(automaton, automaton.seed(1, (4, 4)), 5)
    assert str(found) == (
        "not compared with torch: no step changes its cells, neither the example's nor random ones"
    )


@torch.no_grad()
def test_what_explodes_is_compared_before_it_does_and_says_when():
    automaton = one_level(Scale(100.0))
    state = automaton.seed(1, (4, 4))
    state["body"][0, 0, 1, 2] = 1
    begin = begun(automaton, state, 40)
    assert begin.notes == ("the example grows beyond a million times its first numbers at step 3",)
    assert begin.state["body"].max() <= 1e6
    tried = trials(automaton, begin.state, 40)
    assert compare(tried, taken(automaton, tried), "torch").scale < 1e12
    wrong = one_level(Scale(100.2))
    with pytest.raises(ExportError, match="strays from torch"):
        compare(tried, taken(wrong, tried), "torch")


class Break(UpdateRule):
    """Leave the finite numbers in the first step."""

    def forward(self, view: View) -> Tensor:
        return (view.own + 1) * torch.inf


@torch.no_grad()
def test_what_is_lost_in_the_first_step_says_so():
    automaton = one_level(Break())
    found = lively_state(automaton, automaton.seed(1, (4, 4)), 5)
    assert isinstance(found, NotCompared)
    assert found.why == "it leaves the finite numbers at step 1, from random states too"


@torch.no_grad()
def test_a_level_in_which_nothing_moves_is_named():
    layout = Layout([Level("low", 1), Level("top", 1)])
    automaton = Automaton(layout, {"low": [Scale(-0.5)], "top": [Scale(0.0)]})
    begin = begun(automaton, automaton.seed(1, (4, 4)))
    assert begin.notes[-1] == "nothing moved in level top"


def test_great_numbers_in_one_level_hide_nothing_in_another():
    layout = Layout([Level("low", 1), Level("top", 1)])
    state = State({"low": torch.full((1, 1, 2, 2), 1e4), "top": torch.full((1, 1, 2, 2), 1.0)})
    make = lambda share: Automaton(layout, {"low": [Scale(0.5)], "top": [Scale(share)]})  # noqa: E731
    tried = trials(make(0.01), state, 4)
    compare(tried, taken(make(0.01), tried), "torch")
    with pytest.raises(ExportError, match="strays") as refused:
        compare(tried, taken(make(0.0101), tried), "torch")
    assert 'channel 0 of level "top", on a grid of 2x2' in refused.value.where


def test_numbers_that_are_not_finite_are_a_difference():
    automaton = one_level(Scale(0.5))
    tried = trials(automaton, State({"body": torch.ones(1, 1, 2, 2)}), 1)
    found = [{"body": torch.full((1, 1, 2, 2), torch.nan)} for _ in tried]
    with pytest.raises(ExportError, match="strays from torch by nan"):
        compare(tried, found, "nowhere")


WRONG: dict[str, Callable[[Automaton], object]] = {
    "fire rate": lambda a: setattr(a, "fire_rate", a.fire_rate + 0.05),
    "boundary": lambda a: setattr(a, "topology", Topology(("torus", "zeros"))),
    "alive mask": lambda a: setattr(a, "alive", Alive("body", 3, 0.12, 1)),
    "reach of life": lambda a: setattr(a, "alive", Alive("body", 3, 0.1, 2)),
    "step size": lambda a: setattr(a, "step_size", 1.002),
    "turned": lambda a: setattr(a.rules_of("body")[0], "angle", 0.01),
}


@pytest.fixture(scope="module")
def lizard():
    loaded = Trained.load("growing", torch.device("cpu"))
    begin = begun(loaded.automaton, example_state(loaded.task.display()), 20)
    return loaded.automaton, trials(loaded.automaton, begin.state, 20)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_lizard_that_is_wrong_in_one_thing_is_found(lizard, wrong):
    automaton, tried = lizard
    compare(tried, taken(automaton, tried), "torch")
    broken = copy.deepcopy(automaton)
    WRONG[wrong](broken)
    with pytest.raises(ExportError, match="strays from torch"):
        compare(tried, taken(broken, tried), "torch")


@torch.no_grad()
def test_every_one_of_thirty_changed_weights_is_found(lizard):
    automaton, tried = lizard
    found = 0
    for number in range(30):
        broken = copy.deepcopy(automaton)
        generator = torch.Generator().manual_seed(number)
        weights = [w for w in broken.parameters() if w.abs().max() > 0]
        weight = weights[number % len(weights)].view(-1)
        weight[torch.randint(len(weight), (), generator=generator)] += 0.1
        try:
            compare(tried, taken(broken, tried), "torch")
        except ExportError:
            found += 1
    assert found == 30


class Fail(UpdateRule):
    """A rule that cannot compute on narrow grids."""

    def forward(self, view: View) -> Tensor:
        return torch.nn.functional.pad(view.own, (3, 3, 0, 0), mode="circular")[..., 3:-3]


def test_a_rule_that_fails_in_torch_is_told_apart_from_an_export_that_does():
    automaton = one_level(Fail())
    with pytest.raises(ExportError, match="a step fails before anything is exported") as refused:
        lively_state(automaton, automaton.seed(1, (9, 2)), 5)
    assert refused.value.where == "the rules in torch, on the grid 9x2"


def test_one_number_that_is_none_makes_a_state_infinite_on_whichever_level():
    good, bad = torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), torch.nan)
    for levels in ({"low": good, "top": bad}, {"low": bad, "top": good}):
        assert not scale_of(State(levels)) < torch.inf
