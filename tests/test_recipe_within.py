"""A Python file may hold its recipe: a text that is read without executing anything."""

from pathlib import Path

import pytest
from tiny import RECIPE as TINY

from nca.checkpoint.find import checkpoint_path, find_recipe, names_recipe
from nca.checkpoint.read import read_recipe
from nca.errors import CheckpointError, NCAError, PluginError
from nca.recipe.errors import RecipeError
from nca.registry.installed import listen


def module(folder: Path, text: str, *, assigned: str = "RECIPE = ") -> Path:
    path = folder / "mine.py"
    path.write_text(f'{assigned}"""\n{text}"""\nraise SystemExit("it was executed")\n')
    return path


@pytest.mark.parametrize("assigned", ["RECIPE = ", "RECIPE: str = ", "other = RECIPE = "])
def test_a_recipe_is_read_out_of_a_module_that_is_not_executed(tmp_path, assigned):
    path = module(tmp_path, TINY, assigned=assigned)
    found = find_recipe(str(path))
    assert (found.text.strip(), found.name, found.path) == (TINY.strip(), "mine", path)
    assert read_recipe(str(path)).name == "mine"


def test_the_last_text_counts_as_for_python(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text('RECIPE = "one"\ndef inner():\n    RECIPE = "two"\nRECIPE = "three"\n')
    assert find_recipe(str(path)).text == "three\n"


def test_errors_say_that_their_lines_are_those_of_the_text(tmp_path):
    path = module(tmp_path, "format = 1\nwrong = 2\n")
    with pytest.raises(RecipeError) as caught:
        read_recipe(str(path))
    assert f"in RECIPE of {path}" in str(caught.value)
    assert "line 2   wrong" in str(caught.value)


def test_the_module_is_executed_and_announced_where_the_recipe_names_it(tmp_path):
    path = module(tmp_path, 'format = 1\nplugins = ["mine.py"]\n' + TINY.split("format = 1")[1])
    lines: list[str] = []
    listen(lines.append)
    try:
        with pytest.raises(PluginError, match="it was executed"):
            read_recipe(str(path))
    finally:
        listen(None)
    assert lines == [f"executing what the recipe names: {path}"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "has no recipe"),
        ("RECIPE: str\n", "has no recipe"),
        ("\nRECIPE = f'{x}'\n", "mine.py, line 2"),
        ("RECIPE = 'a' + b\n", "without executing"),
        ("RECIPE = b'bytes'\n", "without executing"),
        ("\nclass:\n", "no Python source: invalid syntax"),
        ("x = " + "(" * 5000 + ")" * 5000 + "\n", "no Python source"),
        ("RECIPE = 'a\0b'\n", "no Python source"),
    ],
)
def test_a_module_without_a_readable_text_is_refused(tmp_path, source, message):
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(NCAError, match=message) as caught:
        find_recipe(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_module_is_a_missing_recipe(tmp_path):
    with pytest.raises(NCAError, match="there is no recipe"):
        find_recipe(str(tmp_path / "gone.py"))


def test_a_module_is_no_checkpoint(tmp_path):
    path = str(module(tmp_path, TINY))
    assert names_recipe(path)
    with pytest.raises(CheckpointError, match="needs the weights"):
        checkpoint_path(path)
