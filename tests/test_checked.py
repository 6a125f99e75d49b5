"""What a recipe refuses, Python refuses with the same sentence."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from simple import Add, one_level, row
from tiny import changed, known

from nca import (
    ActivationMemory,
    Alive,
    Automaton,
    Damage,
    InitialStateSpec,
    Layout,
    Level,
    NCAError,
    Noise,
    OptionError,
    Options,
    PoolOptions,
    RuleContext,
    Skip,
    Topology,
    UpdateRule,
    register,
    registry,
)
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.types import Count, Fraction, NonNegative
from nca.validation.checked import checked
from nca_plugins.augment import Augment
from nca_plugins.glom.attention import Attention

ALIVE = 'alive = { level = "image", channel = 0, above = 0.1 }'
LEVELS = Layout([Level("image", 1, input=True), Level("body", 4)])
RULE = '{ name = "growing", hidden = 4 }'


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> None:
    known(tmp_path)


def automaton(**settings: object) -> Automaton:
    return Automaton(LEVELS, {}, **settings)


def rule(name: str, **options: object) -> UpdateRule:
    return registry.get("rule", name)(RuleContext(LEVELS, "body", 2), **options)


# what the tiny recipe says in place of what, and the call that says the same
DOORS = {
    "a skip every 0 steps": (
        (ALIVE, ALIVE + "\nskips = [{ every = 0, weight = 0.1 }]"),
        lambda: Skip(0, 0.1),
    ),
    "a skip that counts by truth": (
        (ALIVE, ALIVE + "\nskips = [{ every = true, weight = 0.1 }]"),
        lambda: Skip(True, 0.1),
    ),
    "a skip without a name": (
        (ALIVE, ALIVE + '\nskips = [{ every = 2, weight = 0.1, levels = ["body", ""] }]'),
        lambda: Skip(2, 0.1, levels=["body", ""]),
    ),
    "a skip of weight nan": (
        (ALIVE, ALIVE + "\nskips = [{ every = 2, weight = nan }]"),
        lambda: Skip(2, float("nan")),
    ),
    "a skip into the input": (
        (ALIVE, ALIVE + '\nskips = [{ every = 2, weight = 0.1, levels = ["image"] }]'),
        lambda: automaton(skips=[Skip(2, 0.1, levels=("image",))]),
    ),
    "unknown noise": (
        (ALIVE, ALIVE + '\nnoise = { scale = 0.1, kind = "gaussian" }'),
        lambda: Noise(0.1, "gaussian"),
    ),
    "nearly known noise": (
        (ALIVE, ALIVE + '\nnoise = { scale = 0.1, kind = "unifrom" }'),
        lambda: Noise(0.1, "unifrom"),
    ),
    "negative noise": ((ALIVE, ALIVE + "\nnoise = -0.5"), lambda: Noise(-0.5)),
    "infinite noise": ((ALIVE, ALIVE + "\nnoise = { scale = inf }"), lambda: Noise(float("inf"))),
    "noise in words": ((ALIVE, ALIVE + '\nnoise = { scale = "0.1" }'), lambda: Noise("0.1")),
    "unknown dead": (
        ("above = 0.1", 'above = 0.1, dead = "gone"'),
        lambda: Alive("image", 0, 0.1, dead="gone"),
    ),
    "a channel below 0": (("channel = 0", "channel = -1"), lambda: Alive("image", -1, 0.1)),
    "a channel too many": (
        ("channel = 0", "channel = 1"),
        lambda: automaton(alive=Alive("image", 1, 0.1)),
    ),
    "life on no level": (
        ('level = "image"', 'level = "imag"'),
        lambda: automaton(alive=Alive("imag", 0, 0.1)),
    ),
    "a radius below 0": (
        ("above = 0.1", "above = 0.1, radius = -1"),
        lambda: Alive("image", 0, 0.1, radius=-1),
    ),
    "three faults": (
        (ALIVE, 'alive = { level = "", channel = -1, above = 0.1, dead = "frozn" }'),
        lambda: Alive("", -1, 0.1, dead="frozn"),
    ),
    "unknown memory": (
        ("batch = 4", 'batch = 4\nmemory = "stores"'),
        lambda: ActivationMemory("stores"),
    ),
    "a length without segments": (
        ("batch = 4", 'batch = 4\nmemory = { mode = "store", every = 3 }'),
        lambda: ActivationMemory("store", 3),
    ),
    "an unknown start": (
        ("held_out = 8", 'held_out = 8\nstart = { kind = "unifrom" }'),
        lambda: InitialStateSpec("unifrom"),
    ),
    "a pool of none": (("\nsize = 8\n", "\nsize = 0\n"), lambda: PoolOptions(0)),
    "an unknown order": (
        ("\nsize = 8\n", '\nsize = 8\norder = "worst"\n'),
        lambda: PoolOptions(8, order="worst"),
    ),
    "an augment that shrinks below nothing": (
        ("held_out = 8", "held_out = 8\naugment = { scale = 1.5 }"),
        lambda: Augment(scale=1.5),
    ),
    "attention without sharpness": (
        (RULE, '{ name = "consensus_step", attention = { sharpness = 0 } }'),
        lambda: Attention(sharpness=0),
    ),
    "unknown attention": (
        (RULE, '{ name = "consensus_step", attention = { similarity = "cos" } }'),
        lambda: Attention("cos"),
    ),
    "a fire rate above 1": (
        ("fire_rate = 0.5", "fire_rate = 1.5"),
        lambda: automaton(fire_rate=1.5),
    ),
    "a fire rate of nan": (
        ("fire_rate = 0.5", "fire_rate = nan"),
        lambda: automaton(fire_rate=float("nan")),
    ),
    "a step of nothing": (
        ("fire_rate = 0.5", "fire_rate = 0.5\nstep_size = 0"),
        lambda: automaton(step_size=0),
    ),
    "a step of nan": (
        ("fire_rate = 0.5", "fire_rate = 0.5\nstep_size = nan"),
        lambda: automaton(step_size=float("nan")),
    ),
    "a level without channels": (("channels = 4", "channels = 0"), lambda: Level("body", 0)),
    "a level of two words": (('"body"', '"bo dy"'), lambda: Level("bo dy", 4)),
    "a rule without units": (("hidden = 4", "hidden = -1"), lambda: rule("growing", hidden=-1)),
    "a rule with unknown slopes": (
        ("hidden = 4", 'hidden = 4, slopes = "eech"'),
        lambda: rule("growing", hidden=4, slopes="eech"),
    ),
}


@pytest.mark.parametrize("case", DOORS)
def test_both_doors_say_the_same(case):
    change, call = DOORS[case]
    with pytest.raises(RecipeError) as recipe:
        Recipe.parse(changed(*change), name="tiny", folder=Path())
    with pytest.raises(OptionError) as python:
        call()
    sentences = [(fault.path[-1], fault.what, fault.to_do) for fault in recipe.value.faults]
    assert [(f.path[-1], f.what, f.to_do) for f in python.value.faults] == sentences


def test_the_batch_that_a_pool_renews_is_the_one_that_a_recipe_would_take():
    faults = [*PoolOptions(4, fresh=2, damaged=2, swapped=1).misfits(4), *PoolOptions(2).misfits(4)]
    assert [(fault.what, fault.to_do) for fault in faults] == [
        ("renews 5 states", "fresh, damaged and swapped together fit a batch of 4"),
        ("is 2", "at least one batch: 4"),
    ]


STEPS = "expected: whole number, at least 0"
EVERY = "expected: whole number, at least 1"
RATE = "expected: number from 0 to 1"


@pytest.mark.parametrize(
    ("call", "what", "to_do"),
    [
        (lambda one: one.rollout(row(1.0), -2), "steps is -2.", STEPS),
        (lambda one: one.rollout(row(1.0), True), "steps is true.", STEPS),
        (lambda one: one.rollout(row(1.0), 1.5), "steps is 1.5.", STEPS),
        (lambda one: one.trajectory(row(1.0), -1), "steps is -1.", STEPS),
        (lambda one: one.trajectory(row(1.0), 4, 0), "every is 0.", EVERY),
        (lambda one: one.trajectory(row(1.0), 4, every=-1), "every is -1.", EVERY),
        (lambda one: one.step(row(1.0), fire_rate=2.0), "fire_rate is 2.0.", RATE),
        (lambda one: one.rollout(row(1.0), 1, fire_rate=-0.1), "fire_rate is -0.1.", RATE),
        (lambda one: Damage("disc", True), "size is true.", RATE),
        (lambda one: automaton(noise=0.1), "noise is 0.1.", "expected: Noise"),
        (lambda one: automaton(skips=[0.1]), "skips[0] is 0.1.", "expected: Skip"),
    ],
)
def test_a_call_that_no_recipe_makes_is_refused_alike(call, what, to_do):
    with pytest.raises(OptionError) as fault:
        call(one_level(Add()))
    assert (fault.value.what, fault.value.to_do) == (what, to_do)


def test_steps_of_none_and_a_whole_number_where_a_number_is_meant_are_fine():
    automaton = one_level(Add(), fire_rate=1, step_size=2)
    assert automaton.rollout(row(1.0), 0) == row(1.0)
    assert automaton.trajectory(row(1.0), 3, 2)[-1] == row(7.0)
    assert Skip(2, 1, levels=["body"]) == Skip(2, 1.0, levels=("body",))


def test_an_error_says_what_where_and_what_to_do():
    with pytest.raises(OptionError) as fault:
        Noise(-1.0, "unifrom")
    assert str(fault.value) == (
        'scale is -1.0; kind is "unifrom".\n'
        "  where:  Noise(scale=-1.0, kind='unifrom', when='always')\n"
        "  to do:  expected: number, at least 0; did you mean `uniform`? "
        'expected: "normal" | "uniform"'
    )
    assert isinstance(fault.value, NCAError)


class Bare(UpdateRule):
    """A rule without annotations, and with an argument that no recipe can hold."""

    def __init__(
        self, place, *, anything=1, topology: Topology | None = None, share: Fraction = 0.5
    ):
        super().__init__()
        self.anything, self.topology, self.share = anything, topology, share

    def forward(self, view):
        return view.own


class Heir(Bare):
    """A rule with options of its own, and those of its parent in a bag."""

    def __init__(self, place, *, more: Count = 1, **others):
        super().__init__(place, **others)
        self.more = more


def test_a_registered_rule_is_checked_as_far_as_it_is_annotated():
    register.rule("bare")(Bare)
    register.rule("heir")(Heir)
    odd = [torch.zeros(2)]
    assert rule("bare", anything=odd).anything is odd
    assert rule("bare", topology=Topology("zeros")).topology == Topology("zeros")
    assert rule("heir", more=3, anything=odd).anything is odd
    for name, options, what in (
        ("bare", {"share": 2.0}, "share is 2.0."),
        ("heir", {"share": 2.0}, "share is 2.0."),
        ("heir", {"more": 0}, "more is 0."),
    ):
        with pytest.raises(OptionError) as fault:
            rule(name, **options)
        assert fault.value.what == what
    with pytest.raises(TypeError, match="shair"):
        rule("bare", shair=0.5)


def test_what_is_missing_or_unknown_is_left_to_python():
    @checked
    def scaled(*, scale: NonNegative, name: str = "") -> float:
        return scale

    assert scaled(scale=2) == 2.0
    with pytest.raises(TypeError, match="scale"):
        scaled(name="a")
    with pytest.raises(TypeError, match="skale"):
        scaled(scale=1.0, skale=2.0)


def test_options_of_a_stranger_are_checked_by_deriving():
    @dataclass(frozen=True)
    class Blur(Options):
        """How far."""

        radius: Count = 1

    assert Blur(2).radius == 2
    with pytest.raises(OptionError, match=r"radius is 0\."):
        Blur(0)
