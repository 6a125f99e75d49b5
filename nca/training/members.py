"""A population in a checkpoint: the tensors of its members, and what is checked of them.

`member.N.` holds what `last.safetensors` holds of a run alone, and `member.N.individual.` who it
is; `population.lead` says which member's weights are also there without a prefix, to be shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.fit import misfits
from nca.recipe.recipe import Recipe
from nca.recipe.tables import EvolveByExchange
from nca.recipe.varied import first_values
from nca.training.individual import NONE, Individual, individual_faults

MEMBER, POPULATION, INDIVIDUAL = "member", "population", "individual"
"""Prefixes of tensors."""


def member_tensors(
    number: int, tensors: Mapping[str, Tensor], individual: Individual
) -> dict[str, Tensor]:
    """Return the tensors of a member and of who it is, each with its prefix."""
    who = {f"{INDIVIDUAL}.{name}": tensor for name, tensor in individual.tensors().items()}
    return {f"{MEMBER}.{number}.{name}": tensor for name, tensor in {**tensors, **who}.items()}


def population_tensors(leading: int, born: int) -> dict[str, Tensor]:
    """Return which member leads, and how many individuals there have been, as tensors."""
    found = {"lead": torch.tensor(leading), "born": torch.tensor(born)}
    return {f"{POPULATION}.{name}": tensor for name, tensor in found.items()}


def member_checkpoint(checkpoint: Checkpoint, start: str) -> Checkpoint:
    """Return a checkpoint that holds what another one holds under a prefix, and its files.

    Args:
        checkpoint: The one that holds all.
        start: The prefix; an empty one is that of the checkpoint itself.
    """
    if not start:
        return checkpoint
    files = {name: t for name, t in checkpoint.tensors.items() if name.startswith("files.")}
    own = checkpoint.part(start.removesuffix("."))
    return replace(checkpoint, tensors={**own, **files})


def is_copied(checkpoint: Checkpoint) -> bool:
    """Return whether the checkpoint of a member is that of a copy of another one."""
    return int(checkpoint.tensors[f"{INDIVIDUAL}.parent"]) != NONE


def members_held(checkpoint: Checkpoint) -> int:
    """Return how many members a checkpoint holds."""
    return len({name.partition(".")[0] for name in checkpoint.part(MEMBER)})


def taken_population(
    checkpoint: Checkpoint, like: Sequence[Individual]
) -> tuple[int, int, list[Individual]]:
    """Return which member leads, how many individuals there have been, and who the members are.

    Args:
        checkpoint: One without `population_faults`.
        like: One individual for each member.
    """
    given = checkpoint.part(POPULATION)
    own = [checkpoint.part(f"{MEMBER}.{n}.{INDIVIDUAL}") for n in range(len(like))]
    return int(given["lead"]), int(given["born"]), [Individual.taken(each) for each in own]


def population_faults(
    checkpoint: Checkpoint, like: Sequence[Individual], table: EvolveByExchange
) -> list[str]:
    """Return in words what keeps a population from being taken up from a checkpoint.

    Args:
        checkpoint: What was read.
        like: One individual for each member, with the hyperparameters of the recipe.
        table: The recipe's.
    """
    held, given = members_held(checkpoint), checkpoint.part(POPULATION)
    if held != len(like):
        return [f"it holds {held} members, not {len(like)}"]
    found = misfits(given, {n: torch.tensor(0) for n in ("lead", "born")}, exact=True)
    return found or list(_faults(checkpoint, like, table))


def late_overrides(
    checkpoint: Checkpoint, path: Path, recipe: Recipe, table: EvolveByExchange
) -> list[str]:
    """Return in words which overrides come too late: members have values of their own by now.

    Args:
        checkpoint: What was read.
        path: Its file.
        recipe: Its recipe, with overrides.
        table: That of the recipe.
    """
    if not recipe.overrides or recipe.text == checkpoint.recipe:
        return []
    before, now = first_values(checkpoint.parsed(path).tables), first_values(recipe.tables)
    changed = [name for name in table.vary.bounds() if before[name] != now[name]]
    return [f"{name} varies, and each member has its own by now" for name in changed]


def _faults(
    checkpoint: Checkpoint, like: Sequence[Individual], table: EvolveByExchange
) -> Iterator[str]:
    given = checkpoint.part(POPULATION)
    lead, born = int(given["lead"]), int(given["born"])
    if not 0 <= lead < len(like):
        yield f"population.lead is {lead}, not within 0 to {len(like) - 1}"
    numbers = []
    for number, one in enumerate(like):
        start = f"{MEMBER}.{number}.{INDIVIDUAL}"
        faults = individual_faults(checkpoint.part(start), one, table, born)
        yield from (f"{start}: {fault}" for fault in faults)
        if not faults:
            numbers.append(int(checkpoint.tensors[f"{start}.number"]))
    if len(set(numbers)) < len(numbers):
        yield "two of its members are the same individual"
