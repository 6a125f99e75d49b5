"""Controls: numbers that may change while an automaton runs, its own and those of its rules."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, get_args

from nca.engine.automaton import Automaton
from nca.engine.conditions import Noise
from nca.engine.rule import UpdateRule
from nca.engine.topology import Topology
from nca.errors import ShapeError
from nca.types import Boundary

Value: TypeAlias = float | str

MIXED = "mixed"
"""The topology of a grid whose axes end in different ways."""


@dataclass(frozen=True)
class Control:
    """A number, or a choice, that may change while the automaton runs.

    Attributes:
        words: Its label.
        value: Where it stands in the recipe.
        low: Its least value.
        high: Its greatest value.
        choices: The words to choose among; nothing for a number.
    """

    words: str
    value: Value
    low: float = 0.0
    high: float = 1.0
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> Value:
        """Return a value that this control can take.

        Raises:
            ShapeError: It cannot.
        """
        if self.choices:
            if value in self.choices:
                return value
        elif isinstance(value, int | float) and self.low <= value <= self.high:
            return float(value)
        raise ShapeError(
            f"the control {name!r} cannot be {value!r}.",
            where=self.words,
            to_do=f"choose among {', '.join(self.choices)}"
            if self.choices
            else f"give a number from {self.low:g} to {self.high:g}",
        )


def controls_of(automaton: Automaton) -> dict[str, Control]:
    """Return the controls of an automaton, by name."""
    boundaries = automaton.topology.boundaries
    kinds = {boundaries} if isinstance(boundaries, str) else set(boundaries)
    topology = kinds.pop() if len(kinds) == 1 else MIXED
    controls = {
        "fire_rate": Control("fire rate", automaton.fire_rate),
        "noise": Control("noise", automaton.noise.scale if automaton.noise else 0.0),
        "step_size": Control("step size", automaton.step_size, 0.0, max(2.0, automaton.step_size)),
        "topology": Control("topology", topology, choices=get_args(Boundary)),
    }
    for name, (rule, attribute, words, low, high) in _offered(automaton).items():
        value = float(getattr(rule, attribute))
        controls[name] = Control(words, value, min(low, value), max(high, value))
    return controls


def with_controls(automaton: Automaton, values: Mapping[str, Value]) -> Automaton:
    """Return a copy of an automaton with some controls turned; it keeps its own weights."""
    if not values:
        return automaton
    automaton = copy.deepcopy(automaton)
    offered = _offered(automaton)
    for name, value in values.items():
        match name:
            case "noise":
                kind = automaton.noise or Noise(0.0)
                automaton.noise = replace(kind, scale=float(value), when="always")
            case "topology":
                automaton.topology = Topology(value)  # pyright: ignore[reportArgumentType]
            case "fire_rate" | "step_size":
                setattr(automaton, name, float(value))
            case _:
                rule, attribute, *_ = offered[name]
                setattr(rule, attribute, float(value))
    return automaton


def _offered(automaton: Automaton) -> dict[str, tuple[UpdateRule, str, str, float, float]]:
    """Return what the rules offer to turn: rule, attribute, words, least and greatest value."""
    found = {}
    for level in automaton.rules:
        for number, rule in enumerate(automaton.rules_of(level)):
            for words, (attribute, low, high) in rule.adjustable.items():
                name = f"{level}/{number}/{attribute}"
                found[name] = (rule, attribute, f"{level}: {words}", low, high)
    return found
