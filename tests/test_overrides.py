"""What is overridden is written into the text, and everything else of it stays."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import RECIPE, changed, known

from nca.checkpoint.find import recipes
from nca.recipe.errors import RecipeError
from nca.recipe.overrides import override as override_text
from nca.recipe.recipe import Recipe


@pytest.fixture(autouse=True)
def blobs(tmp_path: Path) -> None:
    known(tmp_path)


def overridden(*overrides: str, text: str = RECIPE) -> Recipe:
    return Recipe.parse(text, name="tiny", folder=Path(), overrides=overrides, source="tiny.toml")


@pytest.mark.parametrize(
    ("override", "old", "new"),
    [
        ("random_seed=4", "random_seed = 3", "random_seed = 4"),
        (" train.batch = 8 ", "batch = 4", "batch = 8"),
        ("levels.1.channels=5", "channels = 4", "channels = 5"),
        ("levels.body.channels=5", "channels = 4", "channels = 5"),
        ("levels.body.rules.0.hidden=9", "hidden = 4", "hidden = 9"),
        ("levels.body.rules.growing.hidden=9", "hidden = 4", "hidden = 9"),
        ("grid.size.0=9", "[8, 8]", "[9, 8]"),
        ("rollout.steps=[4, 5]", "[2, 3]", "[4, 5]"),
        ("rollout.alive.above=0.2", "above = 0.1", "above = 0.2"),
        ("task.dataset=my digits.v=2", '"blobs"', '"my digits.v=2"'),
        ("task.dataset='quoted'", '"blobs"', "'quoted'"),
        ("evaluate.batch=7", "steps = [3]\n", "steps = [3]\nbatch = 7\n"),
        ("rollout.noise=0.5", "fire_rate = 0.5", None),
    ],
)
def test_one_value_changes_and_every_comment_stays(override, old, new):
    recipe = overridden(override)
    if new:
        assert recipe.text.rstrip() == changed(old, new).rstrip()
    assert recipe.text.count("#") == RECIPE.count("#")
    assert recipe.overrides == (override,)
    again = Recipe.parse(recipe.text, name="tiny", folder=Path())
    assert again.tables == recipe.tables != overridden().tables


def test_a_table_that_was_not_there_is_made():
    text = changed("[pool]\nsize = 8\n", "")
    recipe = overridden("pool.size=16", "pool.fresh=2", text=text)
    assert (recipe.tables.pool.size, recipe.tables.pool.fresh) == (16, 2)


@pytest.mark.parametrize(
    ("override", "row"),
    [
        ("train.batch", '"train.batch" is no override write --set table.key=value'),
        ("=3", '"=3" is no override write --set table.key=value'),
        ("a..b=3", '"a..b=3" is no override write --set table.key=value'),
        ("levels.3.channels=1", "finds no levels.3 there are 2, counted from 0: image, body"),
        ("levels.-1.channels=1", "finds no levels.-1 there are 2, counted from 0: image, body"),
        ("levels.\u00b2.channels=1", "finds no levels.\u00b2 there are 2, counted"),
        ("levels.bod.channels=1", "finds no levels.bod there are 2, counted from 0: image, body"),
        ("grid.size.7=9", '"grid.size.7=9" finds no grid.size.7 there are 2, counted from 0'),
        ("train.batch.x=3", '"train.batch.x=3" batch is no table give the path of a key'),
        ("train=3", '"train=3" is a table set a key in it: train.KEY=VALUE'),
        ("levels=3", '"levels=3" is a table set a key in it: levels.KEY=VALUE'),
        ("levels.0=3", '"levels.0=3" is a table set a key in it: levels.0.KEY=VALUE'),
        ("train.batch=", '[train] batch is "" expected: whole number, at least 1'),
        ("train.batch=four", '[train] batch is "four" expected: whole number, at least 1'),
        ("train.batch=3\nx=4", '[train] batch is "3\\nx=4" expected: whole number, at least 1'),
        ("train.batch=nan", "[train] batch is nan expected: a number that is finite"),
        ("train.bach=3", "[train] bach unknown key did you mean `batch`? [train] knows: "),
        ("trian.batch=3", "trian unknown key did you mean `train`? a recipe knows: "),
        ("format=2", "format is 2 this version reads format 1: install a newer nca"),
    ],
)
def test_what_leads_nowhere_is_told_as_an_override(override, row):
    with pytest.raises(RecipeError) as caught:
        overridden(override)
    (told,) = str(caught.value).splitlines()[1:]
    words = " ".join(told.split())
    assert words.startswith("--set ")
    assert row in words


def test_faults_of_the_file_keep_the_lines_of_the_file():
    with pytest.raises(RecipeError) as caught:
        overridden("train.batch=0", text=changed("fire_rate = 0.5", "fire_rate = 5"))
    by_hand, in_file = str(caught.value).splitlines()[1:]
    assert by_hand.startswith("  --set    [train] batch        is 0  expected: ")
    assert in_file.startswith("  line 20  [rollout] fire_rate  is 5  expected: ")


HEADED = """\
format = 1
grid = { size = [8, 8] }
[[levels]]
name = "body"      # the only one
[[levels.rules]]
name = "growing"
hidden = 4
[[levels.rules]]
name = "growing"
hidden = 5
[rollout]
steps = 3
[rollout.noise]
scale = 0.5
[train]
batch = 4
"""


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ('levels.body.rules=[{ name = "growing" }]', "levels", [{"name": "growing"}]),
        ("levels.0.rules=[]", "levels", []),
        ("levels=[]", "levels", None),
        ('levels=[{ name = "a" }, { name = "b", rules = [{}] }]', "levels", None),
        ("rollout.noise={ scale = 0.1 }", "rollout", {"scale": 0.1}),
        ("rollout={ steps = 9 }", "rollout", None),
        ("train={ batch = 9 }", "train", None),
    ],
)
def test_a_whole_table_or_list_of_tables_gives_way_to_another(override, key, value):
    written, _ = override_text(HEADED, [override], "headed.toml")
    before, after = tomllib.loads(HEADED), tomllib.loads(written)
    if value is None:
        assert after[key] == tomllib.loads(override)[key]
    elif key == "levels":
        assert after[key] == [{"name": "body", "rules": value}]
        assert "# the only one" in written
    else:
        assert after[key] == {"steps": 3, "noise": value}
    assert {k: v for k, v in after.items() if k != key} == {
        k: v for k, v in before.items() if k != key
    }


@pytest.mark.parametrize("override", ["levels=3", "rollout.noise=[1]", "levels=[1]"])
def test_a_table_gives_way_to_nothing_but_its_like(override):
    with pytest.raises(RecipeError, match="set a key in it"):
        override_text(HEADED, [override], "headed.toml")


TEXTS = [RECIPE, HEADED, *(path.read_text(encoding="utf-8") for path in recipes().values())]
KEYS = st.sampled_from(
    ["train", "batch", "levels", "0", "1", "body", "rules", "rollout", "steps", "alive", "pool"]
)
VALUES = st.sampled_from(
    ["1", "[{ a = 1 }]", "-2.5", "true", "{}", "[]", "[1, 2]", "body", '"', "{ a = 1 }", ""]
)


@given(text=st.sampled_from(TEXTS), path=st.lists(KEYS, min_size=1, max_size=5), value=VALUES)
def test_any_override_is_written_as_it_was_meant_or_refused_in_words(text, path, value):
    try:
        recipe = overridden(f"{'.'.join(path)}={value}", text=text)
    except RecipeError:
        return
    before, after = tomllib.loads(text), tomllib.loads(recipe.text)
    for tables in (before, after):
        tables.pop(path[0], None)
    assert before == after
