"""What is wrong with values that are fine alone, but not together.

`conflicts` cannot be: no automaton could be built. `senseless` could be, and means nothing: a drop
after the last iteration, a key without effect. A checkpoint may hold such a recipe, for what it
says of training lies behind it; a new run may not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from torch import nn

from nca.engine.needs import BESIDE
from nca.errors import PluginError, RegistryError
from nca.recipe.memory import beyond
from nca.recipe.tables import (
    Evaluate,
    EvolveByExchange,
    EvolveByStrategies,
    LevelTable,
    RuleTable,
    Tables,
    Train,
)
from nca.recipe.varied import first_values
from nca.registry.registry import registry
from nca.validation.faults import Fault, KeyPath, toml_value

WORDS = ("own", "below", "above", "training")
"""What views call levels, and modules themselves."""

SIZE: KeyPath = ("grid", "size")
ITERATIONS: KeyPath = ("train", "iterations")


def conflicts(tables: Tables) -> Iterator[Fault]:
    """Yield the faults of what cannot be."""
    yield from _levels(tables)
    for number, level in enumerate(tables.levels):
        for place, rule in enumerate(level.rules):
            yield from _needs(tables, number, ("levels", number, "rules", place), rule)
    yield from _grid(tables)
    yield from _rollout(tables)
    yield from _training(tables)
    yield from beyond(tables)


def senseless(tables: Tables) -> Iterator[Fault]:
    """Yield the faults of what could be, and means nothing."""
    if not any(level.rules for level in tables.levels):
        yield Fault(("levels",), "have no rules", "nothing would ever change: give one rules")
    if tables.rollout.fire_rate == 0:
        path = ("rollout", "fire_rate")
        yield Fault(path, "is 0", "no cell would ever change: a number above 0")
    if tables.train:
        yield from _schedule(tables.train)
        yield from _steps(tables.train, tables.rollout.steps)
    yield from _pool(tables)
    yield from _evolution(tables)
    yield from _evaluation(tables.evaluate, any(level.input for level in tables.levels))


def _levels(tables: Tables) -> Iterator[Fault]:
    names = [level.name for level in tables.levels]
    for number, level in enumerate(tables.levels):
        path = ("levels", number, "name")
        if level.name in names[:number]:
            yield Fault(path, f"is {toml_value(level.name)}, again", "name each level once")
        if hasattr(nn.ModuleDict, level.name) or hasattr(nn.ModuleDict(), level.name):
            yield Fault(
                path, f"is {toml_value(level.name)}", "torch uses that word: choose another"
            )
        elif level.name in WORDS:
            yield Fault(path, f"is {toml_value(level.name)}", "views use that word: choose another")
        if level.input and level.rules:
            to_do = "nothing writes to an input level: move its rules to a level above"
            yield Fault(("levels", number, "rules"), "on an input level", to_do)


def _needs(tables: Tables, number: int, path: KeyPath, rule: RuleTable) -> Iterator[Fault]:
    """Yield what a rule's class needs and its place does not have."""
    try:
        kind = registry.get("rule", rule.name)
    except (RegistryError, PluginError):
        return  # that is a fault of its own
    level, names = tables.levels[number], [row.name for row in tables.levels]
    if needed := kind.needs.wrong_channels(level.channels):
        to_do = f"rule {toml_value(rule.name)} needs {needed}"
        yield Fault(("levels", number, "channels"), f"is {level.channels}", to_do, others=(path,))
    axes = len(tables.grid.size)
    if needed := kind.needs.wrong_axes(axes):
        words = f"has {axes} {'axis' if axes == 1 else 'axes'}"
        to_do = f"rule {toml_value(rule.name)} needs {needed}"
        yield Fault(SIZE, words, to_do, others=(path,))
    if kind.needs.alone and len(level.rules) > 1:
        to_do = f"rule {toml_value(rule.name)} is alone on its level"
        yield Fault(("levels", number, "rules"), f"are {len(level.rules)}", to_do, others=(path,))
    for where, offset in BESIDE.items():
        other = tables.levels[number + offset] if 0 <= number + offset < len(names) else None
        if other and (needed := kind.needs.too_few_beside(where, _channels(level, other, axes))):
            place = ("levels", number + offset, "channels")
            to_do = f"rule {toml_value(rule.name)} needs {needed}"
            yield Fault(place, f"is {other.channels}", to_do, others=(path,))
    beside = {"below": number > 0, "above": number + 1 < len(names), "own": True}
    for read in kind.reads:
        if not beside.get(read, read in names):
            where = read if read in beside else "named"
            missing = f"level {where} {toml_value(level.name if read in beside else read)}"
            to_do = f"rule {toml_value(rule.name)} reads it: add it, or move the rule"
            yield Fault((*path, "name"), f"has no {missing}", to_do, others=(("levels",),))


def _channels(reader: LevelTable, other: LevelTable, axes: int) -> int:
    """Return how many channels of a level rules of another one read."""
    return reader.level.resampling.channels(other.channels, other.scale, axes)


