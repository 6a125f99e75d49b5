"""Attention: what it must be at its limits, and that lookahead heeds the levels above."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import normal, offsets, random_seeds, sides
from torch.testing import assert_close

from nca import (
    TORUS,
    AttentionTerm,
    Automaton,
    Layer,
    Layout,
    Level,
    Location,
    MLPTerm,
    OptionError,
    Program,
    RuleContext,
    ShapeError,
    State,
    Topology,
    UpdateRule,
    registry,
)
from nca.engine.run_program import attention_weights, location_code, run_program
from nca_plugins.glom.attention import Attention, NeighbourAttention

LAYOUT = Layout([Level("low", 3), Level("high", 2)])
BLIND = 1e-9
"""A sharpness at which all neighbours count alike."""


class Heed(UpdateRule):
    """Propose the attention-weighted mean, and keep the weights for the test."""

    def __init__(self, place: RuleContext, options: Attention) -> None:
        super().__init__()
        self.reads = options.levels(place)
        self.attention = NeighbourAttention(place, options)

    def forward(self, view):
        weights = self.attention.weights()
        self.weights = attention_weights(weights, view)
        self.mean = view.own + run_program(Program((AttentionTerm(1.0, weights),)), view)
        return torch.zeros_like(view.own)


def heed(state: State, topology: Topology = TORUS, **options: object) -> Heed:
    place = RuleContext(LAYOUT, "low", state.axes, topology)
    rule = Heed(place, Attention(**options)).double()
    Automaton(LAYOUT, {"low": [rule]}, topology=topology).step(state)
    return rule


def random_state(height: int = 5, width: int = 4, random_seed: int = 0) -> State:
    size = (2, 3, height, width), (2, 2, height, width)
    return State(
        {n: normal(s, random_seed + i) for i, (n, s) in enumerate(zip(LAYOUT, size, strict=True))}
    )


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("radius", [1, 2, 4])
@pytest.mark.parametrize("itself", [True, False])
@pytest.mark.parametrize("boundary", ["torus", "zeros"])
def test_weights_of_each_cell_sum_to_one(similarity, radius, itself, boundary):
    topology = Topology(boundary)
    rule = heed(
        random_state(), topology, similarity=similarity, radius=radius, itself=itself, lookahead=0.5
    )
    assert rule.weights.shape == (2, (2 * radius + 1) ** 2, 1, 5, 4)
    assert_close(rule.weights.sum(dim=1), torch.ones(2, 1, 5, 4).double())


def test_a_cell_left_out_of_its_own_neighbours_does_not_heed_itself():
    rule = heed(random_state(), itself=False)
    assert not rule.weights[:, 4].any()
    assert (rule.weights[:, [0, 1, 2, 3, 5, 6, 7, 8]] > 0).all()


def test_nobody_is_heeded_beyond_an_edge_of_zeros():
    corner = heed(random_state(), Topology("zeros")).weights[:, :, 0, 0, 0].view(2, 3, 3)
    assert not corner[:, 0].any()
    assert not corner[:, :, 0].any()
    assert (corner[:, 1:, 1:] > 0).all()


@pytest.mark.parametrize("radius", [1, 2])
def test_blind_attention_is_the_mean_of_the_box(radius):
    state = random_state()
    box = Topology().neighbours(state["low"], radius).mean(dim=1)
    assert_close(heed(state, sharpness=BLIND, radius=radius).mean, box)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_constant_level_is_at_rest(similarity):
    low = torch.tensor([1.0, -2.0, 0.5]).double().view(1, 3, 1, 1).expand(1, 3, 4, 5)
    state = State({"low": low, "high": normal((1, 2, 4, 5), 1)})
    assert_close(heed(state, similarity=similarity, sharpness=3.0).mean, low)


def test_sharp_attention_by_cosine_heeds_the_cell_itself():
    state = random_state(random_seed=3)
    assert_close(heed(state, sharpness=1e9).mean, state["low"])


def test_two_camps_stay_apart_when_attention_is_sharp_and_blend_when_it_is_blind():
    low = torch.zeros(1, 3, 4, 6).double()
    low[:, 0, :, :3] = 1
    low[:, 1, :, 3:] = 1
    state = State({"low": low, "high": normal((1, 2, 4, 6), 1)})
    assert_close(heed(state, sharpness=50.0).mean, low)
    assert heed(state, sharpness=BLIND).mean[0, 1, 0, 2] == pytest.approx(1 / 3)


def test_the_weights_are_those_of_the_equation():
    state = random_state(3, 3, random_seed=7)
    weights = heed(state, similarity="dot", sharpness=0.7, lookahead=0.5).weights
    # on a grid of 3x3 every cell neighbours every cell
    own = [state[name][0].flatten(1).T for name in LAYOUT]
    energies = [
        0.7 * (own[0][4] @ own[0][q] + 0.5 * own[1][4] @ own[1][q]).item() for q in range(9)
    ]
    total = sum(math.exp(energy) for energy in energies)
    wanted = torch.tensor([math.exp(energy) / total for energy in energies]).double()
    assert_close(weights[0, :, 0, 1, 1], wanted)


def test_without_lookahead_the_levels_above_do_not_matter():
    state = random_state()
    other = state.replace({"high": state["high"].roll(1, 3)})
    plain = [heed(s, lookahead=0.0).weights for s in (state, other)]
    ahead = [heed(s, lookahead=0.5).weights for s in (state, other)]
    assert torch.equal(*plain)
    assert (ahead[0] - ahead[1]).abs().max() > 0.01


def test_agreement_above_draws_unlike_cells_together():
    """Kilcher's cat: two patches of fur that differ, and a whole that holds both."""
    low = torch.eye(3).double().view(1, 3, 1, 3).expand(1, 3, 3, 3)  # three unlike columns
    high = torch.tensor([[1.0, 1.0, -1.0], [0.0, 0.0, 1.0]]).double()  # two of one whole
    state = State({"low": low, "high": high.view(1, 2, 1, 3).expand(1, 2, 3, 3)})
    middle = heed(state, lookahead=1.0, sharpness=2.0).weights[0, :, 0, 1, 1].view(3, 3).sum(0)
    assert middle[0] > 5 * middle[2]  # the left column is of the same whole, the right is not
    alone = heed(state, lookahead=0.0, sharpness=2.0).weights[0, :, 0, 1, 1].view(3, 3).sum(0)
    assert_close(alone[0], alone[2])


