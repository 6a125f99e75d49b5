"""Every command that is shown to a reader works: in the README, in help, and as what comes next.

All of them are parsed by the command line itself. Then they are run in a folder that holds what
they name, with these substitutions and no others: placeholders and the recipes and checkpoints of
the house give way to a recipe of seconds and its run (STAND_INS), options are added that shorten
the work (SHORTENED), and what cannot end by itself or here is parsed alone (PARSED_ONLY).
"""

import re
import shlex
import shutil
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import pytest
from commands import commands, parse
from PIL import Image
from typer.main import get_command

from nca.checkpoint.find import pretrained, recipes
from nca.cli import TRY_FIRST, app
from nca.cli.help import read_docstring, topics

ROOT = Path(__file__).parents[2]

STAND_INS = {
    "run": "tiny.toml",
    "plan": "tiny.toml",
    "bench": "tiny.toml",
    "sweep": "tiny.toml",
    "evaluate": "done",
    "render": "done",
    "export": "done",
    "examine": "done",
    "islands": "done",
    "stream": "done",
    "inspect": "done",
    "check": "growing",
}
"""In place of RECIPE, CHECKPOINT, RUN, and of any name of the house that is trained or measured."""

PLUGIN = ["--plugin", "blobs.py"]
SHORTENED = {
    "run": [*PLUGIN, "--set", "train.iterations=4"],
    "plan": PLUGIN,
    "bench": [*PLUGIN, "--repeats", "1", "--way", "plain"],
    "sweep": [*PLUGIN, "--jobs", "1"],
    "evaluate": [*PLUGIN, "--samples", "2"],
    "render": [*PLUGIN, "--steps", "3"],
    "export": [*PLUGIN, "--no-check"],
    "examine": [*PLUGIN, "--quick", "--budget", "0.03"],
    "islands": [*PLUGIN, "--samples", "2", "--steps", "2"],
    "stream": [*PLUGIN, "--tile", "64"],
    "inspect": PLUGIN,
    "check": ["--examples", "1"],
}

PARSED_ONLY = {
    r"nca new .*": "it leaves files; tests/cli/test_new_command.py",
    r"nca check (mine.py|--installed).*": "tests/cli/test_check_command.py has such files",
    r"nca run .*--(plane|steps).*": "it has nothing to train; tests/cli/test_weightless.py",
    r"nca run mine.py": "tests/cli/test_new_command.py runs such a file",
    r"nca check consensus.py": "tests/test_readme.py checks this file",
    r"nca run .* --from .*": "it needs weights that fit; tests/cli/test_run_command.py",
    r"nca play( .*)?": "it serves a page until it is stopped",
    r"nca predict( .*)?": "it needs pictures; tests/cli/test_predict_command.py",
    r"nca data fetch .*": "it downloads",
    r"nca data check .*": "it needs data that are fetched",
    r"nca import .*": "it needs weights that others have published; tests/test_importers.py",
    r"nca bench( --.*)?": "it measures seven recipes for a quarter of an hour",
    r"nca sweep .* --variants .*": "it needs a file of variants; tests/cli/test_sweep_command.py",
    r".*(--set|--over|--seeds|--size|--frames|--damage|--engine onnx|--to onnx|--to c).*": (
        "what it asks for suits its own recipe, and is tried by the test of its verb"
    ),
    r".*--resume.*": "tests/test_resume.py and tests/cli/test_run_command.py",
    r"nca recipes check RECIPE .*": "the file is a stand-in for a reader's own",
    r"nca render .* --out -": "it draws into a terminal; tests/cli/test_terminal.py",
    r"nca recipes check mine.toml( --trust)?": "tests/test_readme.py checks this file",
    r"nca run mine.toml.*": "tests/test_readme.py trains this file",
    r"nca plugins --plugin .*": "tests/test_readme.py loads this file",
}
"""Why these are not run, by what the whole line matches."""


def examples():
    """Yield the example of every verb."""
    waiting = [get_command(app)]
    while waiting:
        verb = waiting.pop()
        waiting += getattr(verb, "commands", {}).values()
        yield from re.findall(r"Example: (nca [^\n]+)", verb.help or "")


def shown() -> list[str]:
    """Return every command that a reader is shown, once."""
    texts = [(ROOT / "README.md").read_text(encoding="utf-8")]
    texts += [read_docstring(module) for module in topics().values()]
    tried = (line.strip().split("   ")[0] for line in TRY_FIRST.splitlines() if " nca " in line)
    lines = chain(chain.from_iterable(map(commands, texts)), examples(), tried)
    return sorted({line.split(" > ")[0] for line in lines})


SHOWN = shown()
HOUSE = {"RECIPE", "CHECKPOINT", "RUN", "NAME", "RULE", *recipes(), *pretrained()}


def reason(command: str) -> str | None:
    """Return why a command is parsed alone; None: it is run."""
    return next((why for line, why in PARSED_ONLY.items() if re.fullmatch(line, command)), None)


def stand_in(command: str) -> list[str]:
    """Return the words of a command as they are run here."""
    verb, *words = shlex.split(command)[1:]
    if (not words and verb in STAND_INS) or words == ["check"]:
        return [verb, *words, "--help"]  # in a sentence a verb is a name
    if verb not in STAND_INS:
        return [verb, *("growing" if word == "NAME" else word for word in words)]
    paths = [word for word in words if word in HOUSE or word.startswith(("runs/", "recipes/"))]
    words = [STAND_INS[verb] if word in paths else word for word in words]
    return [verb, *words, *SHORTENED[verb]]


def test_many_commands_are_shown_and_most_are_run():
    assert len(SHOWN) > 80
    assert sum(reason(command) is None for command in SHOWN) > 45
    assert len(RUN) > 30
    assert all(any(re.fullmatch(line, command) for command in SHOWN) for line in PARSED_ONLY)


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_that_is_shown_is_parsed(command):
    assert parse(command)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, trained_once):
    """A folder with all that the commands name."""
    place = tmp_path_factory.mktemp("minute")
    shutil.copytree(trained_once, place / "done")
    for name in ("tiny.toml", "blobs.py"):
        shutil.copy(trained_once.parent / name, place / name)
    Image.new("RGB", (8, 8), "white").save(place / "my.png")
    return place


STOOD_IN = [tuple(stand_in(command)) for command in SHOWN if reason(command) is None]
RUN = sorted({frozenset(words): words for words in STOOD_IN}.values())
"""What is run: an option that is given twice makes no other command."""


@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_every_command_that_is_shown_runs(nca, folder, monkeypatch, words):
    monkeypatch.chdir(folder)
    monkeypatch.setattr("nca.bench.roofline.SECONDS", 0.01)
    result = nca(*words)
    assert result.code == 0, result.err
    assert result.out
    for following in re.findall(r"^(?:next|continue with|the recipe): (nca .*)$", result.err, re.M):
        assert parse(following)
        assert reason(following) or nca(*shlex.split(following)[1:]).code == 0, following


def test_nca_alone_help_and_the_list_of_recipes_say_what_to_try_first(nca):
    alone, listed = nca().err, nca("recipes", "list")
    assert "nca play growing" in alone
    assert "nca recipes list" in nca("--help").out
    assert listed.err.splitlines()[-1].startswith("next: nca play ")


def test_the_version_is_that_of_the_package(nca):
    result = nca("--version")
    assert (result.code, result.out, result.err) == (0, f"nca {version('nca')}\n", "")
