"""Levels of different resolution: how one is read in the grid of another."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pyramids import (
    NAMES,
    automaton_of,
    grids,
    layouts,
    moved,
    read_by_hand,
    refinements,
    state_of,
)
from strategies import axes, normal, random_seeds, tensors, topologies
from torch.testing import assert_close

from nca import TORUS, Alive, Automaton, Layout, Level, Noise, ShapeError, Topology
from nca.engine.resample import Resampling, coarsened, mask_read, refined
from nca.validation.faults import OptionError

RATIOS = st.sampled_from([2, 4])


@given(tensors(2), RATIOS)
def test_the_mean_of_what_is_nearest_is_what_was(tensor, r):
    assert_close(coarsened(refined(tensor, r, "nearest", TORUS), r, "mean"), tensor)


@given(st.data(), axes(), RATIOS, topologies(2), refinements())
def test_a_constant_stays_one_whatever_lies_beyond_the_edge(data, axes, r, topology, how):
    topology = Topology(topology.of(2)[0])
    constant = torch.full((1, 2, *data.draw(grids(Layout([Level("a", 1)]), axes))), 0.75).double()
    if how == "nearest" or topology.boundaries != "zeros":
        assert_close(refined(constant, r, how, topology), refined(constant, r, "nearest", TORUS))
    fine = refined(constant, r, "nearest", TORUS)
    assert_close(coarsened(fine, r, "mean"), constant)
    assert_close(coarsened(fine, r, "max"), constant)
    assert coarsened(fine, r, "stack").unique().tolist() == [0.75]


@given(st.data(), axes(), RATIOS)
def test_a_stack_holds_every_cell_of_its_block_channel_by_channel(data, axes, r):
    sides = [r * side for side in data.draw(grids(Layout([Level("a", 1)]), axes))]
    tensor = torch.arange(3 * torch.Size(sides).numel(), dtype=torch.float64)
    tensor = tensor.view(1, 3, *sides)
    stacked = coarsened(tensor, r, "stack")
    assert stacked.shape == (1, 3 * r**axes, *(side // r for side in sides))
    assert stacked.flatten().sort().values.tolist() == tensor.flatten().tolist()
    corner = tensor[:, :, *(slice(r),) * axes].flatten(1)
    assert_close(stacked[:, :, *(0,) * axes], corner)
    if axes == 2:
        assert_close(stacked, torch.pixel_unshuffle(tensor, r))


@given(tensors(2), RATIOS, st.integers(-5, 5), st.integers(-5, 5))
def test_a_bilinear_reading_moves_with_the_coarse_cells_of_a_torus(tensor, r, dy, dx):
    seen = refined(tensor, r, "bilinear", TORUS)
    later = refined(tensor.roll((dy, dx), (2, 3)), r, "bilinear", TORUS)
    assert_close(later, seen.roll((r * dy, r * dx), (2, 3)))


@pytest.mark.parametrize(("axes", "mode"), [(1, "linear"), (2, "bilinear"), (3, "trilinear")])
def test_a_bilinear_reading_is_that_of_torch_where_the_edge_is_repeated(axes, mode):
    tensor = normal((2, 3, 3, 4, 2)[: 2 + axes], 0)
    wanted = torch.nn.functional.interpolate(tensor, scale_factor=4, mode=mode)
    assert_close(refined(tensor, 4, "bilinear", Topology("replicate")), wanted)


@pytest.mark.parametrize("coarsen", ["mean", "max", "stack"])
@pytest.mark.parametrize("refine", ["nearest", "bilinear"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_gradients_pass_twice_through_every_reading(coarsen, refine, axes):
    tensor = normal((1, 2, 4, 2, 2)[: 2 + axes], 1).requires_grad_()

    def read(tensor):
        fine, coarse = Resampling(1, coarsen, refine), Resampling(4, coarsen, refine)
        return fine.read(tensor, 2, TORUS).square(), coarse.read(tensor, 2, TORUS).square()

    assert torch.autograd.gradcheck(read, tensor)
    assert torch.autograd.gradgradcheck(read, tensor)


def test_a_mask_covers_whom_it_covers_in_part():
    mask = torch.tensor([[[False, True, False, False]]])
    assert mask_read(mask, 1, 2).tolist() == [[[True, False]]]
    assert mask_read(mask, 2, 1)[0, 0].tolist() == [False, False, True, True] + [False] * 4
    assert mask_read(mask, 2, 2) is mask


# a step


def step_by_hand(automaton, state):
    """Return what a step of `Mix` on a torus makes of a state, from readings cell by cell."""
    after = {}
    for name, level in automaton.layout.items():
        total = 0
        for read, weight in automaton.rules_of(name)[0].weights.items():
            scale = automaton.layout[read].scale
            seen = torch.stack([read_by_hand(one, scale, level) for one in state[read]])
            total = total + TORUS.correlate(seen, weight)
        drawn = state.rng.normal(f"rule/{name}/0/", level.channels, state.size(name)).double()
        change = torch.tanh(total) + 0.1 * drawn
        fires = state.rng.chance(f"fire/{name}", automaton.fire_rate, 1, state.size(name))
        after[name] = state[name] + change * fires
    return state.replace(after, step=state.step + 1)


@given(st.data(), layouts(), axes(), random_seeds())
def test_a_step_is_what_a_step_by_hand_is(data, layout, axes, random_seed):
    automaton = automaton_of(layout, axes, fire_rate=0.5)
    state = state_of(layout, data.draw(grids(layout, axes)), 2, random_seed)
    after, wanted = automaton.step(state), step_by_hand(automaton, state)
    for name in NAMES:
        assert_close(after[name], wanted[name])


@given(st.data(), layouts(), axes(), random_seeds())
def test_a_step_moves_with_the_coarsest_cells(data, layout, axes, random_seed):
    automaton = automaton_of(layout, axes)
    for name in NAMES:  # what chance draws stays where it is
        automaton.rules_of(name)[0].forward = _without_chance(automaton.rules_of(name)[0])
    state = state_of(layout, data.draw(grids(layout, axes)), 2, random_seed)
    offset = data.draw(st.tuples(*[st.integers(-3, 3)] * axes))
    after = moved(layout, automaton.rollout(state, 2), offset)
    first = automaton.rollout(moved(layout, state, offset), 2)
    for name in NAMES:
        assert_close(first[name], after[name])


def _without_chance(rule):
    def forward(view):
        seen = [view.correlate(view.level(name), rule.weights[name]) for name in NAMES]
        return torch.tanh(sum(seen))

    return forward


def test_a_level_is_resampled_once_for_all_rules_that_read_alike(monkeypatch):
    layout = Layout([Level("ground", 2), Level("middle", 3, scale=2), Level("top", 1, scale=2)])
    automaton, count = automaton_of(layout, 2), []
    plain = Resampling.read

    def counted(self, tensor, scale, topology):
        count.append((self.scale, scale))
        return plain(self, tensor, scale, topology)

    monkeypatch.setattr(Resampling, "read", counted)
    automaton.step(state_of(layout, (4, 4)))
    assert sorted(count) == [(1, 1), (1, 2), (1, 2), (2, 1), (2, 2), (2, 2)]


@pytest.mark.parametrize("dead", ["cleared", "frozen"])
@pytest.mark.parametrize("level", NAMES)
def test_levels_read_life_in_their_own_grid(dead, level):
    layout = Layout([Level("ground", 2), Level("middle", 3, scale=2), Level("top", 1, scale=4)])
    automaton = automaton_of(layout, 2, alive=Alive(level, 0, 0.9, 0, dead))
    state = state_of(layout, (16, 8))
    after, living = automaton.step(state), automaton.alive_mask(state)
    assert living is not None
    assert living.shape[2:] == state.size(level)
    for name, one in layout.items():
        here = mask_read(living, layout[level].scale, one.scale).expand_as(state[name])
        assert not here.all()
        wanted = torch.zeros_like(state[name]) if dead == "cleared" else state[name]
        assert_close(after[name][~here], wanted[~here])


def test_noise_is_counted_on_the_grid_of_each_level():
    layout = Layout([Level("ground", 1), Level("top", 1, scale=2)])
    automaton = Automaton(layout, {}, noise=Noise(1.0))
    state = automaton.seed(1, (4, 6), random_seed=5)
    after = automaton.step(state)
    for name, size in (("ground", (4, 6)), ("top", (2, 3))):
        assert_close(after[name], state.rng.normal(f"noise/{name}", 1, size))


# what cannot be


def test_a_scale_is_a_power_of_two():
    with pytest.raises(OptionError) as refusal:
        Level("top", 1, scale=3)
    assert "a power of two" in str(refusal.value)


def test_a_grid_has_whole_cells_of_every_level():
    layout = Layout([Level("ground", 1), Level("top", 1, scale=4)])
    with pytest.raises(ShapeError) as refusal:
        Automaton(layout, {}).seed(1, (8, 6))
    assert str(refusal.value) == (
        "a grid of 8 x 6 cells has no whole cells of scale 4.\n"
        "  where:  scale 4: a cell spans 4 cells of the grid along each axis\n"
        "  to do:  let every side of the grid be a multiple of 4, the coarsest scale"
    )


def test_some_level_has_the_scale_in_which_the_grid_is_counted():
    with pytest.raises(ShapeError, match="no level has scale 1"):
        Layout([Level("ground", 1, scale=2), Level("top", 1, scale=4)])


def test_a_state_whose_levels_do_not_agree_is_refused():
    layout = Layout([Level("ground", 1), Level("top", 1, scale=2)])
    state = layout.zeros(1, (4, 4))
    wrong = state.replace({"top": torch.zeros(1, 1, 4, 4)})
    with pytest.raises(ShapeError, match='level "top" has'):
        Automaton(layout, {}).step(wrong)
