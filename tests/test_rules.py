"""The rules of the recipes, against pictures drawn by hand and the numbers of their papers."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from strategies import normal
from torch import Tensor
from torch.testing import assert_close

from nca import (
    Automaton,
    Layout,
    Level,
    OptionError,
    RuleContext,
    ShapeError,
    State,
    UpdateRule,
    registry,
)
from nca.backends.lowering import lower
from nca.engine.program import MLPTerm, Program, Stencils
from nca.testing.checks import LAWS
from nca.testing.harness import placed
from nca.testing.verdict import judge
from nca_plugins.glom.attention import Attention

CELLS = Layout([Level("cells", 1)])
DIGITS = Layout([Level("image", 1, input=True), Level("body", 19)])
TOWER = Layout([Level("low", 3), Level("middle", 5), Level("high", 2)])


def make(name: str, place: RuleContext, **options: object) -> UpdateRule:
    rule = registry.get("rule", name)(place, **options)
    assert isinstance(rule, UpdateRule)
    return rule


def drawn(picture: str) -> Tensor:
    """Return a grid from lines of `O` and `.`."""
    return torch.tensor([[float(c == "O") for c in line] for line in picture.split()])


def live(grid: Tensor, steps: int, rule: str = "B3/S23") -> Tensor:
    automaton = Automaton(
        CELLS, {"cells": [make("life", RuleContext(CELLS, "cells", 2), rule=rule)]}
    )
    return automaton.rollout(State({"cells": grid[None, None]}), steps)["cells"][0, 0]


def history(row: str, number: int, steps: int) -> list[str]:
    rule = make("elementary", RuleContext(CELLS, "cells", 1), number=number)
    state = State({"cells": drawn(row)[None]})
    states = Automaton(CELLS, {"cells": [rule]}).trajectory(state, steps)
    return ["".join(".O"[int(cell)] for cell in state["cells"].flatten()) for state in states]


def parameters(rule: UpdateRule) -> int:
    return sum(weight.numel() for weight in rule.parameters())


# life


def test_a_blinker_blinks():
    lying = drawn("..... ..... .OOO. ..... .....")
    standing = drawn("..... ..O.. ..O.. ..O.. .....")
    assert torch.equal(live(lying, 1), standing)
    assert torch.equal(live(lying, 2), lying)


def test_a_block_rests_in_the_corners_of_the_torus():
    block = drawn("O..O .... .... O..O")
    assert torch.equal(live(block, 3), block)


def test_a_glider_glides_across_the_edge():
    glider = drawn(".O...... ..O..... OOO..... ........ ........ ........ ........")
    for quarter in range(1, 9):
        moved = live(glider, 4 * quarter)
        assert torch.equal(moved, glider.roll((quarter, quarter), (0, 1))), quarter


def test_a_replicator_of_highlife_makes_two_of_itself():
    grid = torch.zeros(24, 24)
    grid[9:14, 9:14] = drawn("..OOO .O..O O...O O..O. OOO..")
    wanted = grid.roll((-2, -2), (0, 1)) + grid.roll((2, 2), (0, 1))
    assert torch.equal(live(grid, 12, "B36/S23"), wanted)
    assert not torch.equal(live(grid, 12), wanted)


def test_channels_are_worlds_of_their_own():
    layout = Layout([Level("cells", 2)])
    rule = make("life", RuleContext(layout, "cells", 2))
    lying = drawn("..... ..... .OOO. ..... .....")
    state = State({"cells": torch.stack([lying, lying.T])[None]})
    after = Automaton(layout, {"cells": [rule]}).step(state)
    assert torch.equal(after["cells"][0], torch.stack([lying.T, lying]))


def test_letters_of_either_case_name_a_rule():
    grid = drawn("..... ..... .OOO. ..... .....")
    assert torch.equal(live(grid, 1, "b3/s23"), live(grid, 1))


def test_without_birth_and_survival_everything_dies():
    assert not live(torch.ones(4, 4), 1, "B/S").any()


def test_what_is_no_life_like_rule_is_refused():
    with pytest.raises(OptionError) as refusal:
        make("life", RuleContext(CELLS, "cells", 2), rule="B3/S23x")
    assert str(refusal.value) == (
        'rule is "B3/S23x": the rule "B3/S23x" has "x" where nothing more is expected '
        '(character 7 of "B3/S23x").\n'
        "  where:  Life(rule='B3/S23x')\n"
        "  to do:  did you mean B3/S23? write births and survivals as B3/S23, survivals first as "
        "23/3, three states as B2/S/C3"
    )


@pytest.mark.parametrize("axes", [1, 3])
def test_life_needs_two_axes(axes):
    with pytest.raises(OptionError, match=f"axes is {axes}.*\\n.*\\n  to do:  the rule needs 2"):
        make("life", RuleContext(CELLS, "cells", axes))


# elementary


def test_rule_110_grows_to_the_left():
    assert history(".......O", 110, 5) == [
        ".......O",
        "......OO",
        ".....OOO",
        "....OO.O",
        "...OOOOO",
        "..OO...O",
    ]


def test_rule_90_draws_the_triangle_of_sierpinski():
    assert history("....O....", 90, 4) == [
        "....O....",
        "...O.O...",
        "..O...O..",
        ".O.O.O.O.",
        "O.......O",
    ]


def test_rule_184_drives_cars_around_the_ring():
    assert history("OO.O.", 184, 3) == ["OO.O.", "O.O.O", ".O.OO", "O.OO."]


def test_rule_2_moves_a_cell_left_across_the_edge():
    assert history(".O..", 2, 3) == [".O..", "O...", "...O", "..O."]


def test_an_elementary_rule_needs_one_axis():
    with pytest.raises(OptionError) as refusal:
        make("elementary", RuleContext(CELLS, "cells", 2))
    assert str(refusal.value) == (
        'axes is 2.\n  where:  Elementary, a rule of level "cells"\n  to do:  the rule needs 1'
    )


# growing and self-classifying


def grown(angle: float = 0.0) -> Automaton:
    """Return a growing automaton whose weights are drawn."""
    layout = Layout([Level("body", 6)])
    rule = make("growing", RuleContext(layout, "body", 2), hidden=9, angle=angle)
    return drawn_weights(Automaton(layout, {"body": [rule]}))


def drawn_weights(automaton: Automaton) -> Automaton:
    with torch.no_grad():
        for name, weight in automaton.double().named_parameters():
            weight.copy_(0.3 * normal(tuple(weight.shape), 5, name))
    return automaton


def test_growing_has_the_parameters_of_the_paper():
    layout = Layout([Level("body", 16)])
    assert parameters(make("growing", RuleContext(layout, "body", 2))) == 8336
    assert (
        parameters(make("growing", RuleContext(layout, "body", 2), laplacian=True))
        == 8336 + 16 * 128
    )


def test_self_classifying_has_the_parameters_of_the_paper():
    assert parameters(make("self_classifying", RuleContext(DIGITS, "body", 2))) == 22499


@pytest.mark.parametrize(("name", "layout"), [("growing", TOWER), ("self_classifying", TOWER)])
def test_a_new_automaton_of_the_articles_stands_still(name, layout):
    automaton = Automaton(layout, {"middle": [make(name, RuleContext(layout, "middle", 2))]})
    state = automaton.seed(2, (4, 5)).map(lambda level: level + 1)
    assert automaton.step(state) == state


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_state_grows_as_before_under_turned_perception(quarters):
    state = State({"body": normal((2, 6, 5, 7), 1)})
    turned = state.map(lambda level: level.rot90(quarters, (2, 3)))
    after = grown(quarters * math.pi / 2).rollout(turned, 3)
    wanted = grown().rollout(state, 3)["body"].rot90(quarters, (2, 3))
    assert (wanted - turned["body"]).abs().amax() > 0.1
    assert_close(after["body"], wanted)


@pytest.mark.parametrize("turned", [lambda t: t.rot90(1, (2, 3)), lambda t: t.flip(3)])
@pytest.mark.parametrize("slopes", ["each", "length"])
def test_cells_that_see_only_how_steep_it_is_cannot_tell_directions(slopes, turned):
    layout = Layout([Level("body", 6)])
    rule = make("growing", RuleContext(layout, "body", 2), hidden=9, laplacian=True, slopes=slopes)
    automaton = drawn_weights(Automaton(layout, {"body": [rule]}))
    state = State({"body": normal((2, 6, 5, 7), 1)})
    after = automaton.rollout(state.map(turned), 3)["body"]
    wanted = turned(automaton.rollout(state, 3)["body"])
    assert (wanted - turned(state["body"])).abs().amax() > 0.1
    assert torch.allclose(after, wanted) == (slopes == "length")


def test_a_condition_shifts_what_a_cell_perceives():
    layout = Layout([Level("condition", 2, input=True), Level("body", 4)])
    place = RuleContext(layout, "body", 2)
    steered = make("growing", place, hidden=5, condition="condition")
    plain = make("growing", place, hidden=5)
    automata = [Automaton(layout, {"body": [rule]}) for rule in (steered, plain)]
    weights = dict(drawn_weights(automata[0]).rules_of("body")[0].named_parameters())
    asked = torch.tensor([0.3, -2.0], dtype=torch.float64)
    plain.double().load_state_dict({n: w for n, w in weights.items() if n != "shift.weight"})
    shift = weights["hidden.weight"] @ weights["shift.weight"] @ asked
    with torch.no_grad():
        dict(plain.named_parameters())["hidden.bias"] += shift
    condition = asked.view(1, 2, 1, 1).expand(2, -1, 3, 4)
    state = State({"condition": condition, "body": normal((2, 4, 3, 4), 1)})
    ends = [automaton.rollout(state, 2)["body"] for automaton in automata]
    assert_close(*ends)
    there = automata[0].rollout(state.replace({"condition": condition.clone() + 1}), 2)["body"]
    assert (there - ends[0]).abs().amax() > 0.01


def test_a_steered_rule_keeps_the_laws():
    steered = partial(placed("growing"), condition="below", hidden=8)
    for law in LAWS:
        verdict = judge(law, steered, most=3)
        assert verdict.outcome in ("held", "does not apply"), f"{law.name}: {verdict.why}"


def test_perception_may_be_turned_at_any_time():
    automaton = grown()
    state = State({"body": normal((2, 6, 5, 7), 1)})
    (rule,) = automaton.rules["body"]
    rule.angle = 0.4
    assert rule.angle == 0.4
    wanted = grown(0.4).step(state)["body"]
    assert not torch.isclose(wanted, grown().step(state)["body"]).all()
    assert_close(automaton.step(state)["body"], wanted)


def test_self_classifying_convolves_picture_and_state_together():
    rule = make("self_classifying", RuleContext(DIGITS, "body", 2), perceive=7, hidden=5).double()
    with torch.no_grad():
        for name, weight in rule.named_parameters():
            weight.copy_(0.3 * normal(tuple(weight.shape), 5, name))
    state = State({"image": normal((2, 1, 6, 5), 1), "body": normal((2, 19, 6, 5), 2)})
    both = torch.cat([state["image"], state["body"]], dim=1)
    perceived = F.relu(rule.perceive(F.pad(both, (1, 1, 1, 1), mode="circular")))
    hidden = F.relu(rule.hidden(perceived.movedim(1, -1)))
    wanted = state["body"] + rule.change(hidden).movedim(-1, 1)
    assert_close(Automaton(DIGITS, {"body": [rule]}).step(state)["body"], wanted)


# glom


@pytest.mark.parametrize(
    ("name", "source"), [("bottom_up", "low"), ("lateral", "middle"), ("top_down", "high")]
)
def test_a_net_tells_a_level_what_its_neighbourhood_elsewhere_suggests(name, source):
    rule = make(name, RuleContext(TOWER, "middle", 2), hidden=4, activation="tanh").double()
    levels = {level: normal((2, TOWER[level].channels, 4, 5), 0, level) for level in TOWER}
    after = Automaton(TOWER, {"middle": [rule]}).step(State(levels))["middle"]
    seen = F.pad(levels[source], (1, 1, 1, 1), mode="circular")
    told = rule.net.change(torch.tanh(rule.net.perceive(seen)).movedim(1, -1)).movedim(-1, 1)
    assert told.abs().amax() > 0.1
    assert_close(after, levels["middle"] + told)


def test_the_seed_of_glom_has_the_published_parameters():
    layout = Layout([Level("low", 10), Level("high", 10)])
    assert parameters(make("seed_glom", RuleContext(layout, "high", 2), source="below")) == 1130


@pytest.mark.parametrize(("name", "level"), [("bottom_up", "low"), ("top_down", "high")])
def test_a_net_without_the_level_that_it_reads_is_refused(name, level):
    with pytest.raises(ShapeError, match=f'there is no level (below|above) "{level}"'):
        make(name, RuleContext(TOWER, level, 2))


def test_dropout_silences_that_share_of_hidden_units_in_training_only():
    rule = make("bottom_up", RuleContext(TOWER, "middle", 2), hidden=5, dropout=0.25).double()
    with torch.no_grad():
        rule.net.perceive.bias.fill_(100.0)  # every unit speaks unless it is silenced
        rule.net.change.weight.copy_(torch.eye(5))  # and is a channel of its own
    automaton = Automaton(TOWER, {"middle": [rule]})
    levels = {n: normal((4, v.channels, 8, 8), 0, n) for n, v in TOWER.items()}
    state = State(levels | {"middle": torch.zeros(4, 5, 8, 8).double()})
    trained, judged = (automaton.train(mode).step(state)["middle"] for mode in (True, False))
    silent = trained == 0
    assert 0.2 < silent.double().mean() < 0.3
    assert (judged > 50).all()
    assert_close(trained[~silent], judged[~silent] / 0.75)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"attention": Attention()}, "reads neighbours that attention has scaled"),
        ({"dropout": 0.1}, "drops hidden units by chance in training"),
    ],
)
def test_a_lateral_net_has_no_formula_for_what_is_unusual(options, reason):
    rule = make("lateral", RuleContext(TOWER, "middle"), **options)
    assert lower(rule.train().program()) == reason
    # what drops nothing is the usual net again
    assert isinstance(lower(rule.eval().program()), list) == ("dropout" in options)


def test_the_length_of_a_gradient_has_a_program_and_no_formula():
    rule = make("growing", RuleContext(TOWER, "middle", 2), laplacian=True, slopes="length")
    program = rule.program()
    assert isinstance(program, Program)
    (net,) = program.terms
    assert isinstance(net, MLPTerm)
    (sight,) = net.perceptions
    assert isinstance(sight, Stencils)
    assert (sight.length, sight.features) == ((1, 2), 3 * TOWER["middle"].channels)
    assert lower(program) == "perceives the length of a gradient, which is no correlation"


def test_a_told_place_has_no_formula():
    place = RuleContext(TOWER, "middle", coordinates=True)
    told = lower(make("top_down", place, location=2).program())
    assert told == "perceives where its cells are"
