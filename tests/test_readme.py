"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest
import torch

from nca import Automaton, Layout, Level, registry
from nca.checkpoint.find import recipes
from nca.checkpoint.read import read_recipe
from nca.registry.discovery import load_file

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_example_runs_and_every_weight_gets_a_gradient():
    example, _ = blocks("python")
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)  # it is our own text
    assert names["loss"].item() > 0
    assert names["rule"].change.weight.grad.abs().sum() > 0
    assert names["state"].step == 96


def test_the_rule_of_the_readme_is_a_rule(tmp_path):
    _, rule = blocks("python")
    file = tmp_path / "consensus.py"
    file.write_text(rule)
    load_file(file)
    consensus = registry.get("rule", "consensus")(sharpness=2.0)
    automaton = Automaton(Layout([Level("scene", 4)]), {"scene": [consensus]})
    state = automaton.seed(2, (6, 5))
    state["scene"].copy_(torch.rand(2, 4, 6, 5))
    after = automaton.rollout(state, 40)
    assert after["scene"].var(dim=(2, 3)).mean() < state["scene"].var(dim=(2, 3)).mean() / 2


def test_the_rule_of_the_readme_fits_its_table(tmp_path):
    _, rule = blocks("python")
    (tmp_path / "consensus.py").write_text(rule)
    table = next(text for text in blocks("toml") if "consensus.py" in text)
    recipe = tmp_path / "mine.toml"
    head, levels = table.split("\n\n", 1)
    rest = "format = 1\n[grid]\nsize = [8, 8]\n[rollout]\nsteps = 4\n"
    recipe.write_text(f"{head}\n{rest}{levels}")
    checked = read_recipe(str(recipe))
    assert checked.automaton().rules["scene"][0].sharpness.item() == 2.0


@pytest.mark.parametrize("name", sorted(recipes()))
def test_every_recipe_has_its_row(name):
    assert f"| `{name}` |" in README


def test_every_command_of_the_readme_exists():
    from nca.cli import app

    known = {command.name for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    used = set(re.findall(r"`nca (\w+)", README)) | set(re.findall(r"&& nca (\w+)", README))
    assert used
    assert used <= known
