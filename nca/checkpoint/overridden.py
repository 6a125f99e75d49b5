"""Overrides of a checkpoint's recipe: each takes effect on what the file holds, or is refused.

Weights are what training has made of them; an option that says where they start comes too late.
Stored buffers, a task's target say, follow from options: they are made anew where those change.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.reads import ALL, Reads
from nca.errors import CheckpointError
from nca.recipe.errors import RecipeError
from nca.recipe.recipe import Recipe
from nca.tasks.task import Task


def apply_overrides(
    checkpoint: Checkpoint,
    path: Path,
    recipe: Recipe,
    modules: Mapping[str, nn.Module] | None = None,
    reads: Reads = ALL,
) -> Checkpoint:
    """Return a checkpoint whose buffers follow from a recipe with overrides.

    Args:
        checkpoint: As it was read.
        path: Its file.
        recipe: Its recipe, with the overrides.
        modules: The automaton and the task of that recipe, by name, without the weights of the
            checkpoint; built, if not given. Where a buffer follows from what was overridden, theirs
            counts.
        reads: What is read of the recipe, beside what every use of an automaton reads.

    Raises:
        NCAError: An override could have no effect.
    """
    if not recipe.overrides:
        return checkpoint
    try:
        old = checkpoint.parsed(path)
    except RecipeError:  # which the overrides have corrected: there is nothing to compare with
        return checkpoint
    reads.refuse_others(old.tables, recipe.tables, recipe.overrides, path)
    same_seed = old.tables.model_copy(update={"random_seed": recipe.tables.random_seed})
    old = replace(old, tables=same_seed)
    anew: set[str] = set()
    late: list[str] = []
    if old.tables.levels != recipe.tables.levels:
        _compare("automaton", old.automaton(), recipe.automaton(), anew, late)
    if (changed := _changed(old, recipe)) and _task_name(old) == _task_name(recipe):
        before, after = old.task(), recipe.task()
        _compare("task", before, after, anew, late)
        _follow(after, changed, anew, path)
    if late:
        raise CheckpointError(
            "an override comes too late: it says where training starts, and the checkpoint is "
            f"trained: {', '.join(sorted(late))}.",
            where=f"--set {' --set '.join(recipe.overrides)}, {path}",
            to_do="leave it out, or train anew: nca run RECIPE --set ...",
        )
    if not anew:
        return checkpoint
    modules = modules or {"automaton": recipe.automaton(), "task": recipe.task()}
    now = {f"{name}.{n}": t for name, module in modules.items() for n, t in _buffers(module)}
    made = {name: now[name].detach().cpu() for name in anew if name in now}
    return replace(checkpoint, tensors={**checkpoint.tensors, **made})


def _compare(prefix: str, old: nn.Module, new: nn.Module, anew: set[str], late: list[str]) -> None:
    """Find what differs between two modules that nothing was loaded into."""
    had, has = old.state_dict(), new.state_dict()
    weights = {name for name, _ in new.named_parameters()}
    for name in sorted(set(had) & set(has)):
        shapes = had[name].shape == has[name].shape
        if shapes and torch.equal(had[name].nan_to_num(), has[name].nan_to_num()):
            continue
        if name not in weights:
            anew.add(f"{prefix}.{name}")
        elif shapes:  # another shape is refused where it is loaded
            late.append(f"{prefix}.{name}")


def _follow(task: nn.Module, changed: set[str], anew: set[str], path: Path) -> None:
    """Find the buffers of a task that follow from options which have changed."""
    assert isinstance(task, Task)
    unknown = []
    for name, _ in _buffers(task):
        options = task.derived_buffers.get(name)
        if options is not None and changed & {*options}:
            anew.add(f"task.{name}")
        elif options is None and "." not in name and f"task.{name}" not in anew:
            unknown.append(name)
    if unknown:
        raise CheckpointError(
            f"an override might have no effect: the checkpoint holds {', '.join(unknown)}, and "
            f"{type(task).__name__} does not say which options that follows from.",
            where=f"[task] {', '.join(sorted(changed))}, {path}",
            to_do="leave the override out, or let the task say it: its attribute derived_buffers",
        )


def _changed(old: Recipe, new: Recipe) -> set[str]:
    """Return which options of the task differ; `size` is that of the grid."""
    before, after = _options(old), _options(new)
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _task_name(recipe: Recipe) -> str:
    return recipe.tables.task.name if recipe.tables.task else ""


def _options(recipe: Recipe) -> dict[str, Any]:
    given = recipe.tables.task.model_extra if recipe.tables.task else None
    return {**(given or {}), "size": recipe.tables.grid.size}


def _buffers(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield the buffers of a module that are stored."""
    stored, weights = module.state_dict(), {name for name, _ in module.named_parameters()}
    return ((name, tensor) for name, tensor in stored.items() if name not in weights)
