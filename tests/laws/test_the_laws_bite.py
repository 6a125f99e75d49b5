"""Each law is shown to bite: on a small rule that breaks it, its check must fail.

The rules of `broken_rules.py` have one flaw each, and beside them stands a sound rule that every
check must pass: so a bite is the flaw's doing and not the harness's.
"""

import broken_rules as rules
import pytest
import torch
from torch import Tensor

from nca import NCAError, View
from nca.engine.resample import Resampling
from nca.testing.checks import LAWS
from nca.testing.checks.dtype import check_dtype_and_shape_are_kept
from nca.testing.compare import NothingTestedError

OF = {law.name: law for law in LAWS}

BROKEN = [
    ("translation", rules.KnowsWhereItIs),
    ("translation", rules.PadsWithZeros),
    ("translation-alive", rules.KnowsWhereItIs),
    ("tiling", rules.CountsTheCells),
    ("tiling", rules.PadsWithZeros),
    ("locality", rules.SeesTheWholeGrid),
    ("pyramid", rules.StretchesByItself),
    ("pyramid", rules.PadsWithZeros),
    ("part", rules.CountsInItsOwnGrid),
    ("part", rules.SeesTheWholeGrid),
    ("batch", rules.MixesTheSamples),
    ("sparse", rules.CountsTheCells),
    ("sparse", rules.LooksPastTheView),
    ("sparse", rules.LooksTwiceAsFar),
    ("tiled", rules.SaysSomethingElse),
    ("bits", rules.SaysAnotherTable),
    ("program", rules.SaysSomethingElse),
    ("reads", rules.PeeksAbove),
    ("view", rules.PeeksAtAll),
    ("replay", rules.RollsTheDice),
    ("fire-rate-zero", rules.WritesIntoItsLevel),
    ("fire-rate", rules.WritesIntoItsLevel),
    ("fire-rate", rules.RollsTheDice),
    ("life", rules.WritesIntoItsLevel),
    ("gradient", rules.HasAnIdleWeight),
    ("gradient", rules.CutsTheGradient),
    ("inputs", rules.WritesIntoTheInput),
    ("old-state", rules.WritesIntoItsLevel),
    ("shown", rules.WritesIntoItsLevel),
    ("shown", rules.WritesIntoTheInput),
    ("shown", rules.WritesIntoItsNeighbours),
    ("dtype", rules.ThinksInFloat32),
    ("dtype", rules.AnswersForOneChannel),
    ("split", rules.RemembersItsCalls),
    ("recomputation", rules.RemembersItsCalls),
    ("recomputation", rules.RollsTheDice),
    ("shards", rules.NumbersSamplesByPlace),
    ("saving", rules.HidesAWeight),
    ("fused", rules.SaysSomethingElse),
]


@pytest.mark.parametrize(("name", "place_rule"), BROKEN)
def test_the_law_fails_on_a_broken_rule(name, place_rule):
    with pytest.raises((AssertionError, NCAError)) as fault:
        OF[name].check(place_rule)
    assert not isinstance(fault.value, NothingTestedError)


def test_float64_from_a_float32_state_is_found():
    with pytest.raises(AssertionError, match="float64 in place of float32"):
        check_dtype_and_shape_are_kept(rules.WidensToFloat64, dtype=torch.float32)


@pytest.mark.parametrize("scales", [(1, 2, 4), (2, 1, 1)])
@pytest.mark.parametrize("name", ["pyramid", "part"])
def test_the_law_fails_on_a_broken_reading_of_levels(monkeypatch, name, scales):
    """What is read of a level of another scale is weighed by where in the tensor it lies."""

    def broken(self, tensor, scale, topology):
        read = sound(self, tensor, scale, topology)
        if scale == self.scale:
            return read
        places = torch.arange(read.shape[2], dtype=read.dtype)
        return read * (1 + torch.sin(places)).view(-1, *(1,) * (read.ndim - 3))

    sound = Resampling.read
    monkeypatch.setattr(Resampling, "read", broken)
    with pytest.raises(AssertionError) as fault:
        OF[name].check(rules.Sound, scales=scales)
    assert not isinstance(fault.value, NothingTestedError)


@pytest.mark.parametrize("law", LAWS, ids=OF)
def test_the_law_passes_on_a_sound_rule(law):
    law.check(rules.Sound)


@pytest.mark.parametrize(
    "law", [law for law in LAWS if law.name != "view"], ids=lambda law: law.name
)
def test_a_rule_that_stands_still_passes_no_law(law):
    class StandsStill(rules.Sound):
        def forward(self, view: View) -> Tensor:
            return torch.zeros_like(view.own)

    with pytest.raises(AssertionError):
        law.check(StandsStill)


def test_every_law_has_a_rule_on_which_it_bites():
    assert {name for name, _ in BROKEN} == OF.keys()