def _grid(tables: Tables) -> Iterator[Fault]:
    scales = [level.scale for level in tables.levels]
    if (coarsest := max(scales)) > 1 and any(side % coarsest for side in tables.grid.size):
        key: KeyPath = ("levels", scales.index(coarsest), "scale")
        to_do = f"let each side be a multiple of {coarsest}, the coarsest scale"
        yield Fault(SIZE, f"is {toml_value(tables.grid.size)}", to_do, others=(key,))
    if min(scales) > 1:
        key = ("levels", scales.index(min(scales)), "scale")
        to_do = "[grid] size counts cells of scale 1: give it to the finest level"
        yield Fault(key, f"is {min(scales)}, and no level has scale 1", to_do)
    axes, topology = len(tables.grid.size), tables.grid.topology
    if len(topology) not in (1, axes):
        to_do = f"name one boundary for all, or one for each of the {axes} axes"
        path = ("grid", "topology")
        yield Fault(path, f"names {len(topology)} axes", to_do, others=(SIZE,))


def _rollout(tables: Tables) -> Iterator[Fault]:
    levels = {row.name: row.level for row in tables.levels}
    if alive := tables.rollout.alive:
        path, longest = ("rollout", "alive"), max(tables.grid.size)
        yield from under(path, alive.misfits(levels), ("levels",))
        if alive.radius > longest:
            to_do = f"the grid has {longest} cells along its longest side"
            yield Fault((*path, "radius"), f"is {alive.radius}", to_do, others=(SIZE,))
    for number, skip in enumerate(tables.rollout.skips):
        yield from under(("rollout", "skips", number), skip.misfits(levels), ("levels",))


def _training(tables: Tables) -> Iterator[Fault]:
    pool, train, batch = tables.pool, tables.train, ("train", "batch")
    if pool and train:
        yield from under(("pool",), pool.misfits(train.batch), batch)
    if train and train.batch % train.parts:
        to_do = f"a number that divides the batch of {train.batch}"
        yield Fault(("train", "parts"), f"is {train.parts}", to_do, others=(batch,))
    if isinstance(tables.evolve, EvolveByExchange) and train:
        yield from _exchange(tables, tables.evolve, train)
    if train and tables.task is None:
        yield Fault(("task",), "is missing", "training needs a task: add [task]")


def _exchange(tables: Tables, table: EvolveByExchange, train: Train) -> Iterator[Fault]:
    half = table.population // 2
    if table.replace > half:
        to_do = f"at most half of the population of {table.population}: {half}"
        size = ("evolve", "population")
        yield _of("evolve", "replace", f"is {table.replace}", to_do, size)
    first = first_values(tables)
    for name, (low, high) in table.vary.bounds().items():
        path, known = ("evolve", "vary", name), first[name]
        least = f"from {train.last_states}, the [train] last_states"
        if not known:
            to_do = f"copies vary what there is: give {WHERE[name]}, or leave it out"
            yield Fault(path, "is not in the recipe", to_do)
        elif len(known) > 1:
            values = ", ".join(f"{value:g}" for value in known)
            yield Fault(path, f"has different values: {values}", "give all rules the same one")
        elif not low <= known[0] <= high:
            to_do = f"bounds with the recipe's own value between them, {known[0]:g}"
            yield Fault(path, f"is [{low:g}, {high:g}]", to_do)
        elif name == "steps" and low < train.last_states:
            yield Fault(path, f"is [{low:g}, {high:g}]", f"bounds {least}")


WHERE = {
    "noise": "[rollout] noise a scale above 0",
    "fire_rate": "[rollout] fire_rate a number above 0",
    "dropout": "a rule that has the option a dropout above 0",
}
"""What gives a hyperparameter a value that factors can change."""


def _schedule(train: Train) -> Iterator[Fault]:
    below = f"below the {train.iterations:,} iterations"
    if train.warmup >= train.iterations:
        yield _of("train", "warmup", f"is {train.warmup}", f"a number {below}", ITERATIONS)
    for number, drop in enumerate(train.drops):
        if drop >= train.iterations:
            path = ("train", "drops", number)
            yield Fault(path, f"is {drop}, and never comes", below, others=(ITERATIONS,))
    rising = sorted(set(train.drops))
    if list(train.drops) != rising:
        words = f"is {toml_value(train.drops)}"
        yield _of("train", "drops", words, f"give each once, rising: {rising}")
    schedule = ("train", "schedule")
    if train.schedule == "drops":
        if not train.drops:
            to_do = "say at which iterations: drops = [1000]"
            yield _of("train", "schedule", 'is "drops"', to_do, ("train", "drops"))
        if train.drop_factor in (0, 1):
            words = "nothing is learnt after the first drop" * (not train.drop_factor)
            to_do = f"{words or 'a drop changes nothing'}: a number between 0 and 1"
            yield _of("train", "drop_factor", f"is {train.drop_factor:g}", to_do, schedule)
    yield from _idle("train", train, "drops", train.schedule == "drops", 'schedule = "drops"')
    yield from _idle("train", train, "drop_factor", train.schedule == "drops", 'schedule = "drops"')
    gliding = train.schedule in ("linear", "cosine")
    yield from _idle("train", train, "final", gliding, 'schedule = "linear" or "cosine"')
    yield from _idle("train", train, "clip", train.gradient == "clipped", 'gradient = "clipped"')
    share = train.learning_rate * train.weight_decay
    if train.optimiser == "adamw" and share >= 1:
        to_do = "an iteration would take away all of a weight: learning_rate * weight_decay below 1"
        words = f"is {train.weight_decay:g}"
        yield _of("train", "weight_decay", words, to_do, ("train", "learning_rate"))


