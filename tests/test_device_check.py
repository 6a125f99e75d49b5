"""Fused steps are taken unasked where one of them, on the device at hand, is the plain step."""

from collections.abc import Callable

import pytest
import torch
from fused_case import DEVICE, attending, layered, one_net, state_of, three_levels
from torch import Tensor

from nca import Alive, Noise, State
from nca.backends import device_check
from nca.backends.device_check import matches_plain_step
from nca.backends.fused import FusedStepper
from nca.backends.triton import forward
from nca.checkpoint.read import read_recipe
from nca.engine.automaton import Automaton
from nca.engine.stepper import DenseStepper
from nca_plugins.glom.attention import Attention

pytest.importorskip("triton")
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture
def unchecked(monkeypatch) -> None:
    """Nothing is known yet of any device."""
    monkeypatch.setattr(device_check, "_KNOWN", {})


def matches(automaton: Automaton, *, reduced: bool = False, fire_rate: float = 0.5) -> bool:
    state = state_of(automaton, 1, (4, 5), 1)
    with torch.autocast(DEVICE, dtype=torch.bfloat16, enabled=reduced):
        return matches_plain_step(automaton.spec, state, fire_rate)


def test_right_steps_pass_and_are_tried_once(monkeypatch):
    automaton = three_levels()
    weights = [weight.clone() for weight in automaton.parameters()]
    assert matches(automaton)
    assert automaton.fused is None
    assert all(map(torch.equal, weights, automaton.parameters()))
    monkeypatch.setattr(device_check, "_fault", None)  # would be called for nothing
    assert matches(automaton)


def test_rules_that_differ_in_an_option_alone_are_checked_each(monkeypatch):
    asked = []
    monkeypatch.setattr(device_check, "_fault", lambda *_: asked.append(1) or "")
    for similarity in ("cosine", "dot", "cosine"):
        assert matches(attending(4, Attention(similarity)))
    for activation in ("relu", "gelu", "relu"):
        assert matches(layered(4, (5,), activation, False))
    assert len(asked) == 4


@pytest.mark.parametrize(
    "recipe",
    ["growing_lizard", "texture", "glom_mnist", "glom_parts", "self_classifying_mnist"],
)
def test_right_steps_of_recipes_pass_in_bfloat16(recipe, monkeypatch):
    monkeypatch.setattr(device_check, "_fault_of_rollout", lambda *_: "")  # bounds are of a step
    assert matches(read_recipe(recipe).automaton().to(DEVICE), reduced=True)


def test_the_dead_of_a_step_are_looked_for_in_the_next(monkeypatch):
    automaton = one_net(4, 6, fire_rate=0.5, alive=Alive("body", 3, 0.4))
    assert matches(automaton)
    monkeypatch.setattr(device_check, "_KNOWN", {})
    launch = forward._StepLaunch.__call__

    def wrongly(step, number, fields, outs, squashed, living, before, kept) -> None:
        none = torch.zeros_like(before)  # as if all had been dead before the step before
        launch(step, number, fields, outs, squashed, living, none, kept)

    monkeypatch.setattr(forward._StepLaunch, "__call__", wrongly)
    with pytest.warns(UserWarning, match="two steps in one operation are"):
        assert not matches(automaton)


@pytest.mark.parametrize("above", [0.1, 1.5])
def test_a_step_that_changes_nothing_is_wrong_whatever_tells_life(above, monkeypatch):
    monkeypatch.setattr(FusedStepper, "step", lambda stepper, state, fire_rate: state)
    automaton = one_net(4, 6, alive=Alive("body", 3, above, 0, dead="frozen"))
    with pytest.warns(UserWarning, match="from a plain one"):
        assert not matches(automaton)


def steeper(level: Tensor, factor: float) -> Tensor:
    """Return the level, with a gradient that is larger by a factor."""
    return level.detach() + factor * (level - level.detach())


