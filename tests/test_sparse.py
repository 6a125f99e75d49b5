"""Cells as a list: what a rule is shown of them, and when a step works on a list at all."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from simple import Add, one_level, row
from strategies import at_most, axes, normal, random_seeds, sizes, topologies
from torch import Tensor, nn
from torch.testing import assert_close

from nca import (
    ActivationMemory,
    Alive,
    AttentionTerm,
    AttentionWeights,
    Automaton,
    Correlation,
    Layout,
    Level,
    Noise,
    Program,
    RuleContext,
    ShapeError,
    Squash,
    State,
    Topology,
    UpdateRule,
    View,
)
from nca.backends.sparse_inputs import SparseInputs
from nca.engine.step_inputs import DenseInputs

LAYOUT = Layout([Level("image", 2, input=True), Level("body", 4)])


class LooksInEveryWay(UpdateRule):
    """Perceive, correlate in groups and at length, take neighbours, and draw numbers."""

    reads = ("own", "below")
    cellwise = True

    def __init__(self, place: RuleContext) -> None:
        super().__init__()
        long = (1,) * (place.axes - 1) + (5,)
        self.whole = nn.Parameter(normal((4, 2, *(3,) * place.axes), 1))
        self.grouped = nn.Parameter(normal((4, 2, *long), 2))
        self.bias = nn.Parameter(normal((4,), 3))
        self.stencils = nn.Parameter(normal((2, *(3,) * place.axes), 4))

    def forward(self, view: View) -> Tensor:
        perceived = view.perceive(Correlation("below", self.whole, self.bias))
        far = view.neighbours(view.own, 2)
        rank = torch.arange(far.shape[1], dtype=far.dtype)
        weighed = torch.einsum("n,bnc...->bc...", rank.cos(), far)
        grouped = view.correlate(view.own, self.grouped, groups=2)
        first, second = view.stencils(view.own, self.stencils).split(4, dim=1)
        grouped = grouped + first * 0.3 + second
        drawn = view.normal(4) + view.uniform(4, "more") * view.chance(0.5, 4)
        return torch.tanh(perceived + grouped + weighed) + drawn


class Asks(UpdateRule):
    """Note what one is shown."""

    cellwise = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []

    def forward(self, view: View) -> Tensor:
        self.seen.append(tuple(view.own.shape))
        return torch.ones_like(view.own)


def state_of(size: tuple[int, ...], random_seed: int, batch: int = 2) -> State:
    levels = {
        level.name: normal((batch, level.channels, *size), random_seed, level.name)
        for level in LAYOUT.values()
    }
    return State(levels, random_seed, step=3, samples=torch.arange(batch) + 5)


@at_most(40)
@given(dim=axes(), data=st.data(), random_seed=random_seeds())
def test_a_list_sees_draws_and_learns_as_the_grid_does(dim, data, random_seed):
    topology = data.draw(topologies(dim))
    state = state_of(data.draw(sizes(dim, high=5)), random_seed)
    above = data.draw(st.sampled_from([-9.0, 0.0, 1.0, 9.0]))  # all, some, few, none
    alive = Alive("image", 1, above, radius=0, dead="frozen")
    ends, gradients = [], []
    for sparse in (False, True):
        rule = LooksInEveryWay(RuleContext(LAYOUT, "body", dim, topology))
        automaton = Automaton(
            LAYOUT,
            {"body": [rule]},
            topology=topology,
            alive=alive,
            fire_rate=0.5,
            noise=Noise(0.1, "uniform"),
            step_size=0.5,
            memory=ActivationMemory("recompute" if sparse else "store"),
            sparse=sparse,
        )
        first = state.map(lambda level: level.clone().requires_grad_())
        end = automaton.rollout(first, 2)["body"]
        ends.append(end)
        sources = [*rule.parameters(), *first.values()]
        gradients.append(torch.autograd.grad(end.square().sum(), sources, materialize_grads=True))
    assert_close(ends[1], ends[0])
    assert_close(gradients[1], gradients[0])


def test_listed_cells_attend_to_neighbours_where_each_axis_has_a_boundary_of_its_own():
    class Attends(UpdateRule):
        cellwise = True

        def program(self) -> Program:
            weights = AttentionWeights(1.0, cosine=False, levels=("own",), factors=(1.0,))
            return Program((AttentionTerm(0.5, weights),))

    topology, alive = Topology(("torus", "reflect")), Alive("image", 1, 0.0, 0, "frozen")
    ends = [
        Automaton(
            LAYOUT, {"body": [Attends()]}, topology=topology, alive=alive, sparse=sparse
        ).step(state_of((4, 5), 0))
        for sparse in (False, True)
    ]
    assert_close(ends[1]["body"], ends[0]["body"])


def test_a_rule_is_shown_the_living_that_fire():
    rule = Asks()
    alive = Alive("body", 0, 0.1, radius=0, dead="frozen")
    automaton = one_level(rule, alive=alive, fire_rate=0.5, sparse=True)
    state = row(*[0.5] * 20, *[0.0] * 80)
    fires = state.rng.chance("fire/body", 0.5, 1, (100,))[..., :20].sum().item()
    after = automaton.step(state)["body"]
    assert rule.seen == [(1, 1, fires)]
    assert (after != state["body"]).sum() == fires


def test_the_living_may_be_kept_by_what_will_be_cleared():
    # cell 0 alone is mature, and dies; cell 2, dead before, comes alive and keeps cell 1
    class Turn(UpdateRule):
        cellwise = True

        def forward(self, view: View) -> Tensor:
            return torch.where(view.own > 0.1, -view.own, view.own.mul(50))

    alive = Alive("body", 0, 0.1)
    state = row(0.5, 0.001, 0.01, 0.0, 0.0, 0.0, 0.0)
    dense, listed = (one_level(Turn(), alive=alive, sparse=s).step(state) for s in (False, True))
    assert dense["body"].flatten().tolist() == pytest.approx([0, 0.051, 0, 0, 0, 0, 0])
    assert listed == dense


@pytest.mark.parametrize(
    ("living", "listed"), [(0.0, True), (0.2, True), (0.35, True), (0.45, False), (1.0, False)]
)
def test_a_step_lists_cells_where_few_can_change(living, listed):
    rule = Asks()
    alive = Alive("body", 0, 0.1, radius=0, dead="frozen")
    state = row(*[0.5] * round(100 * living), *[0.0] * (100 - round(100 * living)))
    one_level(rule, alive=alive).step(state)
    assert rule.seen == [(1, 1, round(100 * living) if listed else 100)]


def test_the_fire_rate_counts_towards_the_few():
    rule = Asks()
    alive = Alive("body", 0, 0.1, radius=0, dead="frozen")
    automaton = one_level(rule, alive=alive, fire_rate=0.25)
    automaton.step(row(*[0.5] * 100))
    assert rule.seen[0][-1] < 100


@pytest.mark.parametrize("sparse", [None, True])
def test_no_list_without_an_alive_mask_or_a_promise(sparse):
    rule = Asks()
    state = row(*[0.5] * 5, *[0.0] * 95)
    one_level(rule, sparse=sparse).step(state)
    alive = Alive("body", 0, 0.1, radius=0, dead="frozen")
    one_level(rule, Add(), alive=alive, sparse=sparse).step(state)
    one_level(rule, alive=alive, sparse=False).step(state)
    assert rule.seen == [(1, 1, 100)] * 3


def test_a_list_of_reduced_products_has_one_of_few_lengths():
    rule = Asks()
    alive = Alive("body", 0, 0.1, radius=0, dead="frozen")
    automaton = one_level(rule, alive=alive, sparse=True)
    state = row(*[0.5] * 70, *[0.0] * 30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        after = automaton.step(state)
        automaton.step(row(*[0.0] * 100))
    assert rule.seen == [(1, 1, 128), (1, 1, 0)]
    assert after["body"].flatten().tolist() == [1.5] * 70 + [0.0] * 30


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_levels_keep_their_dtype(dtype):
    state = state_of((6, 5), 0).to(dtype)
    alive = Alive("image", 0, 0.0, radius=0, dead="frozen")
    automaton = Automaton(LAYOUT, {"body": [Asks()]}, alive=alive, sparse=True)
    assert automaton.step(state)["body"].dtype == dtype


def test_a_broken_promise_is_named():
    class Promises(Asks):
        def forward(self, view: View) -> Tensor:
            return view.neighbours(view.own.square()).mean(dim=1)

    alive = Alive("body", 0, 0.1, dead="frozen")
    with pytest.raises(ShapeError) as fault:
        one_level(Promises(), alive=alive, sparse=True).step(row(0.0, 0.0, 1.0, 0.0, 0.0))
    assert str(fault.value) == (
        "a cellwise rule looks at the neighbours of something that is no level as it stands.\n"
        "  where:  a tensor (1, 1, 3) of 3 listed cells\n"
        "  to do:  take neighbours of `view.own` and other levels alone, "
        "or let the rule say `cellwise = False`"
    )


def test_what_cells_see_is_gathered_once_for_all_rules():
    state = state_of((4, 4), 0)
    scene = SparseInputs(
        DenseInputs(state, one_level().layout, one_level().topology), torch.tensor([3, 17])
    )
    seen = scene.neighbours(scene.level("body"), 1)
    assert seen.shape == (1, 9, 4, 2)
    assert seen.data_ptr() == scene.neighbours(scene.level("body"), 1).data_ptr()
    assert_close(seen[0, 4, :, 1], state["body"][1, :, 0, 1])


class ShowsAndKnows(UpdateRule):
    """Perceive what cells show through a function, and ask where they are."""

    cellwise = True

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal((4, 4, 3, 3), 4))

    def forward(self, view: View) -> Tensor:
        first, *_, last = view.shifted(view.own)
        squashed = Correlation("own", self.weight, torch.zeros(4).double(), Squash(1.0))
        perceived = view.perceive(squashed)
        return perceived + view.coordinates[:, :1] - 2 * view.coordinates[:, 1:] + first * last


def test_a_list_shows_through_the_same_function_and_knows_its_place():
    after = []
    for sparse in (False, True):
        automaton = Automaton(
            LAYOUT,
            {"body": [ShowsAndKnows()]},
            alive=Alive("image", 0, 0.3, radius=0, dead="frozen"),
            coordinates=True,
            sparse=sparse,
        )
        after.append(automaton.rollout(state_of((5, 4), 1), 2)["body"])
    assert (after[0] != state_of((5, 4), 1)["body"]).any()
    assert_close(after[0], after[1])