def test_sharpness_rises_with_the_steps_of_a_state():
    attention = NeighbourAttention(RuleContext(LAYOUT, "low"), Attention(sharpness=4.0, rise=4))
    assert attention.weights().rise == 4
    with torch.no_grad():
        state = random_state()
        found = [
            heed(state.replace(step=step), sharpness=4.0, rise=4).weights for step in (0, 1, 3, 9)
        ]
        wanted = [heed(state, sharpness=sharpness).weights for sharpness in (1.0, 2.0, 4.0, 4.0)]
    for ours, theirs in zip(found, wanted, strict=True):
        assert_close(ours, theirs)


def test_a_learned_sharpness_starts_where_it_is_told_and_gets_gradient():
    rule = heed(random_state(), sharpness=2.5, learned=True)
    assert_close(rule.attention.weights().sharpness, torch.tensor(2.5).double())
    rule.mean.square().sum().backward()
    assert rule.attention.raw.grad.abs() > 0


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_gradients_of_attention_are_right(similarity):
    high = normal((1, 2, 3, 4), 2)

    def mean(low):
        state = State({"low": low, "high": high})
        return heed(state, similarity=similarity, lookahead=0.5, sharpness=2.0).mean

    assert torch.autograd.gradcheck(mean, normal((1, 3, 3, 4), 1).requires_grad_())


@given(sides(), sides(), offsets(), random_seeds(), st.sampled_from([0.0, 0.7]))
def test_moving_a_level_moves_its_attention(height, width, offset, random_seed, lookahead):
    dy, dx, _ = offset
    state = random_state(height, width, random_seed)
    moved = state.map(lambda tensor: tensor.roll((dy, dx), (2, 3)))
    one, other = (heed(s, lookahead=lookahead, radius=2).mean for s in (state, moved))
    assert_close(one.roll((dy, dx), (2, 3)), other)


def test_an_empty_cell_has_no_direction():
    weights = heed(random_state().map(torch.zeros_like), similarity="cosine").weights
    assert_close(weights, torch.full_like(weights, 1 / 9))


# the rules that attend


def rules(name: str, **options: object) -> UpdateRule:
    rule = registry.get("rule", name)(RuleContext(TOWER, "middle"), **options)
    return rule.double()


TOWER = Layout([Level("under", 2, input=True), Level("middle", 4), Level("over", 3)])


def tower(random_seed: int = 0) -> State:
    return State({n: normal((2, v.channels, 5, 4), random_seed) for n, v in TOWER.items()})


def step(rule: UpdateRule, state: State) -> torch.Tensor:
    return Automaton(TOWER, {"middle": [rule]}).step(state)["middle"]


def test_a_lateral_net_under_blind_attention_is_a_plain_one():
    plain = rules("lateral", hidden=6)
    heeding = rules("lateral", hidden=6, attention=Attention(sharpness=BLIND))
    heeding.load_state_dict(plain.state_dict())
    assert_close(step(heeding, tower()), step(plain, tower()))


