"""Help, lists and completion answer without torch: modules are counted, since times vary."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nca.cli import app
from nca.cli.examine import LONG
from nca.reports.robustness import RobustnessPlan

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "torchvision", "numpy", "scipy", "matplotlib", "einops", "safetensors", "tomlkit"}
MOST_MODULES = 500
"""About 400 are imported, most by Python, Typer and Rich; with torch there are above 1,000."""

PROBE = """
import atexit, json, os, sys
from pathlib import Path
report = Path(os.environ["IMPORTED"])
atexit.register(lambda: report.write_text(json.dumps(sorted(sys.modules))))
from nca.cli import main
main(sys.argv[1:])
"""

VERBS = [str(verb.name) for verb in [*app.registered_commands, *app.registered_groups]]


@pytest.fixture
def probe(tmp_path):
    """Run `nca` in a process of its own; return what it ends with, and what it imported."""

    def run(*arguments: str, **environment: str):
        report = tmp_path / "imported.json"
        done = subprocess.run(
            [sys.executable, "-c", PROBE, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "80", "IMPORTED": str(report), **environment},
        )
        assert "Traceback" not in done.stderr
        return done, json.loads(report.read_text())

    return run


def completed(probe, words: str):
    """Return what bash would be offered for the last of these words, and what was imported."""
    done, modules = probe(
        COMP_WORDS=words, COMP_CWORD=str(words.count(" ")), _NCA_COMPLETE="complete_bash"
    )
    assert done.returncode == 0
    return done.stdout.split(), modules


def assert_light(modules: list[str]) -> None:
    packages = Counter(module.partition(".")[0] for module in modules)
    assert not HEAVY & packages.keys()
    assert len(modules) < MOST_MODULES, packages.most_common(9)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("recipes", "list"),
        ("recipes", "show", "growing"),
        ("data", "list"),
        ("data", "check", "mnist"),
        ("--show-completion", "bash"),
    ],
    ids=" ".join,
)
def test_what_answers_at_once_imports_no_torch(probe, arguments, tmp_path):
    folder = str(tmp_path)
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    done, modules = probe(*arguments, NCA_DATA=folder, XDG_CACHE_HOME=folder, **named)
    said = "next: nca play growing\n" if arguments == ("recipes", "list") else ""
    assert (done.returncode, done.stderr) == (0, said)
    assert done.stdout
    assert_light(modules)


EVERY_HELP = """
import contextlib, io, json, sys
from nca.cli import main

for verb in sys.argv[1:]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([verb, "--help"])
    print(json.dumps([verb, said.getvalue(), sorted(sys.modules)]))
"""


def test_the_help_of_a_verb_imports_no_torch():
    command = [sys.executable, "-c", EVERY_HELP, *VERBS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    helped = [json.loads(line) for line in done.stdout.splitlines()]
    assert [verb for verb, _, _ in helped] == VERBS
    for verb, said, modules in helped:
        assert said.startswith(f"Usage: nca {verb}")
        assert not HEAVY & {module.partition(".")[0] for module in modules}, verb


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("nca re", {"render", "recipes"}),
        ("nca run gl", {"glom_mnist", "glom_parts"}),
        ("nca run --res", {"--resume"}),
        ("nca evaluate gro", {"growing"}),
        ("nca evaluate ru", {"runs/mine-1"}),
        ("nca play gro", {"growing", "growing_lizard"}),
        ("nca recipes sh", {"show"}),
        ("nca recipes show te", {"texture", "texture_scales"}),
        ("nca data fetch m", {"mnist"}),
    ],
)
def test_a_shell_completes_without_torch(probe, tmp_path, words, offered):
    run = tmp_path / "runs" / "mine-1"
    run.mkdir(parents=True)
    (run / "best.safetensors").touch()
    found, modules = completed(probe, words)
    assert offered <= set(found)
    assert len(found) == len(set(found))
    assert all(name.startswith(words.rpartition(" ")[2]) for name in found)
    assert_light(modules)


def test_an_unknown_verb_is_refused_with_the_nearest(nca):
    result = nca("evalute")
    assert (result.code, result.out) == (2, "")
    assert "Did you mean 'evaluate'?" in result.err
    assert "Did you mean 'check'" in nca("recipes", "chek").err


def test_no_verb_at_all_shows_the_verbs_and_what_to_try_first(nca):
    result = nca()
    assert (result.code, result.out) == (2, "")
    assert result.err.rstrip() == nca("--help").out.rstrip()
    tried = result.err.partition("\n  Try first:\n")[2]
    commands = [line.strip().split("   ")[0].split() for line in tried.strip().splitlines()]
    assert len(commands) == 3
    for program, *arguments in commands:
        assert program == "nca"
        assert nca(*arguments[:1], "--help").code == 0
    assert max(map(len, result.err.splitlines())) <= 80


def test_examine_offers_the_long_run_of_the_plan():
    assert RobustnessPlan.long_steps == LONG


def test_a_public_function_name_stands_for_one_thing():
    files = [file for folder in ("nca", "plugins") for file in (ROOT / folder).rglob("*.py")]
    names = [
        line[4:].partition("(")[0]
        for file in files
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("def ") and line[4] != "_"
    ]
    assert names
    assert [name for name, count in Counter(names).items() if count > 1] == []
