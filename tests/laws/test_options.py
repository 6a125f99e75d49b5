"""Whatever its options are set to, a rule keeps the laws: each law once for each value."""

import inspect

import pytest
from bench import Bench, variants
from test_gradients import check_every_parameter_gets_gradient
from test_the_laws_bite import LAWS

VARIANTS = variants()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_of_an_option_keeps_the_laws(variant):
    for check in LAWS:
        if check is not check_every_parameter_gets_gradient:
            check(VARIANTS[variant])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_of_an_option_can_learn(variant):
    if not Bench(VARIANTS[variant]).has_weights:
        pytest.skip("the rule has no weights")
    check_every_parameter_gets_gradient(VARIANTS[variant])


def test_every_law_can_be_checked_on_a_rule_alone():
    for check in LAWS:
        first, *others = inspect.signature(check).parameters.values()
        assert first.name == "place_rule", check
        assert all(argument.default is not argument.empty for argument in others), check
