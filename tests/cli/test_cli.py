"""The commands, as a person meets them: what they print, where, and how they end."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from typer.main import get_command

from nca.cli import app, main
from nca.registry.registry import registry


def verbs(command=None, path=()):
    command = command or get_command(app)
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, (*path, name))


@pytest.mark.parametrize("verb", list(verbs()), ids=" ".join)
def test_help_fits_80_characters_and_gives_one_example(nca, verb):
    result = nca(*verb, "--help")
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    examples = [line for line in result.out.splitlines() if "Example:" in line]
    assert len(examples) == 1
    assert f"Example: {' '.join(['nca', *verb])}" in examples[0]


def test_the_module_and_the_script_are_one_program(nca):
    module = subprocess.run(
        [sys.executable, "-m", "nca", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "80"},
    )
    (script,) = entry_points(group="console_scripts", name="nca")
    assert script.load() is main
    assert (module.returncode, module.stdout) == (0, nca("--help").out)


def test_no_colour_is_written_where_none_is_wanted(nca, here, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    told = [nca("recipes", "check", "tiny.toml"), nca("recipes", "list"), nca("run")]
    assert not any("\x1b" in result.out + result.err for result in told)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "tiny.toml", "--resume", "done"),
        ("run", "tiny.toml", "--nonsense"),
        ("evaluate",),
        ("evaluate", "x", "--steps", "0"),
        ("evaluate", "x", "--fire-rate", "2"),
        ("render", "x", "--show", "nothing"),
        ("recipes", "chek", "tiny.toml"),
        ("nonsense",),
    ],
)
def test_usage_errors_exit_2_and_say_so_on_stderr(nca, here, arguments):
    result = nca(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert "Usage: nca" in result.err
    assert "Error" in result.err


def test_run_asks_for_a_recipe_or_a_run(nca):
    assert "give either a RECIPE or --resume RUN" in nca("run").err


def test_our_own_bugs_keep_their_traceback(monkeypatch, nca):
    monkeypatch.setattr("nca.cli.recipes.recipes", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["recipes", "list"])
    monkeypatch.setattr(
        "nca.cli.recipes.recipes", lambda: [].index(RuntimeError("no bug of memory"))
    )
    with pytest.raises(ValueError, match="not in list"):
        main(["recipes", "list"])


@pytest.mark.parametrize(
    "size", ["levels.body.channels=9999999999999", "grid.size=[9999999999, 99]"]
)
def test_counts_that_no_memory_could_hold_are_refused_by_key(nca, here, size):
    result = nca("run", "tiny.toml", "--plugin", "blobs.py", "--set", size, "--device", "cpu")
    assert result.code == 1
    assert result.err.startswith("RecipeError: 1 fault in tiny.toml\n  --set ")
    assert "expected: at most " in result.err


def test_too_little_memory_is_said_in_words(capsys, monkeypatch):
    def short(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")

    monkeypatch.setattr("nca.cli.app", short)
    with pytest.raises(SystemExit):
        main(["recipes", "list"])
    assert capsys.readouterr().err.startswith("NCAError: the memory does not suffice.\n  where:  ")


class TestRecipes:
    def test_list_gives_name_and_first_line(self, nca):
        result = nca("recipes", "list")
        assert result.code == 0
        assert "glom_mnist" in result.out
        assert all(len(line.split("  ", 1)) == 2 for line in result.out.splitlines())

    def test_show_prints_the_file(self, nca, here):
        assert nca("recipes", "show", "tiny.toml").out == (here / "tiny.toml").read_text()
        result = nca("recipes", "show", "tinny.toml")
        assert (result.code, result.out) == (1, "")

    def test_check_counts_or_tells_every_fault(self, nca, here):
        result = nca("recipes", "check", "tiny.toml", "--plugin", "blobs.py")
        assert result.out == (
            "tiny: no fault; levels image 1, body 4; 72 parameters in the automaton\n"
        )
        result = nca("recipes", "check", "tiny.toml", "--set", "train.bach=3")
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith(
            "RecipeError: 1 fault in tiny.toml\n  --set    [train] bach  unk"
        )

    def test_check_builds_what_it_checks(self, nca, here):
        text = (here / "tiny.toml").read_text()
        (here / "tiny.toml").write_text(text.replace('"growing"', '"top_down"'))
        result = nca("recipes", "check", "tiny.toml", "--plugin", "blobs.py")
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("RecipeError: 1 fault in tiny.toml\n  line 16 ")
        assert 'rule "top_down" reads it: add it, or move the rule' in result.err

    def test_check_names_the_nearest_data_set(self, nca, here):
        result = nca("recipes", "check", "tiny.toml", "--set", "task.dataset=mnits")
        assert result.code == 1
        assert "there is no dataset named 'mnits'" in result.err
        assert "did you mean `mnist`?" in result.err


class TestPlugins:
    def test_lists_a_local_file_with_its_origin(self, nca, here):
        result = nca("plugins", "blobs", "--plugin", "blobs.py")
        assert result.out == (
            f"dataset   blobs                {here / 'blobs.py'}\n"
            "          Light and dark squares.\n"
        )

    def test_gives_options_with_range_and_default(self, nca):
        assert (
            "            hidden = whole number, at least 1; 128\n" in nca("plugins", "growing").out
        )

    def test_lists_a_broken_one_with_its_reason(self, nca, here):
        registry.promise("rule", "cracked", "nca.nowhere:Cracked", "cracked 1.0")
        result = nca("plugins", "cracked")
        assert result.code == 0
        assert "broken: the rule 'cracked' cannot be loaded: ModuleNotFoundError" in result.out

    def test_lists_one_whose_options_cannot_be_read(self, nca, here):
        (here / "odd.py").write_text(
            "from nca import UpdateRule, register\n"
            "@register.rule('odd')\n"
            "class Odd(UpdateRule):\n"
            "    def __init__(self, *, depth: 'Nowhere'): super().__init__()\n"
            "    def forward(self, view): return view.own\n"
        )
        result = nca("plugins", "odd", "--plugin", "odd.py")
        assert "broken: the options of Odd cannot be read: name 'Nowhere' is not" in result.out
        assert nca("recipes", "schema").code == 0

    def test_suggests_the_nearest(self, nca):
        result = nca("plugins", "growin")
        assert result.code == 1
        assert "did you mean `growing`?" in result.err

    @pytest.mark.parametrize("file", ["nowhere.py", "tiny.toml", ".", "~nobody/x.py", "x" * 999])
    def test_a_file_that_is_no_plugin_is_told(self, nca, here, file):
        result = nca("plugins", "--plugin", file)
        assert result.code == 1
        assert result.err.startswith("PluginError: ")
