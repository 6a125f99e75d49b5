"""An individual of a population: its number, its parent, its hyperparameters, and its recipe.

A member is a place in the population, with random numbers of its own; individuals follow one
another in it. Everything here follows from the recipe's random seed, an individual's number and
the iteration in which it begins.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nca.checkpoint.fit import misfits
from nca.engine.rng import HostRNG, stream_key
from nca.recipe.overrides import as_overrides
from nca.recipe.recipe import Recipe
from nca.recipe.tables import EvolveByExchange
from nca.recipe.varied import first_values, values_in_recipe

DIGITS = 6
"""Significant digits of a hyperparameter that was multiplied."""

NONE = -1
"""The number of a parent that there is not."""


@dataclass(frozen=True)
class Individual:
    """Who fills a place in a population.

    Attributes:
        number: Counted from 0 through the whole run.
        parent: The number of the one that it is a copy of; None: it was there at first.
        values: Its hyperparameters, by name; those that do not vary are not among them.
    """

    number: int
    parent: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    def copied(self, number: int, table: EvolveByExchange, draw: HostRNG) -> "Individual":
        """Return a copy with hyperparameters that are multiplied or divided, within their bounds.

        Args:
            number: The copy's.
            table: The bounds and the factor.
            draw: The randomness of the iteration.
        """
        values = {}
        for name, (low, high) in table.vary.bounds().items():
            up = draw.integer(f"exchange/{name}/{number}", 0, 1)
            value = self.values[name] * (table.factor if up else 1 / table.factor)
            values[name] = min(max(float(f"{value:.{DIGITS}g}"), low), high)
        return Individual(number, self.number, values)

    def recipe(self, whole: Recipe, member: int) -> Recipe:
        """Return the recipe by which it learns: one without a population.

        Args:
            whole: The recipe of the population.
            member: The place that it fills.
        """
        first = {name: known[0] for name, known in first_values(whole.tables).items() if known}
        new = {name: value for name, value in self.values.items() if value != first.get(name)}
        own = whole
        if new:
            moments = whole.evaluation_steps
            written = as_overrides(values_in_recipe(whole.tables, new, moments))
            own = Recipe.parse(
                whole.text,
                name=whole.name,
                folder=whole.folder,
                overrides=written,
                source=whole.source,
                trained=True,
                files=whole.files,
            )
            own = replace(own, overrides=(*whole.overrides, *written), precision=whole.precision)
        seed = member_seed(whole.tables.random_seed, member)
        tables = own.tables.model_copy(update={"evolve": None, "random_seed": seed})
        return replace(own, tables=tables)

    def tensors(self) -> dict[str, Tensor]:
        """Return all of it by name, for a checkpoint."""
        parent = NONE if self.parent is None else self.parent
        numbers = {"number": torch.tensor(self.number), "parent": torch.tensor(parent)}
        values = {
            f"values.{name}": torch.tensor(value, dtype=torch.float64)
            for name, value in self.values.items()
        }
        return numbers | values

    @classmethod
    def taken(cls, tensors: Mapping[str, Tensor]) -> "Individual":
        """Return what `tensors` gave."""
        parent = int(tensors["parent"])
        start = "values."
        values = {n.removeprefix(start): t.item() for n, t in tensors.items() if n[:7] == start}
        return cls(int(tensors["number"]), None if parent == NONE else parent, values)

    def to_json(self) -> dict[str, Any]:
        """Return it as a part of a record of the log."""
        return {"individual": self.number, "parent": self.parent, **self.values}

    def sentence(self, member: int) -> str:
        """Return it in words.

        Args:
            member: The place that it fills.
        """
        begins = "from the beginning" if self.parent is None else f"a copy of {self.parent}"
        values = "".join(f", {name} {value:g}" for name, value in self.values.items())
        return f"individual {self.number} in member {member}, {begins}{values}"


def first_individual(whole: Recipe, table: EvolveByExchange, member: int) -> Individual:
    """Return who fills a place at first, with the hyperparameters of the recipe."""
    first = first_values(whole.tables)
    return Individual(member, None, {name: first[name][0] for name in table.vary.bounds()})


def member_seed(random_seed: int, member: int) -> int:
    """Return the random seed of a member: that of the recipe for the first one."""
    return stream_key(random_seed, "member", member) if member else random_seed


def individual_faults(
    given: Mapping[str, Tensor], like: Individual, table: EvolveByExchange, born: int
) -> list[str]:
    """Return in words what keeps an individual of a checkpoint from being taken up.

    Args:
        given: Its tensors, by name.
        like: One with the same hyperparameters.
        table: Their bounds.
        born: How many individuals there have been.
    """
    found = misfits(given, like.tensors(), exact=True)
    return found or list(_out_of_range(Individual.taken(given), table, born))


def _out_of_range(one: Individual, table: EvolveByExchange, born: int) -> Iterator[str]:
    if not 0 <= one.number < born:
        yield f"number is {one.number}, not within 0 to {born - 1}"
    if one.parent is not None and not 0 <= one.parent < one.number:
        yield f"parent is {one.parent}, not a number below its own, {one.number}"
    for name, (low, high) in table.vary.bounds().items():
        value = one.values[name]
        if not low <= value <= high:
            yield f"values.{name} is {value:g}, not within {low:g} to {high:g}"
