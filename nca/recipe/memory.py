"""What a recipe's states alone take of memory, counted before any of them is made."""

import math
from collections.abc import Iterator

from nca.engine.capacity import in_bytes
from nca.recipe.tables import EvolveByExchange, EvolveByStrategies, Tables
from nca.validation.faults import Fault, KeyPath

NUMBER = 4
"""Bytes of a number of a state."""

MOST = 1 << 42
"""Bytes that no machine holds."""


def state_bytes(tables: Tables) -> dict[KeyPath, int]:
    """Return the bytes of states that a run holds at a time, by the key that counts them."""
    one = _one(tables)
    counts: dict[KeyPath, int] = {}
    if tables.train:
        evolve = tables.evolve
        trials = evolve.population + 1 if isinstance(evolve, EvolveByStrategies) else 1
        counts["train", "batch"] = trials * (tables.train.batch // tables.train.parts) * one
    if tables.train and tables.pool:
        pools = tables.evolve.population if isinstance(tables.evolve, EvolveByExchange) else 1
        counts["pool", "size"] = pools * tables.pool.size * one
    return counts


def beyond(tables: Tables, total: int = MOST) -> Iterator[Fault]:
    """Yield the faults of states that do not fit into so many bytes."""
    one, cells = _one(tables), math.prod(tables.grid.size)
    advice = f"there are {in_bytes(total)} in all" if total < MOST else "no machine holds that"
    if one > total:
        channels = max(range(len(tables.levels)), key=lambda n: tables.levels[n].channels)
        wide = tables.levels[channels].channels > cells
        path: KeyPath = ("levels", channels, "channels") if wide else ("grid", "size")
        yield Fault(
            path,
            f"makes a state of {in_bytes(one)}",
            f"{advice}: fewer cells in [grid] size, or fewer channels in [[levels]]",
        )
        return
    for key, count in state_bytes(tables).items():
        if count > total:
            yield Fault(
                key,
                f"makes states of {in_bytes(count)}",
                f"{advice}: fewer of them, fewer cells in [grid] size, or fewer channels",
            )


def _one(tables: Tables) -> int:
    size, levels = tables.grid.size, tables.levels
    return NUMBER * sum(
        row.channels * math.prod(max(side // row.scale, 1) for side in size) for row in levels
    )
