"""Fused attention: the weights of the plain step, their gradients, and no further launch."""

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest
import torch
from fused_case import (
    DEVICE,
    NEAR,
    Layered,
    Net,
    apart,
    assert_reduced_products_are_near,
    attending,
    end_and_gradients,
    state_of,
)

from nca import Alive, Automaton, Layout, Level, Noise, RuleContext, State, why_not_fused
from nca.backends.fused import FusedStepper
from nca.backends.triton.launch import Launch
from nca.checkpoint.find import recipes
from nca.checkpoint.read import read_recipe
from nca_plugins.glom.attention import Attention
from nca_plugins.glom.mean import ConsensusStep, WeightedMean
from nca_plugins.glom.nets import Lateral

pytest.importorskip("triton")


def assert_same_future_and_exact_gradients(
    automaton: Automaton, state: State, steps: int = 1
) -> None:
    """Assert that a fused rollout ends as the plain one, with the gradients of float64.

    Sharpness has so small a gradient beside the numbers that it sums up, that float32 on the plain
    way is at 2e-5 from it.
    """
    fused, gradients = end_and_gradients(automaton, state, True, steps)
    plain, _ = end_and_gradients(automaton, state, False, steps)
    wide = state.to(torch.float64)
    _, wanted = end_and_gradients(deepcopy(automaton).double(), wide, False, steps)
    assert fused.step == plain.step
    for name in plain:
        assert apart(fused[name], plain[name]) < NEAR, name
        moved = [(end[name] != state[name]).any(1) for end in (fused, plain)]
        assert torch.equal(*moved), name
    assert set(gradients) == set(wanted)
    for name in wanted:
        assert apart(gradients[name].double(), wanted[name]) < NEAR, name


def levels_that_attend(**settings: Any) -> Automaton:
    """Return levels that attend by what they and the levels above hold, an input on top.

    The lowest attends twice; nets read the levels, and one of them is read squashed.
    """
    layout = Layout(
        [Level("low", 5), Level("middle", 3), Level("high", 4), Level("image", 2, input=True)]
    )
    low, middle, high = (RuleContext(layout, name) for name in ("low", "middle", "high"))
    ahead = Attention(lookahead=0.5, learned=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        rules = {
            "low": [
                Net(low, 6, "above", 1.0),
                ConsensusStep(low, attention=ahead),
                ConsensusStep(low, rate=0.4, learned=False, attention=Attention("dot", 0.3)),
            ],
            "middle": [Net(middle, 4, "below"), Net(middle, 3)],
            "high": [
                ConsensusStep(high, attention=ahead),
                Net(high, 5, "above"),
                Layered(high, (6, 4), "gelu", ("own", "below")),
            ],
        }
    return Automaton(layout, rules, **settings).to(DEVICE)


@pytest.mark.parametrize(
    ("channels", "batch", "size", "attention"),
    [
        (5, 2, (3, 5), Attention(learned=True)),
        (3, 1, (1, 2), Attention("dot", 0.7, learned=True)),
        (20, 1, (2, 3), Attention("dot", 0.2, itself=False, learned=True)),
        (4, 2, (1, 4), Attention(itself=False)),
        (16, 1, (5, 2), Attention(sharpness=8.0, learned=True, rise=3)),
        (40, 2, (5, 7), Attention("dot", 0.2, learned=True)),
    ],
    ids=["learned", "dot", "others", "narrow", "rise", "many channels and tiles"],
)
def test_attention_alone_has_the_future_of_the_plain_step(channels, batch, size, attention):
    automaton = attending(channels, attention, fire_rate=0.6)
    assert_same_future_and_exact_gradients(
        automaton, state_of(automaton, batch, size, 2**40 + 3), steps=2
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"fire_rate": 0.5, "alive": Alive("middle", 1, 0.6), "step_size": 0.7},
        {"alive": Alive("image", 0, 0.9, 0, dead="frozen"), "noise": Noise(0.1)},
    ],
    ids=["cleared", "frozen"],
)
def test_attention_stands_beside_nets_noise_and_masks(settings):
    automaton = levels_that_attend(**settings)
    assert_same_future_and_exact_gradients(automaton, state_of(automaton, 2, (3, 5), 5), steps=2)


