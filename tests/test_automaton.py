"""The automaton: what happens in a step, in which order, worked by hand."""

import pytest
import torch
from simple import Add, Ask, Copy, Scale, numbers, one_level, row
from strategies import normal
from torch.testing import assert_close

from nca import (
    Alive,
    Automaton,
    Layout,
    Level,
    NCAError,
    Noise,
    PluginError,
    ShapeError,
    Skip,
    State,
    UpdateRule,
    View,
)

# the order of things


def test_changes_of_a_level_are_summed_and_scaled():
    automaton = one_level(Add(1.0), Scale(2.0), step_size=0.5)
    assert numbers(automaton.step(row(1, 2))) == [1 + 0.5 * (1 + 2), 2 + 0.5 * (1 + 4)]


def test_every_rule_reads_the_old_state():
    layout = Layout([Level("low", 1), Level("high", 1)])
    automaton = Automaton(layout, {"low": [Copy("above")], "high": [Copy("below")]})
    old = State({"low": torch.tensor([[[1.0]]]), "high": torch.tensor([[[10.0]]])})
    new = automaton.step(old)
    assert (numbers(new, "low"), numbers(new, "high")) == ([11], [11])


def test_a_step_counts_and_leaves_the_old_state_alone():
    state = row(1, 2)
    after = one_level(Add()).step(state)
    assert (state.step, after.step) == (0, 1)
    assert numbers(state) == [1, 2]


def test_noise_comes_after_the_step_size_and_before_the_fire_mask():
    automaton = one_level(Add(2.0), step_size=0.5, fire_rate=0.5, noise=Noise(0.25), channels=2)
    state = State({"body": normal((3, 2, 4, 5), 1)}, random_seed=4, step=6)

    noise = 0.25 * state.rng.normal("noise/body", 2, (4, 5)).double()
    fires = state.rng.chance("fire/body", 0.5, 1, (4, 5))
    wanted = torch.where(fires, state["body"] + 0.5 * 2.0 + noise, state["body"])

    assert 0 < fires.sum() < fires.numel()
    assert_close(automaton.step(state)["body"], wanted)


def test_uniform_noise_starts_at_nothing():
    state = row(*[0.0] * 500)
    noise = torch.tensor(numbers(one_level(noise=Noise(0.5, "uniform")).step(state)))
    assert noise.min() >= 0
    assert 0.49 < noise.max() < 0.5
    assert_close(noise.mean(), torch.tensor(0.25), atol=0.03, rtol=0)


def test_noise_may_be_kept_for_training():
    automaton = one_level(noise=Noise(0.1, when="training"))
    state = row(1, 2)
    assert automaton.eval().step(state) == state
    assert automaton.train().step(state) != state


def test_noise_reaches_every_level_but_the_input():
    levels = [Level("image", 1, input=True), Level("a", 1), Level("b", 1)]
    automaton = Automaton(Layout(levels), {}, noise=Noise(0.1))
    state = automaton.seed(1, (4,))
    after = automaton.step(state)
    assert numbers(after, "image") == [0] * 4
    assert all(numbers(after, "a"))
    assert all(numbers(after, "b"))
    assert numbers(after, "a") != numbers(after, "b")


def test_levels_fire_apart():
    automaton = Automaton(
        Layout([Level("a", 1), Level("b", 1)]), {"a": [Add()], "b": [Add()]}, fire_rate=0.5
    ).double()
    after = automaton.step(automaton.seed(1, (64,)))
    assert set(numbers(after, "a")) == set(numbers(after, "b")) == {0, 1}
    assert numbers(after, "a") != numbers(after, "b")


def test_a_call_may_ask_for_another_fire_rate():
    automaton = one_level(Add(), fire_rate=0.0)
    assert numbers(automaton.step(row(1, 2))) == [1, 2]
    assert numbers(automaton.step(row(1, 2), fire_rate=1.0)) == [2, 3]
    assert numbers(automaton.rollout(row(1, 2), 3, fire_rate=1.0)) == [4, 5]


def test_rules_draw_numbers_of_their_own():
    one = one_level(Ask()).step(row(0, 0, 0))
    both = one_level(Ask(), Ask()).step(row(0, 0, 0))
    assert not torch.isclose(both["body"], 2 * one["body"]).any()
    again = one_level(Ask("again")).step(row(0, 0, 0))
    assert not torch.isclose(again["body"], one["body"]).any()


# refusals


def refusal(*rules: UpdateRule, levels: tuple[Level, ...], **settings: object) -> str:
    with pytest.raises(NCAError) as fault:
        Automaton(Layout(levels), {levels[-1].name: rules}, **settings)
    return str(fault.value)


IMAGE, BODY = Level("image", 1, input=True), Level("body", 3)


