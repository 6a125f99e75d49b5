"""Lenia and its kin against the published facts, by hand, and by gradient."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nca import (
    Automaton,
    Layout,
    Level,
    NCAError,
    OptionError,
    RuleContext,
    State,
    load,
    registry,
    save,
    stream,
)
from nca.streaming.grid_file import GridFile
from nca_plugins.gray_scott import GrayScott
from nca_plugins.lenia.flow import FlowLenia
from nca_plugins.lenia.kernels import LeniaKernel
from nca_plugins.lenia.lenia import Lenia
from nca_plugins.lenia.patterns import orbium, spot
from nca_plugins.lenia.smooth_life import SmoothLife
from nca_plugins.lenia.travel import place_on_torus

WORLD = Layout([Level("world", 1)])


def alone(kind, *, channels: int = 1, axes: int = 2, **options) -> Automaton:
    """Return an automaton of one level under a rule."""
    layout = Layout([Level("world", channels)])
    return Automaton(layout, {"world": [kind(RuleContext(layout, "world", axes), **options)]})


def placed(pattern: Tensor, side: int, dtype: torch.dtype = torch.float32) -> State:
    """Return a pattern in the middle of a square."""
    cells = torch.zeros(1, len(pattern), *[side] * (pattern.ndim - 1), dtype=dtype)
    inside = [slice((side - n) // 2, (side - n) // 2 + n) for n in pattern.shape[1:]]
    cells[(0, slice(None), *inside)] = pattern.to(dtype)
    return State({"world": cells})


def path(automaton: Automaton, state: State, steps: int) -> tuple[State, float]:
    """Return the state so many steps on, and the distance from the start to there."""
    side, way = state["world"].shape[-1], torch.zeros(2)
    for _ in range(0, steps, 20):
        after = automaton.rollout(state, 20)
        here, there = (place_on_torus(one["world"])[0] for one in (state, after))
        way = way + torch.remainder(there - here + side / 2, side) - side / 2
        state = after
    return state, way.norm().item()


def test_the_patch_of_orbium_has_its_published_mass():
    assert orbium().shape == (1, 20, 20)
    assert orbium().sum().item() == pytest.approx(75.1)
    assert orbium().sum().item() / 13**2 == pytest.approx(0.444, abs=5e-4)


@torch.no_grad()
def test_orbium_glides_at_its_published_speed_and_keeps_its_mass():
    automaton = alone(Lenia).double()
    state, way = path(automaton, placed(orbium(), 64, torch.float64), 2000)
    assert 0.602 < way / 2000 < 0.603
    # both waver with how it lies among the cells
    states = [one["world"] for one in automaton.trajectory(state, 60)]
    assert 0.430 < sum(one.sum().item() for one in states) / 61 / 13**2 < 0.432
    assert abs(sum(int((one > 0).sum()) for one in states) / 61 - 205) < 5


@torch.no_grad()
def test_orbium_does_the_same_on_a_larger_torus():
    state, way = path(alone(Lenia), placed(orbium(), 128), 400)
    assert way / 400 == pytest.approx(0.603, abs=2e-3)
    assert state["world"].sum().item() / 13**2 == pytest.approx(0.431, abs=4e-3)


@torch.no_grad()
@pytest.mark.parametrize("core", ["exponential", "polynomial", "step", "gaussian"])
@pytest.mark.parametrize("growth", ["exponential", "polynomial"])
def test_orbium_lives_under_every_core(core, growth):
    automaton = alone(Lenia, kernels=(LeniaKernel(core=core, growth=growth),))
    state, way = path(automaton, placed(orbium(), 64), 300)
    assert 0.59 < way / 300 < 0.63
    assert 0.4 < state["world"].sum().item() / 13**2 < 0.46


def by_hand(cells: Tensor, kernels: list[LeniaKernel], resolution: float) -> Tensor:
    """Return a step of Lenia cell by cell, from its equations."""
    channels, height, width = cells.shape
    growth, total = torch.zeros_like(cells), torch.zeros(channels)
    for kernel in kernels:
        rings, radius = len(kernel.rings), kernel.radius
        weights = {}
        for dy in range(-int(radius), int(radius) + 1):
            for dx in range(-int(radius), int(radius) + 1):
                r = rings * math.hypot(dy, dx) / radius
                if r < rings:
                    q = r - int(r)
                    bump = math.exp(4 - 1 / (q * (1 - q))) if 1e-6 < q < 1 - 1e-6 else 0.0
                    weights[dy, dx] = kernel.rings[int(r)] * bump
        whole = sum(weights.values())
        total[kernel.target] += kernel.weight
        for y in range(height):
            for x in range(width):
                mean = sum(
                    w * cells[kernel.source, (y + dy) % height, (x + dx) % width].item() / whole
                    for (dy, dx), w in weights.items()
                )
                z = (mean - kernel.mean) / kernel.deviation
                growth[kernel.target, y, x] += kernel.weight * (2 * math.exp(-z * z / 2) - 1)
    share = growth / total.clamp(min=1e-12)[:, None, None]
    return (cells + share / resolution).clamp(0, 1)


def test_several_channels_and_kernels_follow_the_equations():
    kernels = [
        LeniaKernel(3.0, (1.0, 0.5), "exponential", 0.3, 0.1, source=1, target=0, weight=2.0),
        LeniaKernel(2.5, (1.0,), "exponential", 0.5, 0.2, source=0, target=1),
        LeniaKernel(3.5, (0.25, 1.0), "exponential", 0.4, 0.1, source=1, target=1, weight=0.5),
    ]
    automaton = alone(Lenia, channels=3, kernels=tuple(kernels), resolution=4.0).double()
    cells = torch.rand(1, 3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = automaton.step(State({"world": cells}))["world"][0]
    wanted = by_hand(cells[0], kernels, 4.0)
    assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    assert_close(found[2], cells[0, 2])  # no kernel targets it


def test_a_kernel_sums_to_one_in_any_number_of_axes():
    for axes in (1, 2, 3):
        rule = Lenia(RuleContext(WORLD, "world", axes), kernels=(LeniaKernel(radius=5.5),))
        (kernel,) = rule.field.weights()
        assert kernel.shape == (1, 1, *[11] * axes)
        assert kernel.sum().item() == pytest.approx(1)
        assert rule.radius == 5


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", [Lenia, FlowLenia])
def test_gradients_of_a_step_are_right(kind, axes):
    kernels = (LeniaKernel(2.5, (1.0, 0.5), mean=0.4, deviation=0.3),)
    automaton = alone(kind, axes=axes, kernels=kernels, learned=True).double()
    generator = torch.Generator().manual_seed(0)
    cells = torch.rand(1, 1, *(4, 3, 3)[:axes], dtype=torch.float64, generator=generator)
    cells = (0.3 + 0.4 * cells).requires_grad_()
    weights = dict(automaton.named_parameters())

    def found(cells, *numbers):
        given = dict(zip(weights, numbers, strict=True))
        state = State({"world": cells})
        return torch.func.functional_call(automaton, given, (), {"state": state})["world"]

    automaton.forward = automaton.step
    assert len(weights) == 3
    assert torch.autograd.gradcheck(found, (cells, *weights.values()))


def test_gradients_reach_through_ten_steps():
    automaton = alone(Lenia, learned=True)
    start = placed(orbium(), 48).map(lambda tensor: tensor.requires_grad_())
    after = automaton.rollout(start, 10)
    place_on_torus(after["world"]).sum().backward()
    slopes = [start["world"].grad, *(weight.grad for weight in automaton.parameters())]
    assert all(slope is not None and slope.isfinite().all() and slope.any() for slope in slopes)


@torch.no_grad()
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_flowing_matter_keeps_its_mass(axes):
    side = {1: 96, 2: 48, 3: 16}[axes]
    kernels = (LeniaKernel(5, mean=0.2, deviation=0.05), LeniaKernel(4, (0.5, 1), mean=0.4))
    automaton = alone(FlowLenia, axes=axes, kernels=kernels)
    generator = torch.Generator().manual_seed(0)
    start = State({"world": torch.rand(1, 1, *[side] * axes, generator=generator).square()})
    after = automaton.rollout(start, 40 if axes == 3 else 400)
    change = (after["world"] - start["world"]).abs().mean().item()
    assert change > 0.05
    assert after["world"].min() >= 0
    mass, before = (one["world"].double().sum().item() for one in (after, start))
    assert mass == pytest.approx(before, rel=1e-5)


@torch.no_grad()
def test_matter_on_an_even_slope_is_carried_as_far_as_the_flow_says():
    rule = FlowLenia(RuleContext(WORLD, "world", 1), kernels=(LeniaKernel(3),), spread=0.5)
    layout, cells = WORLD, torch.zeros(1, 1, 9)
    cells[0, 0, 4] = 1.0
    way = torch.full((1, 1, 1, 9), 1.25)
    found = rule._carried(_view(layout, rule, cells), cells, way)
    assert found.flatten().tolist() == pytest.approx([0, 0, 0, 0, 0, 0.75, 0.25, 0, 0], abs=1e-6)


def _view(layout, rule, cells):
    from nca.engine.step_inputs import DenseInputs
    from nca.engine.topology import TORUS
    from nca.engine.view import View

    inputs = DenseInputs(State({"world": cells}), layout, TORUS)
    return View(inputs, RuleContext(layout, "world", 1), frozenset({"world"}), "test")


def test_several_channels_flow_apart():
    kernels = (LeniaKernel(4, mean=0.2, deviation=0.1), LeniaKernel(4, source=1, target=1))
    automaton = alone(FlowLenia, channels=2, kernels=kernels)
    start = State({"world": torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(0))})
    after = automaton.rollout(start, 30)
    before, now = (one["world"].double().sum(dim=(0, 2, 3)) for one in (start, after))
    assert_close(now, before, rtol=1e-5, atol=0.0)


@torch.no_grad()
def test_gray_scott_rests_where_nothing_reacts():
    rest = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 12, 9)
    after = alone(GrayScott, channels=2).rollout(State({"world": rest}), 20)
    assert torch.equal(after["world"], rest)


@torch.no_grad()
def test_gray_scott_also_rests_where_feed_and_reaction_balance():
    feed, kill = 0.05, 0.05
    # u v^2 = F (1 - u) and u v^2 = (F + k) v: v = F (1 - u) / (F + k), u v = F + k
    u = (1 - math.sqrt(1 - 4 * (feed + kill) ** 2 / feed)) / 2
    v = feed * (1 - u) / (feed + kill)
    rest = torch.tensor([u, v], dtype=torch.float64).view(1, 2, 1).expand(1, 2, 12)
    automaton = alone(GrayScott, channels=2, axes=1, feed=feed, kill=kill)
    assert_close(automaton.step(State({"world": rest}))["world"], rest)


@torch.no_grad()
def test_substances_spread_as_far_as_diffusion_says():
    cells = torch.zeros(1, 2, 31, 31, dtype=torch.float64)
    cells[0, 1, 15, 15] = 1.0
    automaton = alone(GrayScott, channels=2, feed=0.0, kill=0.0, diffusion_killed=0.1)
    spread = automaton.rollout(State({"world": cells}), 50)["world"][0, 1]
    line = torch.arange(31) - 15
    assert spread.sum().item() == pytest.approx(1)
    # the variance along an axis grows by 2 D in a step
    assert (spread.sum(dim=0) * line**2).sum().item() == pytest.approx(2 * 0.1 * 50, rel=1e-4)


@torch.no_grad()
def test_spots_of_gray_scott_divide():
    automaton = alone(GrayScott, channels=2)
    states = automaton.trajectory(placed(spot(side=64), 64), 2200, every=1100)
    live = [int((state["world"][0, 1] > 0.2).sum()) for state in states]
    assert live[1] > 100
    assert live[2] > 1.5 * live[1]


def test_the_spot_stands_in_the_middle_of_what_feeds_it():
    cells = spot(side=20, width=4)
    assert cells.shape == (2, 20, 20)
    assert cells[:, 9, 9].tolist() == [0.5, 0.25]
    assert cells[:, 7, 9].tolist() == [1.0, 0.0]
    assert int((cells[1] > 0).sum()) == 16


@torch.no_grad()
def test_smooth_life_is_life_of_discs():
    rule = SmoothLife(RuleContext(WORLD, "world"))

    def aim(ring, disc):
        return rule.aim(torch.tensor(ring), torch.tensor(disc)).item()

    assert aim(0.32, 0.0) > 0.99  # birth
    assert aim(0.4, 0.0) < 0.01
    assert aim(0.4, 1.0) > 0.95  # survival
    assert aim(0.2, 1.0) < 0.01  # too few
    assert aim(0.6, 1.0) < 0.01  # too many


@torch.no_grad()
def test_a_soup_of_smooth_life_lives():
    cells = torch.zeros(1, 1, 72, 72)
    generator = torch.Generator().manual_seed(1)
    for y, x in torch.randint(0, 60, (14, 2), generator=generator).tolist():
        cells[0, 0, y : y + 14, x : x + 14] = 1
    automaton = alone(SmoothLife)
    state = automaton.rollout(State({"world": cells}), 150)
    after = automaton.rollout(state, 20)
    assert 0.05 < after["world"].mean() < 0.8
    assert (after["world"] - state["world"]).abs().mean() > 1e-3


@torch.no_grad()
def test_streamed_orbium_is_orbium(tmp_path):
    automaton, start = alone(Lenia), placed(orbium(), 64)
    kept = GridFile.create(tmp_path, WORLD, (64, 64), dtype=torch.float32)
    kept.write((0, 0), start)
    kept = stream(automaton, kept, 6, tile=40, halo=3)
    wanted = automaton.rollout(start, 6)
    assert_close(kept.read((0, 0), (64, 64))["world"], wanted["world"], rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("learned", [False, True])
def test_a_person_turns_mean_and_deviation(learned):
    turned, meant = (
        alone(Lenia, learned=learned),
        alone(Lenia, kernels=(LeniaKernel(mean=0.16, deviation=0.02),)),
    )
    rule = turned.rules_of("world")[0]
    if learned:
        for weight in rule.parameters():
            weight += 0.1
    assert set(rule.adjustable) >= {"mean of growth", "deviation of growth"}
    rule.mean, rule.deviation = 0.16, 0.02
    assert (rule.mean, rule.deviation) == pytest.approx((0.16, 0.02))
    start = placed(orbium(), 40)
    assert_close(turned.step(start)["world"], meant.step(start)["world"], rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("learned", [False, True])
def test_what_was_turned_is_saved(tmp_path, learned):
    automaton = alone(Lenia, kernels=[LeniaKernel(radius=9)], learned=learned)
    rule = automaton.rules_of("world")[0]
    for weight in rule.parameters():
        weight += 0.1
    rule.mean, rule.deviation, rule.resolution = 0.2, 0.03, 5.0
    save(automaton, tmp_path / "saved.safetensors")
    loaded = load(tmp_path / "saved.safetensors").automaton
    start = placed(orbium(), 32)
    assert_close(loaded.step(start)["world"], automaton.step(start)["world"], rtol=0, atol=1e-6)
    assert (loaded.rules_of("world")[0].mean, rule.mean) == pytest.approx((0.2, 0.2))


KERNELS = [
    ({"kernels": [{"source": 1}]}, "is 1, but the level has 1 channels"),
    ({"kernels": [{"radius": 0.5}]}, "radius"),
    ({"kernels": [{"radius": 1.1, "core": "step"}]}, "no cell stands in a ring"),
    ({"kernels": [{"rings": []}]}, "rings"),
    ({"kernels": [{"rings": [0.0, 0.0]}]}, "no height above 0"),
    ({"kernels": [{"mean": 2.0}]}, "mean"),
    ({"kernels": [{"deviation": 0.0}]}, "deviation"),
    ({"kernels": [{"core": "round"}]}, "core"),
    ({"kernels": [{"sigma": 0.1}]}, "sigma"),
    ({"resolution": 0.0}, "resolution"),
]


@pytest.mark.parametrize(("options", "words"), KERNELS)
def test_kernels_that_are_none_are_refused(options, words):
    kind = registry.get("rule", "lenia")
    with pytest.raises(NCAError, match=words):
        kind(RuleContext(WORLD, "world"), **options)


def test_substances_that_spread_too_fast_are_refused():
    layout = Layout([Level("world", 2)])
    with pytest.raises(OptionError, match=r"diffusion_killed.*oscillate"):
        GrayScott(RuleContext(layout, "world", 3), diffusion_killed=0.2)


def test_an_interval_that_ends_before_it_begins_is_refused():
    with pytest.raises(OptionError, match="smaller number first"):
        SmoothLife(RuleContext(WORLD, "world"), birth=(0.4, 0.3))