@pytest.mark.parametrize("learned", [True, False])
def test_the_weighted_mean_of_glom_is_fused(learned):
    layout = Layout([Level("image", 2, input=True), Level("low", 5), Level("high", 3)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        rules = {
            name: [WeightedMean(RuleContext(layout, name), hidden=7, learned=learned)]
            for name in ("low", "high")
        }
    automaton = Automaton(layout, rules, fire_rate=0.8).to(DEVICE)
    with torch.no_grad():
        for weight in automaton.parameters():
            weight += 0.2 * torch.randn_like(weight)
    assert_same_future_and_exact_gradients(automaton, state_of(automaton, 1, (3, 4), 8), steps=2)


def test_sharpness_rises_with_the_steps_of_a_state_and_then_stays():
    automaton = attending(3, Attention("dot", 2.0, rise=4))
    state, ends = state_of(automaton, 1, (3, 3), 2), []
    for step in (0, 3, 70):
        at = state.replace({}, step=step)
        assert_same_future_and_exact_gradients(automaton, at)
        automaton.fused = True
        ends.append(automaton.step(at)["body"])
    assert not torch.equal(ends[0], ends[1])
    assert torch.equal(ends[1], ends[2])


def test_a_level_that_is_the_same_everywhere_is_at_rest_where_a_cell_attends_to_itself_alone():
    automaton = attending(3, Attention(sharpness=1e6), fused=True)
    state = state_of(automaton, 1, (3, 4), 3)
    assert torch.equal(automaton.step(state)["body"], state["body"])


def test_attention_rounds_nothing_where_products_are_reduced():
    automaton = attending(5)
    state = state_of(automaton, 2, (3, 4), 7)
    plain, wanted = end_and_gradients(automaton, state, False)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        fused, gradients = end_and_gradients(automaton, state, True)
    assert apart(fused["body"], plain["body"]) < NEAR
    assert all(apart(gradients[name], wanted[name]) < NEAR for name in wanted)


def test_reduced_products_of_a_net_beside_attention_are_near():
    layout = Layout([Level("body", 5)])
    place = RuleContext(layout, "body")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        rules = [Net(place, 9), ConsensusStep(place, attention=Attention(learned=True))]
    automaton = Automaton(layout, {"body": rules}).to(DEVICE)
    assert_reduced_products_are_near(automaton, state_of(automaton, 1, (4, 4), 11))


def test_numbers_that_overflow_no_exponential():
    automaton = attending(3, Attention("dot", 50.0, learned=True))
    state = state_of(automaton, 1, (3, 4), 9).map(lambda level: 20 * level)
    fused, gradients = end_and_gradients(automaton, state, True)
    plain, wanted = end_and_gradients(automaton, state, False)
    assert apart(fused["body"], plain["body"]) < NEAR
    assert gradients["body"].isfinite().all()
    assert apart(gradients["body"], wanted["body"]) < NEAR


def test_only_asked_gradients_of_attention_are_computed():
    automaton = levels_that_attend()
    automaton.requires_grad_(False)
    state, found = state_of(automaton, 1, (3, 3), 3), []
    for automaton.fused in (True, False):
        image = state["image"].clone().requires_grad_()
        end = automaton.step(state.replace({"image": image}))
        found.append(torch.autograd.grad(end["low"].square().sum(), image)[0])
    assert apart(*found) < NEAR


@pytest.mark.parametrize(
    ("made", "nets", "squashed"),
    [
        (lambda: attending(3), {}, {}),
        (levels_that_attend, {"first_gradients": 3}, {"squash_levels": 1}),
    ],
)
def test_attention_adds_no_launch_to_a_step_or_to_its_gradient(made, nets, squashed, monkeypatch):
    started: Counter[str] = Counter()
    start = Launch.__call__

    def counted(launch: Launch, *given: object) -> None:
        started[launch.program.__name__] += 1
        start(launch, *given)

    monkeypatch.setattr(Launch, "__call__", counted)
    automaton = made()
    automaton.fused = True
    end = automaton.rollout(state_of(automaton, 1, (2, 2), 0), 3)
    assert started == {"step_levels": 3, **squashed}
    started.clear()
    torch.stack([level.sum() for level in end.values()]).sum().backward()
    # no gradient is asked for before the first step
    assert started == {"hidden_gradients": 3, "field_gradients": 2, **nets, **squashed}


def test_what_is_handed_on_is_18_numbers_of_each_cell_for_each_attention():
    automaton = levels_that_attend()
    plan = FusedStepper(automaton.spec, state_of(automaton, 1, (3, 3), 0)).weights.plan
    assert plan.attentions == 3
    assert [one.ahead for level in plan.levels for one in level.attentions] == [0, 1, 2]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (
            lambda place: ConsensusStep(place, attention=Attention(radius=2)),
            "(ConsensusStep) attends to neighbours up to 2 cells away, and not 1",
        ),
        (
            lambda place: Lateral(place, attention=Attention()),
            "(Lateral) reads neighbours that attention has scaled",
        ),
    ],
)
def test_attention_that_is_not_fused_says_why(rule, reason):
    layout = Layout([Level("body", 3)])
    automaton = Automaton(layout, {"body": [rule(RuleContext(layout, "body"))]})
    assert why_not_fused(automaton, automaton.seed(1, (3, 3))) == f'rule 0 of level "body" {reason}'


@pytest.mark.parametrize(
    "name", ["glom_parts", "glom_parts_touching", "objects_blocks", "objects_sprites"]
)
def test_recipes_whose_cells_attend_to_their_neighbours_are_fused(name):
    automaton = read_recipe(str(recipes()[name])).automaton()
    assert why_not_fused(automaton, automaton.seed(1, (4, 5))) is None


def test_the_parts_and_wholes_of_glom_have_the_future_of_the_plain_step():
    automaton = read_recipe(str(recipes()["glom_parts"])).automaton().to(DEVICE)
    assert_same_future_and_exact_gradients(automaton, state_of(automaton, 1, (3, 4), 1))
