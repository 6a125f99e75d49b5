"""Which keys of a checkpoint's recipe a command reads; overrides of others are refused.

Grid, levels, rollout and task count for everything that an automaton does. `[train]`, `[pool]` and
`[evaluate]` count for some of it, and `plugins` for nothing: a checkpoint executes no file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nca.errors import NCAError
from nca.recipe.tables import Tables

SOME = ("plugins", "train", "pool", "evolve", "evaluate", "rollout.steps")
"""The keys, and tables of keys, that do not count for everything."""


BEGINNING = ("train.pretrained",)
"""The keys that count where a run begins, and never again."""


@dataclass(frozen=True)
class Reads:
    """What a command reads of a recipe, beside grid, levels, rollout and task.

    Attributes:
        keys: Keys, and tables of keys.
        moments: Whether it takes the steps of `[evaluate]`, or else follows those of training.
        outvoted: Options of the command line that count in place of a key.
    """

    keys: frozenset[str]
    moments: bool = False
    outvoted: Mapping[str, str] = field(default_factory=dict)

    def without(self, **options: tuple[Any, ...]) -> "Reads":
        """Return the same, where options that were given take the place of keys.

        Args:
            options: By the name of an option: its value, then the keys.
        """
        given = {
            key: f"--{name.replace('_', '-')}"
            for name, (value, *keys) in options.items()
            if value not in (None, [], ())
            for key in keys
        }
        return replace(self, outvoted=given)

    def with_plugins(self) -> "Reads":
        """Return what is read of a recipe that is no checkpoint's: its plugins are executed."""
        return replace(self, keys=self.keys | {"plugins"})

    def read(self, tables: Tables) -> frozenset[str]:
        """Return the keys that count under a recipe."""
        if not self.moments:
            return self.keys
        trained = tables.evaluate.steps in ((), "settle")
        return self.keys | {"evaluate.steps", *(["rollout.steps"] if trained else [])}

    def refuse_others(
        self, before: Tables, after: Tables, overrides: tuple[str, ...], path: Path
    ) -> None:
        """Refuse overrides that have changed a key which is not read.

        Raises:
            NCAError: They have.
        """
        read, changed = self.read(after), set(_changed(before, after))
        idle = {key for key in changed if _in(key, SOME) and not _in(key, read)}
        idle |= changed & {*BEGINNING}
        # a table that was not there comes with the keys it needs
        for name in ("train", "pool", "evolve"):
            if getattr(before, name) is None and any(_in(key, read) for key in changed):
                idle = {key for key in idle if not _in(key, [name])}
        outvoted = {key: by for key, by in self.outvoted.items() if _any_in(changed, key)}
        if not idle | set(outvoted):
            return
        words = [f"{key} (given by {by})" for key, by in outvoted.items()]
        counts = ", ".join(sorted({*SOME} & read | read)) or "nothing"
        raise NCAError(
            "an override would have no effect on this: "
            f"{', '.join([*sorted(idle - set(outvoted)), *words])}.",
            where=f"--set {' --set '.join(overrides)}, {path}",
            to_do=_advice(idle, bool(outvoted), counts),
        )


def _advice(idle: set[str], outvoted: bool, counts: str) -> str:
    if "plugins" in idle:
        return "a checkpoint executes no file by itself: name yours by --plugin FILE"
    if outvoted:
        return "leave out the override, or the option"
    if idle <= {*BEGINNING}:
        return "it counts where training begins: nca run RECIPE --from CHECKPOINT"
    return (
        "leave it out, or train under it: nca run RECIPE --set ...; beside grid, levels, "
        f"rollout and task, what counts here is: {counts}"
    )


MODEL = Reads(frozenset())
"""The automaton alone."""
COMPUTED = Reads(frozenset({"train.precision"}))
"""The automaton, in the precision of its training."""
DRAWN = Reads(frozenset({"train.precision"}), moments=True)
"""Its states, at the moments of its evaluation."""
EVALUATED = Reads(frozenset({"train.precision", "evaluate"}), moments=True)
"""Its evaluation."""
GROUPED = Reads(frozenset({"train.precision", "evaluate.batch"}), moments=True)
"""Its states in batches, at a moment of its evaluation."""
EXAMINED = Reads(frozenset({"train.precision", "rollout.steps"}))
"""Its states after as many steps as it was trained for."""
SHOWN = Reads(frozenset({"pool.swapped", "rollout.steps"}))
"""The automaton, with what training says of how long it holds, and of changing inputs."""
PLAYED = Reads(SHOWN.keys | COMPUTED.keys)
"""The same, in the precision of its training."""
TIMED = Reads(frozenset({"train.batch", "train.memory", "evaluate.batch", "rollout.steps"}))
"""Its steps, forward and back, as many at once as it is trained with."""
PLANNED = Reads(
    TIMED.keys - {"evaluate.batch"}
    | {f"train.{key}" for key in ("parts", "precision", "last_states", "average", "compile")}
    | {"pool", "evolve"}
)
"""An iteration of its training."""
TRAINED = Reads(frozenset(SOME) - {"plugins"})
"""All that training reads of the recipe that it goes on with."""
ALL = Reads(EVALUATED.keys | PLAYED.keys, moments=True)
"""All that counts for anything but training."""


def _in(key: str, places: Any) -> bool:
    return any(key == place or key.startswith(f"{place}.") for place in places)


def _any_in(keys: set[str], place: str) -> bool:
    return any(_in(key, [place]) for key in keys)


def _changed(before: Tables, after: Tables) -> Iterator[str]:
    """Yield the keys whose values differ, `table.key`."""
    old, new = dict(_leaves(before.model_dump())), dict(_leaves(after.model_dump()))
    return (key for key in {**old, **new} if old.get(key) != new.get(key))


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and (above or key in ("train", "pool", "evaluate", "rollout")):
            yield from _leaves(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", value
