"""Rules of every family of strings keep the laws in which tables of other kinds could differ."""

from functools import partial

import pytest

from nca.testing.checks import LAWS
from nca.testing.harness import Harness, placed
from nca.testing.verdict import judge

STRINGS = (
    *("B2/S/C4", "B2-a3i/S12", "B2o/S34H", "R2,C3,M1,S4..8,B5..7,NC"),
    *("R2,W3283936144", "code 777"),
)
PUT = ("translation", "tiling", "locality", "shards", "program", "sparse")


@pytest.mark.parametrize("rule", STRINGS)
@pytest.mark.parametrize("law", [law for law in LAWS if law.name in PUT], ids=lambda law: law.name)
def test_a_rule_of_every_family_keeps_the_laws(rule, law):
    place_rule = partial(placed("discrete"), rule=rule)
    if law.misfit(Harness(place_rule)):
        pytest.skip("does not apply")
    verdict = judge(law, place_rule, most=4)
    assert verdict.outcome == "held", f"{verdict.why}: {dict(verdict.example)}"
