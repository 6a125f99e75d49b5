"""A recipe is read, or refused in words; whatever comes, nothing else happens."""

import copy
import tomllib
from pathlib import Path

import pytest
import tomlkit
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import PLUGIN, RECIPE, changed, known

from nca.checkpoint.find import recipes
from nca.checkpoint.read import check_unexecuted, read_recipe
from nca.errors import NCAError, PluginError
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.tasks.no_task import NoTask


def parse(text: str) -> Recipe:
    return Recipe.parse(text, name="tiny", folder=Path(), source="tiny.toml")


def rows(text: str) -> list[str]:
    """Return the lines under the headline, with runs of spaces as one."""
    with pytest.raises(RecipeError) as caught:
        parse(text)
    return [" ".join(row.split()) for row in str(caught.value).splitlines()[1:]]


def test_the_tiny_recipe_has_no_fault():
    assert parse(RECIPE).tables.rollout.steps == (2, 3)


def test_a_newer_format_is_the_only_fault_told():
    assert len(rows(changed("format = 1", "format = 9").replace("fire_rate", "burn_rate"))) == 1


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("\0\1\2", "line 1 the recipe is no TOML Invalid statement"),
        (
            "format = 1\n[grid\nsize = 3",
            "line 2 the recipe is no TOML Expected ']' at the end of a table declaration",
        ),
        ("a = 1\n\na = 2\n", "line 3 the recipe is no TOML Cannot overwrite a value"),
        ("a = [1,\n2", "line 2 the recipe is no TOML Unclosed array"),
        ("a = " + "[" * 2000, "line 1 the recipe is no TOML it is nested too deep"),
        ("a = " + "1" * 9999, "line 1 the recipe has a word of 9,999 characters"),
        (f"a = {'[' * 50}{']' * 50}", "whole the recipe is nested too deep flatten its tables"),
        ("a = {" + "b = {" * 50 + "}" * 51, "whole the recipe is nested too deep"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text, row):
    (told,) = rows(text)
    assert told.startswith(row)


def test_an_empty_recipe_lacks_all_that_is_needed():
    assert rows("") == [
        "whole format is missing add it: format = <1>",
        "whole grid is missing add it: [grid]",
        "whole levels is missing add it: [[levels]]",
        "whole rollout is missing add it: [rollout]",
    ]


@pytest.mark.parametrize("table", ["[levels]", "[levels.more]"])
def test_one_table_in_place_of_a_list_of_tables_is_told(table):
    text = RECIPE.partition("[[levels]]")[0] + f"{table}\nname = 'body'\n[rollout]\nsteps = 2\n"
    (row,) = rows(text)
    assert row.startswith("line 8 levels is {")
    assert row.endswith("expected: list of tables, at least one")


@pytest.mark.parametrize("text", ["\ufeff" + RECIPE, RECIPE.replace("\n", "\r\n")])
def test_windows_editors_do_no_harm(tmp_path, text):
    (tmp_path / "tiny.toml").write_bytes(text.encode())
    assert read_recipe(str(tmp_path / "tiny.toml")).tables == parse(RECIPE).tables
    (tmp_path / "tiny.toml").write_bytes(text.replace("0.5", "1.5").encode())
    with pytest.raises(RecipeError, match=r"line 20  \[rollout\] fire_rate  is 1.5 "):
        read_recipe(str(tmp_path / "tiny.toml"))


def test_dotted_and_quoted_keys_mean_what_toml_says():
    text = changed("[grid]\nsize = [8, 8]", '"grid" . size = [8, 8]')
    assert parse(text).tables == parse(RECIPE).tables


@pytest.mark.parametrize(
    ("content", "encoding"), [(b"\xff\xfe\0\xd8", "UTF-16"), (b"format = 1 # \xe4\n", "UTF-8")]
)
def test_a_file_that_is_no_text_is_told(tmp_path, content, encoding):
    (tmp_path / "tiny.toml").write_bytes(content)
    with pytest.raises(NCAError, match=f"the recipe cannot be read: it is no text in {encoding}"):
        read_recipe(str(tmp_path / "tiny.toml"))


@pytest.mark.parametrize("name", ["glom_mnits", "x" * 5000, "a\0b", ""])
def test_a_recipe_that_is_not_there_is_told(name):
    with pytest.raises(NCAError, match=r"there is no recipe ") as caught:
        read_recipe(name)
    assert ("did you mean `glom_mnist`?" in str(caught.value)) == (name == "glom_mnits")


