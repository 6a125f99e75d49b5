"""A changed input is treated as in training, and what is known not to hold pauses."""

from dataclasses import replace

import pytest
from page_case import trained

from nca.checkpoint.trained import Trained
from nca.checkpoint.trained_conditions import PausePoint, input_change, pause


def measured(name: str, metrics: dict, *overrides: str) -> Trained:
    loaded = trained(name, *overrides)
    return replace(loaded, checkpoint=replace(loaded.checkpoint, metrics=metrics))


def rows(name: str, **values: float) -> dict:
    return {"test": [{"steps": int(s[1:]), "after": "", name: v} for s, v in values.items()]}


def test_cells_carry_on_where_training_swapped_their_input_and_else_begin_anew():
    assert input_change(trained("self_classifying_mnist_small").recipe) == "carry on"
    assert input_change(trained("glom_mnist").recipe) == "carry on"
    assert input_change(trained("glom_fashion").recipe) == "begin anew"  # a pool without swaps
    swaps = trained("glom_fashion", "pool.swapped=4").recipe
    assert input_change(swaps) == "carry on"
    assert input_change(trained("growing_once").recipe) == "begin anew"  # no pool at all


def test_an_automaton_that_was_measured_to_fall_apart_pauses_at_the_last_evaluated_step(fading):
    assert pause(trained(fading)) == PausePoint(
        10, 40, "It does not hold: vote 98.2 % at step 10, 91.0 % at 40."
    )
    found = pause(trained("growing_once"))  # grown once, without a pool; less error is better
    assert found
    assert found.why == "It does not hold: error 0.0018 at step 48, 0.2 at 384."


@pytest.mark.parametrize(
    "name",
    [
        *("glom_mnist", "glom_mnist_long", "glom_fashion", "glom_parts"),
        *("growing", "growing_persistent"),
        *("self_classifying_mnist_small", "self_classifying_mnist_long", "texture_scales"),
    ],
)
def test_an_automaton_that_holds_runs_on(name):
    assert pause(trained(name)) is None


def test_the_error_may_double_or_the_share_fall_by_one_in_a_hundred():
    assert pause(measured("glom_mnist", rows("vote", _10=0.9, _40=0.8))) is None
    assert pause(measured("glom_mnist", rows("vote", _10=0.9, _40=0.79)))
    assert pause(measured("glom_mnist", rows("vote", _10=0.999, _40=0.99))) is None
    assert pause(measured("glom_mnist", rows("vote", _10=0.999, _40=0.98)))
    assert pause(measured("growing", rows("error", _48=0.01, _96=0.02))) is None
    assert pause(measured("growing", rows("error", _48=0.01, _96=0.021)))
    assert pause(measured("growing", rows("error", _48=0.01, _96=float("nan"))))


@pytest.mark.parametrize(
    "metrics", [{}, {"test": [{"steps": 10, "vote": 0.9}]}, {"test": "?"}, {"test": [[], {}]}]
)
def test_without_two_measurements_the_pool_says_whether_it_holds(metrics):
    assert pause(measured("growing", metrics)) is None
    found = pause(measured("growing_once", metrics))
    assert found
    assert (found.trained, found.measured) == (48, 48)