@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (lambda level: 1.1 * level, r"one step is 0\.\d+ from a plain one$"),
        (lambda level: 0 * level, "one step is 1 from a plain one$"),
        (lambda level: level * torch.nan, "one step is inf from a plain one$"),
        (lambda level: steeper(level, 1.2), "from a plain one in its slopes$"),
        (lambda level: level[9], "IndexError: index 9"),
    ],
    ids=["a tenth", "nothing", "nan", "slopes", "an error"],
)
def test_wrong_steps_are_given_up_with_a_warning(wrong, word, reduced, monkeypatch):
    distort(monkeypatch, wrong)
    automaton = one_net(2, 3)
    with pytest.warns(UserWarning, match=word):
        assert not matches(automaton, reduced=reduced)
    assert not matches(automaton, reduced=reduced), "and without another"


def test_in_float32_a_hundredth_is_wrong(monkeypatch):
    distort(monkeypatch, lambda level: 1.01 * level)
    with pytest.warns(UserWarning, match=r"one step is 0\.01 from a plain one"):
        assert not matches(one_net(2, 3))
    assert matches(one_net(2, 3), reduced=True)


def distort(monkeypatch, wrong: Callable[[Tensor], Tensor]) -> None:
    """Let fused steps hand out other numbers."""
    step = FusedStepper.step

    def wrongly(stepper: FusedStepper, state: State, fire_rate: float) -> State:
        after = step(stepper, state, fire_rate)
        return after.replace({"body": wrong(after["body"])})

    monkeypatch.setattr(FusedStepper, "step", wrongly)


def test_a_rollout_that_is_not_its_steps_is_given_up(monkeypatch):
    advance = FusedStepper.advance

    def wrongly(stepper: FusedStepper, state: State, steps: int, fire_rate: float) -> State:
        after = advance(stepper, state, steps, fire_rate)
        return after.replace({"body": steeper(after["body"], 1.01)}) if steps > 1 else after

    monkeypatch.setattr(FusedStepper, "advance", wrongly)
    with pytest.warns(UserWarning, match="two steps in one operation are 0.01 from the same"):
        assert not matches(one_net(2, 3))


def test_the_plain_step_it_is_held_against_rounds_nothing_to_tf32(monkeypatch):
    kinds, step = (torch.backends.cudnn.conv, torch.backends.cuda.matmul), DenseStepper.step
    before, inside = [kind.fp32_precision for kind in kinds], []

    def watched(*given: object) -> State:
        inside.extend(kind.fp32_precision for kind in kinds)
        return step(*given)

    monkeypatch.setattr(DenseStepper, "step", watched)
    assert matches(one_net(2, 3))
    assert inside == ["ieee", "ieee"]
    assert [kind.fp32_precision for kind in kinds] == before


def test_what_differs_in_its_programs_is_tried_apart(monkeypatch):
    tried = []
    monkeypatch.setattr(device_check, "_fault", lambda *given: tried.append(given) or "")
    monkeypatch.setattr(device_check, "_fault_of_rollout", lambda *_: "")
    one = one_net(2, 3)
    other = one_net(2, 3)
    other.rules_of("body")[0].__class__ = type("Other", (type(one.rules_of("body")[0]),), {})
    asked = [
        (one, {}),
        (one, {"reduced": True}),
        (one, {"fire_rate": 1.0}),
        (one_net(2, 3, noise=Noise(0.1)), {}),
        (one_net(2, 3, noise=Noise(0.1, kind="uniform")), {}),
        (one_net(2, 3, step_size=0.5), {}),
        (one_net(2, 4), {}),
        (other, {}),
        (layered(2, (3,), "relu", False), {}),
        (layered(2, (3,), "gelu", False), {}),
    ]
    for number, (automaton, how) in enumerate(asked, 1):
        for _ in "ab":
            assert matches(automaton, **how)
        assert len(tried) == number
    assert [given[2] for given in tried[:3]] == [0.5, 0.5, 1.0], "with the fire mask, or without"
    assert matches(one, fire_rate=0.7)
    assert len(tried) == len(asked), "how many cells rest is no part of the program"
