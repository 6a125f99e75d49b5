"""States and weights that no memory can hold are refused by the byte, before they are made."""

from pathlib import Path

import pytest
import torch
from tiny import RECIPE, changed, known
from torch import nn

from nca import Layout, Level, ShapeError
from nca.engine import capacity
from nca.engine.capacity import WeightBudget, in_bytes
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> None:
    known(tmp_path)


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "capacity", lambda device: 10_000)
    monkeypatch.setattr("nca.recipe.recipe.capacity", lambda device: 10_000)


def parse(text: str) -> Recipe:
    return Recipe.parse(text, name="tiny", folder=Path())


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("channels = 4", "channels = 9223372036854775807", "expected: at most 65,536"),
        ("channels = 4", "channels = 9223372036854775808", "a whole number has at most 18 digits"),
        ("\nsize = 8\n", "\nsize = 4611686018427387904\n", "expected: at most 10,000,000"),
        ("batch = 4", "batch = 100000000", "expected: at most 10,000,000"),
        ("iterations = 4", "iterations = 1000000000", "expected: at most 100,000,000"),
        ("steps = [2, 3]", "steps = [2, 3000000]", "expected: at most 1,000,000"),
        ("above = 0.1", "above = 0.1, radius = 1000000", "expected: at most 10,000"),
        ("hidden = 4", "hidden = 10000000", "expected: at most 65,536"),
        ("held_out = 8", "held_out = 8\nnear = 99999999", "expected: at most 10,000"),
        ("[8, 8]", "[9999999, 8]", "expected: at most 1,000,000"),
    ],
)
def test_a_count_has_a_bound(old, new, row):
    with pytest.raises(RecipeError) as caught:
        parse(changed(old, new))
    assert row in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "row"),
    [
        ("[8, 8]", "[1000000, 1000000]", "[grid] size  makes a state of 20 TB  no machine"),
        ("\nsize = 8\n", "\nsize = 10000000\n", ""),
        ("[8, 8]", "[2000, 2000]", ""),
    ],
)
def test_what_no_machine_holds_is_refused_by_all(old, new, row):
    if not row:
        assert parse(changed(old, new))
        return
    with pytest.raises(RecipeError) as caught:
        parse(changed(old, new))
    assert row in str(caught.value)


def test_what_this_machine_does_not_hold_is_refused_with_bytes_and_keys(small_machine):
    parse(changed("\nsize = 8\n", "\nsize = 7\n")).check_memory(CPU)
    with pytest.raises(RecipeError) as caught:
        parse(changed("\nsize = 8\n", "\nsize = 8\n")).check_memory(CPU)
    assert "[pool] size  makes states of 10.2 kB  there are 10 kB in all" in str(caught.value)


def test_a_state_beyond_all_memory_is_refused_in_python(small_machine):
    layout = Layout([Level("body", 4)])
    layout.zeros(1, (25, 25))
    with pytest.raises(
        ShapeError, match=r"1 samples, 4 channels and \[26, 25\] cells takes 10.4 kB"
    ):
        layout.zeros(1, (26, 25))


def test_weights_beyond_all_memory_are_refused_before_they_are_made(small_machine):
    with WeightBudget("the rule wide") as budget:
        nn.Linear(20, 100)
    assert budget.bytes == 4 * (20 * 100 + 100)
    with (
        pytest.raises(ShapeError, match=r"the rule wide takes 40 kB"),
        WeightBudget("the rule wide"),
    ):
        nn.Linear(100, 100)


def test_a_rule_that_no_memory_holds_is_a_fault_at_its_table(small_machine):
    with pytest.raises(RecipeError) as caught:
        parse(changed("hidden = 4", "hidden = 4000")).automaton()
    assert "[levels[1]] rules[0]  the rule growing takes" in str(caught.value)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (999, "999 B"), (10_240, "10.2 kB"), (8.3e9, "8.3 GB")]
)
def test_bytes_are_said_in_words(count, words):
    assert in_bytes(count) == words


def test_the_tiny_recipe_is_still_read():
    assert parse(RECIPE).tables.pool.size == 8