class TestPluginFile:
    def read(self, folder: Path, plugin: str | None) -> Recipe:
        (folder / "tiny.toml").write_text(f'plugins = ["mine.py"]\n{RECIPE}')
        if plugin is not None:
            (folder / "mine.py").write_text(plugin)
        return read_recipe(str(folder / "tiny.toml"))

    def test_beside_the_recipe_is_executed(self, tmp_path):
        assert self.read(tmp_path, PLUGIN).task().headline == "vote"

    def test_that_is_missing_is_told(self, tmp_path):
        with pytest.raises(
            RecipeError, match=r"plugins\[0\]  is no file  there is none at .*mine.py"
        ):
            self.read(tmp_path, None)

    @pytest.mark.parametrize(
        ("plugin", "words"),
        [
            ("1 / 0", "ZeroDivisionError: division by zero"),
            ("import sys\nsys.exit(0)", "SystemExit: 0"),
            ("def f(:\n", "SyntaxError: invalid syntax"),
            ("import nca.nowhere", "ModuleNotFoundError: No module named 'nca.nowhere'"),
            ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ],
    )
    def test_that_fails_is_told_with_its_line(self, tmp_path, plugin, words):
        with pytest.raises(PluginError) as caught:
            self.read(tmp_path, f"{plugin}\n")
        assert caught.value.what.startswith(f"the plugin fails to load: {words}")
        line = len(plugin.splitlines())
        assert caught.value.where == f"{tmp_path / 'mine.py'}, line {line}"

    @pytest.mark.parametrize("named", ["[3]", '"mine.py"', '["a\\u0000b"]', '[""]'])
    def test_named_badly_is_told(self, tmp_path, named):
        (tmp_path / "tiny.toml").write_text(f"plugins = {named}\n{RECIPE}")
        with pytest.raises(NCAError):
            read_recipe(str(tmp_path / "tiny.toml"))


def test_a_table_that_training_needs_is_asked_for():
    recipe = parse(RECIPE.partition("[task]")[0])
    with pytest.raises(RecipeError, match=r"train  is missing  add a table \[train\] with "):
        recipe.training()
    assert isinstance(recipe.task(), NoTask)
    start, _, rest = RECIPE.partition("[task]")
    with pytest.raises(RecipeError, match=r"task  is missing"):
        parse(f"{start}[train]{rest.partition('[train]')[2]}")


RECIPES = [RECIPE, *(path.read_text(encoding="utf-8") for path in recipes().values())]


def junk() -> st.SearchStrategy:
    """Values of all kinds that TOML has, the odd ones among them."""
    odd = st.sampled_from([0, -1, 2**63, 2**70, 1.5, float("nan"), float("inf"), True, "", "\0"])
    words = st.sampled_from(["torus", "body", "growing", "loss", "lizard", "[", "\n", "ü"])
    dates = st.dates() | st.times() | st.datetimes()
    plain = st.one_of(odd, words, dates, st.integers(), st.floats(), st.text(max_size=9))
    return st.recursive(
        plain, lambda some: st.lists(some, max_size=3) | st.dictionaries(words, some, max_size=3)
    )


def places(value, path=()):
    """Yield the path of everything in a recipe."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*path, key)
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))


@given(data=st.data(), text=st.sampled_from(RECIPES), changes=st.integers(1, 4))
def test_a_recipe_that_is_changed_at_random_is_read_or_refused_in_words(data, text, changes):
    tables = tomllib.loads(text)
    for _ in range(changes):
        *path, key = data.draw(st.sampled_from(list(places(tables))))
        table = tables
        for part in path:
            table = table[part]
        how = data.draw(st.sampled_from(["delete", "replace", "double", "rename"]))
        if how == "replace":
            table[key] = data.draw(junk())
        elif how == "double" and isinstance(table, list):
            table.append(copy.deepcopy(table[key]))
        elif how == "rename" and isinstance(table, dict):
            table[data.draw(st.text(max_size=5))] = table[key]
        elif len(table) > 1:
            del table[key]
    assert_read_or_refused(tomlkit.dumps(tables))


@given(data=st.data(), text=st.sampled_from(RECIPES))
def test_a_text_that_is_changed_at_random_is_read_or_refused_in_words(data, text):
    for _ in range(data.draw(st.integers(1, 5))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 40, len(text))))
        new = data.draw(
            st.sampled_from(["", "=", "[", "]", "\n", '"', "{", "0", ".", "#", "é", "'"])
        )
        text = text[:start] + new + text[end:]
    assert_read_or_refused(text)


def assert_read_or_refused(text: str) -> None:
    try:
        recipe = parse(text)
    except NCAError as fault:
        told = str(fault).splitlines()
        assert len(told) > 1
        assert told[0].endswith(" in tiny.toml")
    else:
        assert tomllib.loads(recipe.text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("steps = [9, 3, 9]", (3, 9)),
        ("", (3, 6, 12)),
        ('steps = "settle"', (3, 6, 12)),
    ],
)
def test_evaluation_is_at_the_given_steps_or_at_multiples_of_the_trained(line, steps):
    assert parse(changed("steps = [3]", line)).evaluation_steps == steps


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_a_recipe_says_in_which_precision_its_automaton_computes(precision, dtype):
    recipe = parse(changed("save_every = 2", f'save_every = 2\nprecision = "{precision}"'))
    with recipe.autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_without_a_table_of_training_nothing_is_rounded():
    recipe = parse(RECIPE[: RECIPE.index("[pool]")])
    assert recipe.tables.train is None
    with recipe.autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


RULE = """from nca import UpdateRule, register