def test_attention_changes_what_a_lateral_net_says():
    plain = rules("lateral", hidden=6)
    heeding = rules("lateral", hidden=6, attention=Attention(sharpness=5.0))
    heeding.load_state_dict(plain.state_dict())
    assert (step(heeding, tower()) - step(plain, tower())).abs().max() > 0.01


def test_a_lateral_net_refuses_attention_wider_than_itself():
    with pytest.raises(OptionError, match=r"\[attention\] radius is 2\."):
        rules("lateral", attention=Attention(radius=2))


def test_a_consensus_step_of_rate_one_is_the_mean():
    rule = rules("consensus_step", rate=1.0, learned=False, attention=Attention(sharpness=BLIND))
    assert_close(step(rule, tower()), Topology().neighbours(tower()["middle"]).mean(dim=1))


def test_the_weighted_mean_is_that_of_its_four_contributions():
    rule = rules("weighted_mean", hidden=6)
    with torch.no_grad():
        rule.logits.copy_(torch.tensor([0.3, -1.0, 0.5, 0.1]))
    weights = torch.softmax(rule.logits, 0)
    alone = []
    for number in range(4):
        with torch.no_grad():
            rule.logits.fill_(-1e9)[number] = 0.0
        alone.append(step(rule, tower()))
    assert_close(alone[0], tower()["middle"])
    with torch.no_grad():
        rule.logits.copy_(weights.log())
    assert_close(step(rule, tower()), sum(w * a for w, a in zip(weights, alone, strict=True)))


def test_the_top_level_expects_nothing_from_above():
    rule = registry.get("rule", "weighted_mean")(RuleContext(TOWER, "over"), learned=False)
    assert rule.top_down is None
    assert_close(rule.weights(), torch.full((3,), 1 / 3))


def test_a_weighted_mean_stays_within_its_bounds_for_ever():
    rule = rules("weighted_mean", hidden=6, shown="squashed")
    automaton = Automaton(TOWER, {"middle": [rule]})
    far = automaton.rollout(tower().replace({"middle": 1e3 * tower()["middle"]}), 200)
    assert far["middle"].abs().max() < 20


# the location code of the top-down net


def test_a_location_code_is_refused_where_the_grid_grants_no_coordinates():
    with pytest.raises(OptionError, match="location is 2, but cells cannot know their place"):
        rules("top_down", location=2)


def test_a_location_code_tells_places_apart_and_wraps():
    place = RuleContext(TOWER, "middle", coordinates=True)
    rule = registry.get("rule", "top_down")(place, hidden=6, location=3).double()
    automaton = Automaton(TOWER, {"middle": [rule]}, coordinates=True)
    blank = tower().map(torch.zeros_like)
    told = automaton.step(blank)["middle"]
    assert (told[:, :, 0] - told[:, :, 1]).abs().max() > 1e-3
    places = torch.tensor([[0.0, 0.25], [1.0, 0.25]]).double().view(2, 2, 1, 1)
    code = location_code(places, frequencies=3)
    assert code.shape == (2, 12, 1, 1)
    assert_close(code[0], code[1])  # one turn further is the same place on the torus


def test_a_net_that_sees_nothing_but_its_place_tells_all_samples_the_same():
    class Where(UpdateRule):
        reads = ()

        def __init__(self) -> None:
            super().__init__()
            self.code, self.change = normal((5, 4), 1), normal((4, 5), 2)

        def program(self) -> Program:
            layers = (Layer(self.change, None, "tanh"), Layer(self.change.T, None, "relu", 0.5))
            layers = (*layers, Layer(self.change, None, "none"))
            return Program((MLPTerm((Location(self.code, 1),), layers[: 3 if self.drops else 1]),))

    rule = Where()
    automaton = Automaton(TOWER, {"middle": [rule]}, coordinates=True)
    rule.drops = False
    after = automaton.step(tower())["middle"]
    assert_close(*(after - tower()["middle"]))
    rule.drops = True  # other units in each sample
    after = automaton.step(tower())["middle"]
    assert (after - tower()["middle"]).diff(dim=0).abs().max() > 1e-3


def test_a_rule_that_was_granted_no_coordinates_cannot_ask_for_them():
    class Where(UpdateRule):
        def forward(self, view):
            return view.own + view.coordinates[:, :1]

    with pytest.raises(ShapeError, match="asks where its cells are"):
        step(Where(), tower())
    granted = Automaton(TOWER, {"middle": [Where()]}, coordinates=True).step(tower())["middle"]
    rows = torch.arange(5).double() / 5
    assert_close(granted - 2 * tower()["middle"], rows.view(1, 1, 5, 1).expand(2, 4, 5, 4))
