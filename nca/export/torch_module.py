"""Write an automaton as a plain PyTorch module with its weights beside it, compared with ours."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ExportError
from nca.export.example import example_state, lively_state
from nca.export.torch_source import torch_source
from nca.export.torch_text import CHECKED
from nca.export.verify import Difference, NotCompared, Trial, compare, trials
from nca.files import write_whole

SOURCE, WEIGHTS = "automaton.py", "weights.safetensors"
"""The files of an export, in one folder."""


@dataclass(frozen=True)
class PlainModule:
    """A module that has been written, and not yet to the disk.

    Attributes:
        source: Its source.
        tensors: What it loads.
        checked: How far it strays from ours, or why that is not known; None: not compared.
    """

    source: str
    tensors: Mapping[str, Tensor]
    checked: Difference | NotCompared | None

    def write(self, folder: Path) -> None:
        """Write `automaton.py` and `weights.safetensors` into a folder, which is there.

        Raises:
            StorageError: They cannot be written.
        """
        write_whole(folder / WEIGHTS, save(dict(self.tensors)))
        write_whole(folder / SOURCE, self.source.encode())


def plain_module(trained: Trained, steps: int, check: bool = True) -> PlainModule:
    """Return the module of a checkpoint, compared with ours.

    Args:
        trained: On the CPU.
        steps: Steps of each trial.
        check: Whether to compare it at all.

    Raises:
        ExportError: The automaton does what no such module does, or the module strays further than
            rounding explains.
    """
    recipe, automaton = trained.recipe, trained.automaton
    axes, steps_each = len(recipe.tables.grid.size), recipe.tables.rollout.steps[1]
    source, tensors = torch_source(automaton, recipe.name, axes, steps_each)
    checked = _try(source, tensors, trained, steps) if check else None
    said = textwrap.fill(str(checked or "not compared with nca"), 98)
    return PlainModule(source.replace(CHECKED, f"{said[0].upper()}{said[1:]}."), tensors, checked)


@torch.no_grad()
def _try(
    source: str, tensors: dict[str, Tensor], trained: Trained, steps: int
) -> Difference | NotCompared:
    automaton = trained.automaton
    begun = lively_state(automaton, example_state(trained.task.display()), steps)
    if isinstance(begun, NotCompared):
        return begun
    module = _module(source, tensors)
    tried = trials(automaton, begun.state, steps)
    found = [_run(module, automaton, trial) for trial in tried]
    return compare(tried, found, f"torch {torch.__version__}, float32", begun.notes)


def _module(source: str, tensors: dict[str, Tensor]) -> Any:
    """Execute the source, which we have just written ourselves."""
    names: dict[str, Any] = {"__file__": SOURCE, "__name__": "automaton"}
    exec(compile(source, SOURCE, "exec"), names)
    names["load_file"] = lambda file: tensors
    return names["Automaton"]()


def _run(module: Any, automaton: Automaton, trial: Trial) -> dict[str, Tensor]:
    now: State = trial.begun
    for _ in range(trial.steps):
        state = now

        def fires(name: str, level: Tensor, fire_rate: float, state: State = state) -> Tensor:
            return state.rng.chance(f"fire/{name}", fire_rate, 1, state.size(name))

        def noise(name: str, level: Tensor, state: State = state) -> Tensor:
            given = automaton.spec.noise
            assert given
            draw = state.rng.normal if given.kind == "normal" else state.rng.uniform
            return given.scale * draw(f"noise/{name}", level.shape[1], state.size(name))

        module.fires, module.noise = fires, noise
        try:
            levels = module.step(dict(now.levels), trial.rate)
        except (RuntimeError, ValueError) as fault:
            raise ExportError(
                f"the module does not run: {str(fault).splitlines()[0]}",
                where=f"a grid of {'x'.join(map(str, now.grid_size))}",
                to_do="make the grid larger than what a cell sees: [grid] size",
            ) from fault
        now = now.replace(levels, step=now.step + 1)
    return dict(now.levels)
