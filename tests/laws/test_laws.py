"""Every registered rule keeps every law of `nca.testing.checks`."""

import pytest
from variants import rule_names

from nca.testing.checks import LAWS
from nca.testing.checks.sparse import check_listed_cells_have_the_future_of_the_grid
from nca.testing.harness import Harness, placed
from nca.testing.verdict import judge


@pytest.mark.parametrize("name", rule_names())
@pytest.mark.parametrize("law", LAWS, ids=[law.name for law in LAWS])
def test_every_rule_keeps_every_law(name, law):
    verdict = judge(law, placed(name))
    if verdict.outcome == "does not apply":
        pytest.skip(verdict.why)
    assert verdict.outcome == "held", f"{verdict.why}: {dict(verdict.example)}"
    assert not verdict.idle, "examples in which nothing happens say nothing"


@pytest.mark.parametrize("name", rule_names())
def test_a_rule_that_does_not_promise_to_be_cellwise_is_not_shown_a_list(name):
    if not Harness(placed(name)).rule().cellwise:
        check_listed_cells_have_the_future_of_the_grid(placed(name))


def test_most_laws_apply_to_a_rule_with_a_program():
    applying = [law.name for law in LAWS if not law.misfit(Harness(placed("growing")))]
    assert applying == [law.name for law in LAWS if law.name != "bits"]


def test_all_laws_of_steps_without_gradient_apply_to_a_table():
    held = {law.name for law in LAWS if not law.misfit(Harness(placed("life")))}
    assert {"bits", "program", "sparse", "tiling", "translation"} <= held
