"""Targets and importers with options: in recipes, on the command line, and in Python."""

from pathlib import Path

import pytest
import torch
from tiny import changed

from nca import Imported, load_target, register
from nca.checkpoint.read import read_recipe
from nca.errors import PluginError
from nca.recipe.errors import RecipeError
from nca.registry.discovery import load_file
from nca.registry.importer import import_weights
from nca.registry.options import plugin_options
from nca.registry.registry import registry
from nca.types import FilePath
from nca.validation.faults import OptionError

PLUGIN = '''
from PIL import Image
from nca import register
from nca.types import Fraction

@register.target("square")
def square(argument, side, *, green: Fraction = 0.0, thick: int):
    """Draw a square."""
    picture = Image.new("RGBA", (side, side))
    colour = (255 * (argument == "red"), round(255 * green), 0, 255)
    picture.paste(colour, (0, 0, side, thick))
    return picture
'''

RECIPE = """\
format = 1
[grid]
size = [12, 12]
[[levels]]
name = "body"
channels = 8
rules = [{ name = "growing", hidden = 4 }]
[rollout]
steps = 2
[task]
name = "image_growth"
target = { name = "square", argument = "red", green = 0.2, thick = 3 }
side = 8
"""


@pytest.fixture
def square(tmp_path) -> Path:
    (tmp_path / "square.py").write_text(PLUGIN)
    load_file(tmp_path / "square.py")
    return tmp_path


def made(folder: Path, text: str = RECIPE, *changes: str):
    (folder / "mine.toml").write_text(text)
    return read_recipe(str(folder / "mine.toml"), changes)


def test_a_target_gets_its_options(square):
    task = made(square).task()
    task.prepare(torch.device("cpu"))
    assert task.target[:, 3, 4].tolist() == pytest.approx([1.0, 0.2, 0.0, 1.0])
    assert task.target[3].sum() == 3 * 8
    thicker = made(square, RECIPE, "task.target.thick=5").task()
    thicker.prepare(torch.device("cpu"))
    assert thicker.target[3].sum() == 5 * 8


def test_a_list_of_targets_may_mix_names_and_tables(square):
    other = '[{ name = "square", thick = 2 }, "lizard"]'
    text = changed('{ name = "square", argument = "red", green = 0.2, thick = 3 }', other, RECIPE)
    task = made(square, text.replace("channels = 8", "channels = 12")).task()
    task.prepare(torch.device("cpu"))
    assert task.target[0, 3].sum() == 2 * 8
    wrong = text.replace("thick = 2", "thikc = 2").replace("channels = 8", "channels = 12")
    with pytest.raises(RecipeError) as found:
        made(square, wrong)
    assert "[task.target[0]] thikc  unknown key  did you mean `thick`?" in str(found.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("green", "gren", "line 12  [task.target] gren   unknown key  did you mean `green`?"),
        ("green = 0.2", "green = 2", "line 12  [task.target] green  is 2  expected: number"),
        (", thick = 3", "", "line 12  [task.target] thick  is missing"),
        ('name = "square"', 'name = "sqare"', 'no target "sqare"  did you mean `square`?'),
        ('name = "square", ', "", "[task.target] name      is missing"),
    ],
)
def test_wrong_options_of_a_target_are_faults(square, old, new, words):
    with pytest.raises(RecipeError) as found:
        made(square, changed(old, new, RECIPE))
    assert " ".join(words.split()) in " ".join(str(found.value).split())


def test_a_target_whose_options_are_needed_says_so_by_its_name_alone(square):
    with pytest.raises(OptionError, match=r"\[target\] thick is missing"):
        load_target("square", side=8, folder=square)
    found = load_target({"name": "square", "thick": 8}, side=8, folder=square)
    assert found[3].sum() == 64


def importer() -> list:
    seen = []

    @register.importer("mine")
    def mine(path: Path, *, scale: float = 1.0, beside: FilePath | None = None) -> Imported:
        seen.append((path, scale, beside))
        return Imported("growing", {})

    return seen


def test_an_importer_gets_its_options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = importer()
    import_weights("mine", Path("a"))
    import_weights("mine", Path("a"), {"scale": 0.5, "beside": "b.json"})
    assert seen == [(Path("a"), 1.0, None), (Path("a"), 0.5, str(tmp_path / "b.json"))]
    with pytest.raises(OptionError, match=r"\[mine\] scael unknown key") as found:
        import_weights("mine", Path("a"), {"scael": 0.5})
    assert "did you mean `scale`?" in found.value.to_do


def test_an_importer_may_need_an_option_but_no_second_path():
    @register.importer("needs")
    def needs(path: Path, *, level: str) -> Imported:
        return Imported("growing", {})

    with pytest.raises(OptionError, match="level is missing"):
        import_weights("needs", Path("a"))
    with pytest.raises(PluginError, match="one path alone"):

        @register.importer("two")
        def two(path: Path, other: Path) -> Imported:
            return Imported("growing", {})


def test_a_target_may_not_call_an_option_argument():
    @register.target("bad")
    def bad(text: str, side: int, *, argument: str = "") -> None: ...

    with pytest.raises(PluginError, match="may not be called `argument`"):
        plugin_options("target", "bad", {}, ("target",))
    assert "bad" in registry.names("target")
