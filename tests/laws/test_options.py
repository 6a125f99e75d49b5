"""Whatever its options are set to, a rule keeps the laws: each law once for each value."""

import inspect

import pytest
from variants import variants

from nca.testing.checks import LAWS
from nca.testing.checks.tiled import TILED, check_tiles_have_the_future_of_the_grid
from nca.testing.harness import Harness
from nca.testing.words import WORDS

VARIANTS = variants()
CHECKS = list(dict.fromkeys(law.check for law in LAWS))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_of_an_option_keeps_the_laws(variant):
    place_rule = VARIANTS[variant]
    harness = Harness(place_rule)
    for law in LAWS:
        if not law.misfit(harness):
            law.check(place_rule)


@pytest.mark.parametrize("variant", VARIANTS)
def test_tiles_take_few_cells_one_by_one_with_other_options(variant):
    if TILED.misfit(Harness(VARIANTS[variant])):
        pytest.skip("does not apply")
    check_tiles_have_the_future_of_the_grid(VARIANTS[variant], few=2.0)


@pytest.mark.parametrize("check", CHECKS)
def test_every_law_can_be_checked_on_a_rule_alone(check):
    first, *others = inspect.signature(check).parameters.values()
    assert first.name == "place_rule"
    assert all(argument.default is not argument.empty for argument in others)
    assert {argument.name for argument in others} <= WORDS.keys()
