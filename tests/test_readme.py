"""What the README shows is what happens."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import torch
from commands import commands, parse
from typer.main import get_command

import nca
from nca import SILENT, Automaton, Layout, Level, registry
from nca.checkpoint.find import recipe_text, recipes
from nca.checkpoint.read import read_recipe
from nca.cli.help import topics
from nca.registry.discovery import load_file
from nca.testing.check import verdicts
from nca.testing.subject import subjects_of_file
from nca.training.loop import train
from nca.training.run import Run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_and_every_weight_gets_a_gradient():
    example, *_ = blocks("python")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)  # it is our own text
    assert names["loss"].item() > 0
    assert names["rule"].change.weight.grad.abs().sum() > 0
    assert names["state"].step == 96


def test_the_model_of_the_readme_is_drawn(tmp_path, monkeypatch):
    _, example, _ = blocks("python")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {"nca": nca})
    assert {path.name for path in tmp_path.iterdir()} == {"lizard.png", "growing.gif"}


def test_the_rule_of_the_readme_is_a_rule(tmp_path):
    *_, rule = blocks("python")
    file = tmp_path / "consensus.py"
    file.write_text(rule)
    load_file(file)
    consensus = registry.get("rule", "consensus")(sharpness=2.0)
    automaton = Automaton(Layout([Level("scene", 4)]), {"scene": [consensus]})
    state = automaton.seed(2, (6, 5))
    state["scene"].copy_(torch.rand(2, 4, 6, 5))
    after = automaton.rollout(state, 40)
    assert after["scene"].var(dim=(2, 3)).mean() < state["scene"].var(dim=(2, 3)).mean() / 2


def test_the_recipe_of_the_readme_trains_its_rule(tmp_path):
    *_, rule = blocks("python")
    (text,) = blocks("toml")
    (tmp_path / "consensus.py").write_text(rule)
    (tmp_path / "mine.toml").write_text(text)
    small = ("train.iterations=2", "rollout.steps=[2, 3]", "task.trials=2")
    recipe = read_recipe(str(tmp_path / "mine.toml"), small)
    run = Run.start(recipe, tmp_path / "run", torch.device("cpu"), None, SILENT)
    consensus = run.automaton.rules["body"][1]
    assert consensus.sharpness.item() == 2.0
    before = [weight.detach().clone() for weight in run.modules.parameters()]
    train(run)
    assert run.iteration == 2
    after = list(run.modules.parameters())
    assert any(not old.equal(new) for old, new in zip(before, after, strict=True))


def test_the_readmes_rule_keeps_the_laws(tmp_path):
    *_, rule = blocks("python")
    (tmp_path / "consensus.py").write_text(rule)
    (subject,) = subjects_of_file(str(tmp_path / "consensus.py"))
    found = {verdict.law.name: verdict for verdict in verdicts(subject.place_rule, 60, most=2)}
    broken = [verdict for verdict in found.values() if verdict.outcome == "broken"]
    assert not broken
    assert found["translation"].outcome == found["locality"].outcome == "held"


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_has_its_row_or_its_place(name):
    trains = "train" in tomllib.loads(recipe_text(recipes()[name]))
    rows = "".join(line for line in README.splitlines(keepends=True) if line.startswith("|"))
    assert f"`{name}`" in (rows if trains else README)


COMMANDS = list(dict.fromkeys(commands(README)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_parses(command):
    assert parse(command)


def test_the_readme_shows_every_verb():
    app = get_command(import_module("nca.cli").app)
    assert {parse(command)[0] for command in COMMANDS} == set(app.commands)


def test_every_topic_that_the_readme_names_exists():
    named = re.findall(r"`nca help (\w+)`", README)
    assert len(named) > 2
    assert set(named) <= set(topics())


def test_every_folder_of_the_house_has_its_row():
    folders = {path.parent.name for path in (ROOT / "nca").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(\w+)/` \|", README, re.MULTILINE)) == folders


def test_the_readme_fits_a_screen_or_two():
    assert len(README.encode()) < 10_000


def test_the_line_that_installs_and_runs_the_tests_stands_alone():
    (line,) = re.findall(r"^(pip install .*&& pytest.*)$", README, re.MULTILINE)
    assert line == 'pip install ".[all,test]" && pytest -n auto'