@register.rule("at_once")
class AtOnce(UpdateRule):
    def __init__(self, *, depth: float = 1.0) -> None:
        super().__init__()

    def forward(self, view):
        return depth * view.own
"""


def test_what_a_plugin_would_have_to_check_is_named_beside_the_faults_of_the_tables(tmp_path):
    known(tmp_path)
    (tmp_path / "rule.py").write_text(RULE)
    text = changed("format = 1", 'format = 1\nplugins = ["rule.py"]')
    text = changed('name = "growing", hidden = 4', 'name = "at_once", dept = 4', text)
    faulty = tmp_path / "two.toml"
    faulty.write_text(changed("fire_rate = 0.5", "fire_rate = 5", text))
    first, row, more = refusal(faulty).splitlines()
    assert (first, "fire_rate" in row) == (f"1 fault in {faulty}", True)
    assert more.endswith('not checked yet: rule.py, rule "at_once"')
    faulty.write_text(text)
    first, row = refusal(faulty).splitlines()
    assert "dept" in row


def test_what_installed_rules_and_tasks_refuse_is_said_before_plugins_are_executed(tmp_path):
    known(tmp_path)
    (tmp_path / "rule.py").write_text(RULE)
    text = changed("format = 1", 'format = 1\nplugins = ["rule.py", "gone.py"]')
    rule = '{ name = "growing", hidden = 4 }'
    text = changed(rule, f'{{ name = "at_once", dept = 4 }}, {rule}', text)
    text = changed("size = [8, 8] ", "size = [12, 12] ", text)
    text = changed('dataset = "blobs"', 'dataset = { name = "folder", path = "none" }', text)
    faulty = tmp_path / "four.toml"
    faulty.write_text(changed("held_out = 8", "held_ou = 8", text))
    shown = refusal(faulty)
    for words in ("gone.py", "held_ou"):
        assert words in shown
    faulty.write_text(text)
    shown = refusal(faulty)
    for words in ("gone.py", "line 26  [task.dataset] path", 'rule "at_once"'):
        assert words in shown
    assert "dept" not in shown
    faulty.write_text(text.replace(', "gone.py"', ""))
    with pytest.raises(RecipeError) as found:
        check_unexecuted(str(faulty))
    assert "line 26  [task.dataset] path" in str(found.value)


def test_a_name_that_a_plugin_may_bring_is_no_fault_before_it_is_executed(tmp_path):
    plugin = PLUGIN.replace('"blobs"', '"drops"')
    (tmp_path / "drops.py").write_text(plugin)
    text = changed("format = 1", 'format = 1\nplugins = ["drops.py"]')
    text = changed('dataset = "blobs"', 'dataset = "drops"', text)
    (tmp_path / "mine.toml").write_text(changed("fire_rate = 0.5", "fire_rate = 5", text))
    assert refusal(tmp_path / "mine.toml").startswith("1 fault in ")
    (tmp_path / "mine.toml").write_text(text)
    assert check_unexecuted(str(tmp_path / "mine.toml")) == ["drops.py"]
    (tmp_path / "drops.py").write_text("1 / 0\n")
    (tmp_path / "mine.toml").write_text(text + '\n[[levels]]\nname = "spare"\nchannels = 2\n')
    shown = refusal(tmp_path / "mine.toml")
    assert "ZeroDivisionError" in shown
    assert "is used by no rule" in shown


def refusal(path: Path) -> str:
    with pytest.raises(RecipeError) as found:
        read_recipe(str(path))
    return str(found.value)


def test_a_scene_that_does_not_fit_is_a_fault_of_its_own_key():
    text = recipes()["glom_parts"].read_text()
    with pytest.raises(RecipeError) as found:
        Recipe.parse(text, name="parts", folder=Path(), overrides=["task.side=31"]).check()
    assert ("task", "side") in [fault.path for fault in found.value.faults]
