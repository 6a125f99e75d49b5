"""Models of automata that were built in Python: described, saved, taken out of torch."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.errors import NCAError
from nca.export import plain_module, write_c, write_html, write_onnx
from nca.files import make_folder
from nca.recipe.describe import describe
from nca.types import Size, Steps


def describe_trained(automaton: Automaton, *, name: str, size: Size, steps: Steps) -> Trained:
    """Return an automaton as if it had been loaded; see `Model.from_automaton`."""
    recipe = describe(automaton, name=name, size=size, steps=steps)
    first = next(iter(automaton.state_dict().values()), torch.zeros(0))
    device, task = first.device, recipe.task()
    given = Checkpoint(name=name, recipe=recipe.text)
    recipe = recipe.decided(automaton.eval(), device, "float32")
    path = Path(f"{name}.safetensors")
    return Trained(path, given, recipe, automaton, task.to(device).eval(), device)


def write_export(
    trained: Trained, path: Path, *, engine: Literal["webgl", "onnx"], check: bool, steps: Steps
) -> None:
    """Write a page, an ONNX file, a C program or a plain module; see `Model.export`."""
    trained = _on_cpu(trained)
    if path.suffix == ".html":
        write_html(trained, path, steps, check, engine)
    elif path.suffix == ".onnx":
        write_onnx(trained, path, steps, check)
    elif path.suffix == ".c":
        axes = len(trained.recipe.tables.grid.size)
        write_c(trained.automaton, trained.recipe.name, axes, path, steps, check)
    elif not path.suffix:
        module = plain_module(trained, steps, check)
        module.write(make_folder(path, "the folder", "choose another one"))
    else:
        raise NCAError(
            f"nothing is exported as {path.suffix}.",
            where=str(path),
            to_do="choose .html for a page, .onnx, .c, or no ending: the folder of a plain module",
        )


def _on_cpu(trained: Trained) -> Trained:
    """Return the same on the CPU, where exports begin."""
    cpu = torch.device("cpu")
    if trained.device == cpu:
        return trained
    automaton, task = (copy.deepcopy(each).to(cpu) for each in (trained.automaton, trained.task))
    return replace(trained, automaton=automaton, task=task, device=cpu)