def _steps(train: Train, steps: tuple[int, int]) -> Iterator[Fault]:
    key = ("rollout", "steps")
    if train.last_states > steps[0]:
        to_do = f"at most the {steps[0]} steps of the shortest rollout"
        yield _of("train", "last_states", f"is {train.last_states}", to_do, key)
    if (train.memory.every or 0) > steps[1]:
        to_do = f"at most the {steps[1]} steps of the longest rollout"
        path = ("train", "memory", "every")
        yield Fault(path, f"is {train.memory.every}", to_do, others=(key,))


def _pool(tables: Tables) -> Iterator[Fault]:
    pool, train = tables.pool, tables.train
    if pool is None:
        return
    if train is None:
        yield Fault(
            ("pool",),
            "has no effect",
            "only training has a pool: add [train]",
            others=(("train",),),
        )
        return
    if pool.begin >= train.iterations:
        to_do = f"below the {train.iterations:,} iterations, or leave [pool] out"
        yield _of("pool", "begin", f"is {pool.begin}, and never comes", to_do, ITERATIONS)
    if pool.fresh == train.batch:
        to_do = f"the batch has no more, so that no state lives on: below {train.batch}"
        yield _of("pool", "fresh", f"is {pool.fresh}", to_do, ("train", "batch"))
    if pool.swapped and not any(level.input for level in tables.levels):
        to_do = "no level holds an input that could be exchanged: leave it out"
        yield _of("pool", "swapped", f"is {pool.swapped}", to_do, ("levels",))


def _evolution(tables: Tables) -> Iterator[Fault]:
    train = tables.train
    if tables.evolve is None:
        return
    if train is None:
        to_do = "only training moves weights: add [train]"
        yield Fault(("evolve",), "has no effect", to_do, others=(("train",),))
        return
    if isinstance(tables.evolve, EvolveByStrategies):
        for key in ("memory", "parts", "compile"):
            if getattr(train, key) != type(train).model_fields[key].default:
                to_do = "[evolve] follows no gradient: leave it out"
                yield _of("train", key, "has no effect", to_do, ("evolve",))
    elif train.compile != "never":
        to_do = "every member would be compiled by itself, and each copy anew: leave it out"
        yield _of("train", "compile", f'is "{train.compile}"', to_do, ("evolve",))
    table = tables.evolve
    if isinstance(table, EvolveByExchange) and table.replace and table.every >= train.iterations:
        to_do = f"below the {train.iterations:,} iterations, or let replace be 0"
        yield _of("evolve", "every", f"is {table.every}, and never comes", to_do, ITERATIONS)


def _evaluation(table: Evaluate, inputs: bool) -> Iterator[Fault]:
    if table.disturb == "swap" and not inputs:
        to_do = "no level holds an input that could be exchanged"
        yield _of("evaluate", "disturb", 'is "swap"', to_do, ("levels",))
    elif table.disturb == "swap" and 1 in (table.batch, table.samples):
        key = "batch" if table.batch == 1 else "samples"
        to_do = "a sample gets the input of the next one: at least 2"
        yield _of("evaluate", key, "is 1", to_do, ("evaluate", "disturb"))
    settling = table.steps == "settle"
    for key in ("tolerance", "at_most"):
        yield from _idle("evaluate", table, key, settling, 'steps = "settle"')
    if settling and table.tolerance >= 1:
        to_do = "everything would be at rest: a share below 1"
        yield _of("evaluate", "tolerance", f"is {table.tolerance:g}", to_do, ("evaluate", "steps"))


def _idle(name: str, table: Any, key: str, used: bool, by: str) -> Iterator[Fault]:
    """Yield the fault of a key that was given, and that only another value of another key uses."""
    value, default = getattr(table, key), type(table).model_fields[key].default
    if not used and value != default:
        other = (name, by.partition(" ")[0])
        yield _of(name, key, "has no effect", f"only {by} uses it: leave it out", other)


def _of(table: str, key: str, what: str, to_do: str, *others: KeyPath) -> Fault:
    return Fault((table, key), what, to_do, others=others)


def under(path: KeyPath, faults: Iterable[Fault], *others: KeyPath) -> Iterator[Fault]:
    """Yield faults of a table in their place in the recipe."""
    for fault in faults:
        yield replace(fault, path=(*path, *fault.path), others=(*fault.others, *others))