def test_a_rule_on_the_input_is_refused():
    assert refusal(Add(), levels=(IMAGE,)) == (
        'level "image" holds the input, so that nothing may write to it.\n'
        "  where:  its rules: Add\n"
        "  to do:  move the rules to a level above, or let the level be no input"
    )


def test_a_rule_that_reads_what_is_not_there_is_refused():
    assert refusal(Copy("below"), levels=(BODY,)) == (
        'there is no level below "body", but a rule of it reads one.\n'
        '  where:  "body" is the bottom level of body\n'
        '  to do:  move the rule to another level, or add a level below "body"'
    )
    assert refusal(Copy("image"), levels=(BODY,)).startswith("there is no level 'image'.")


def test_a_skip_connection_into_the_input_is_refused():
    assert refusal(levels=(IMAGE, BODY), skips=[Skip(2, 0.1, levels=("image",))]) == (
        'levels names "image".\n'
        "  where:  Skip(every=2, weight=0.1, levels=('image',), keep_gain=True, at_end=False)\n"
        "  to do:  choose among: body"
    )


def test_an_alive_mask_on_a_missing_channel_is_refused():
    assert refusal(levels=(BODY,), alive=Alive("body", 3, 0.1)) == (
        "channel is 3.\n"
        "  where:  Alive(level='body', channel=3, above=0.1, radius=1, dead='cleared')\n"
        '  to do:  "body" has channels 0 to 2'
    )


def test_a_change_of_another_shape_is_refused():
    automaton = Automaton(Layout([IMAGE, BODY]), {"body": [Add(), Copy("below")]})
    with pytest.raises(ShapeError) as fault:
        automaton.step(automaton.seed(2, (4, 5)))
    assert str(fault.value) == (
        'a change of "body" has shape (2, 1, 4, 5), but the level has shape (2, 3, 4, 5).\n'
        "  where:  Copy, rule 1 of level 'body'\n"
        "  to do:  return the change in the shape of `view.own`"
    )


class Declares(UpdateRule):
    """Declare whatever it is given."""

    def __init__(self, program: object) -> None:
        super().__init__()
        self.given = program

    def program(self):
        return self.given


class Returns(UpdateRule):
    """Return whatever it is given."""

    def __init__(self, change: object) -> None:
        super().__init__()
        self.given = change

    def forward(self, view: View):
        return self.given


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Returns(None), 'a change of "body" is None, but the level has shape (1, 3, 4, 5).'),
        (Returns("x"), """a change of "body" is 'x', but the level has shape (1, 3, 4, 5)."""),
        (Declares(3), "Declares declares int, not an nca.Program."),
        (Declares(None), "Declares declares NoneType, not an nca.Program."),
    ],
)
def test_a_rule_that_makes_no_change_is_refused(rule, words):
    automaton = Automaton(Layout([IMAGE, BODY]), {"body": [rule]})
    with pytest.raises(NCAError) as fault:
        automaton.step(automaton.seed(1, (4, 5)))
    assert fault.value.what == words


def test_a_rule_that_reads_without_having_said_so_is_refused():
    rule = Copy("below")
    rule.reads = ("own", "above")
    layout = Layout([Level("low", 1), Level("body", 1), Level("high", 1)])
    with pytest.raises(ShapeError) as fault:
        Automaton(layout, {"body": [rule]}).step(layout.zeros(1, (2,)))
    assert str(fault.value) == (
        'a rule of "body" reads "low" without having said so.\n'
        "  where:  it has declared: body, high\n  to do:  add 'below' to the rule's `reads`"
    )


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("radius", -1, "radius is -1."),
        ("radius", 1.5, "radius is 1.5."),
        ("radius", None, "radius is null."),
        ("reads", "own", 'reads is "own".'),
        ("reads", 3, "reads is 3."),
        ("cellwise", "yes", 'cellwise is "yes".'),
        ("adjustable", ("share",), 'adjustable is ["share"].'),
        ("adjustable", {"angle": ("angle", 0)}, 'adjustable is ["angle", 0].'),
    ],
)
def test_a_rule_that_declares_what_no_rule_can_is_refused(name, value, words):
    rule = Add()
    setattr(rule, name, value)
    with pytest.raises(PluginError) as fault:
        Automaton(Layout([BODY]), {"body": [rule]})
    assert fault.value.what == f"Add declares what no rule can: {words}"


@pytest.mark.parametrize("advance", ["step", "rollout"])
def test_a_state_of_another_layout_is_refused(advance):
    automaton = one_level(Add(), channels=2)
    with pytest.raises(ShapeError, match=rf"(?s)has 1 channels .* {advance}\(state\), state"):
        getattr(automaton, advance)(row(1, 2), *([3] if advance == "rollout" else []))
