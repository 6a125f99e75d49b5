"""An example of a law in words, and as a line of Python that reproduces it."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

import torch

from nca.engine.activation_memory import ActivationMemory
from nca.engine.conditions import Alive, Noise
from nca.engine.topology import Topology


def _by(sides: tuple[int, ...]) -> str:
    return " x ".join(map(str, sides))


def _steps(steps: int) -> str:
    return f"{steps} {'step' if steps == 1 else 'steps'}"


def _alive(alive: Alive | None) -> str:
    if alive is None:
        return "no alive mask"
    return (
        f'alive above {alive.above:g} in channel {alive.channel} of "{alive.level}"'
        f"{f', radius {alive.radius}' if alive.radius != 1 else ''}, the dead {alive.dead}"
    )


def _noise(noise: Noise | None) -> str:
    return f"{noise.kind} noise of {noise.scale:g}" if noise else "no noise"


def _memory(memory: ActivationMemory) -> str:
    every = f", every {memory.every} steps" if memory.every else ""
    return f"memory {memory.mode}{every}"


def _topology(topology: Topology, axes: int) -> str:
    kinds = topology.of(axes)
    return f"topology {kinds[0] if len(set(kinds)) == 1 else ', '.join(kinds)}"


WORDS: dict[str, Callable[[Any, int], str]] = {
    "size": lambda size, axes: f"a grid of {_by(size[:axes])} cells",
    "scales": lambda scales, _: f"levels of scale {', '.join(map(str, scales))}",
    "coarsen": lambda way, _: f"finer ones read by their {way}",
    "refine": lambda way, _: f"coarser ones read {way}",
    "room": lambda room, axes: f"a grid {_by(room[:axes])} cells larger than a neighbourhood",
    "tall": lambda tall, _: f"{tall} times as high",
    "offset": lambda offset, axes: f"moved by ({', '.join(map(str, offset[:axes]))})",
    "laps": lambda laps, axes: f"repeated {_by(laps[:axes])} times",
    "cell": lambda cell, axes: f"the cell ({', '.join(map(str, cell[:axes]))})",
    "steps": lambda steps, _: _steps(steps),
    "first": lambda steps, _: f"{_steps(steps)} first",
    "second": lambda steps, _: f"{_steps(steps)} then",
    "cut": lambda cut, _: f"cut after {cut} of the samples",
    "alive": lambda alive, _: _alive(alive),
    "dead": lambda dead, _: f"the dead {dead}",
    "sparse": lambda sparse, _: "sparse steps" if sparse else "dense steps",
    "fire_rate": lambda rate, _: f"fire rate {rate:g}",
    "noise": lambda noise, _: _noise(noise),
    "topology": _topology,
    "training": lambda training, _: "in training" if training else "in evaluation",
    "dtype": lambda dtype, _: str(dtype).removeprefix("torch."),
    "memory": lambda memory, _: _memory(memory),
    "few": lambda few, _: f"cells one by one up to a share of {few:g}",
    "seed": lambda seed, _: f"random seed {seed}",
    "other_seed": lambda seed, _: f"another of {seed}",
    "random_seed": lambda seed, _: f"random seed {seed}",
}
"""What each argument of a law's example is in words, on a grid of so many axes."""


def example_in_words(example: Mapping[str, Any], axes: int) -> str:
    """Return an example in words; one without arguments is that of the law's defaults."""
    return ", ".join(WORDS[name](value, axes) for name, value in example.items())


def line_of_python(
    rule: str,
    law: str,
    example: Mapping[str, Any],
    plugin: str = "",
    options: Mapping[str, Any] | None = None,
) -> str:
    """Return a line that checks one example again.

    Args:
        rule: The name of the rule as a literal, or its class.
        law: The name of the law.
        example: Its arguments.
        plugin: The file that registers the rule, if one does.
        options: Of the rule.
    """
    arguments = [rule, repr(law)] + ([f"plugin={plugin!r}"] if plugin else [])
    arguments += [f"options={dict(options)!r}"] if options else []
    arguments += [f"{name}={_literal(value)}" for name, value in example.items()]
    torch_too = any(isinstance(value, torch.dtype) for value in example.values())
    modules = "nca, nca.testing" + ", torch" * torch_too
    return f"import {modules}; nca.testing.reproduce({', '.join(arguments)})"


def _literal(value: Any) -> str:
    return f"nca.{value!r}" if is_dataclass(value) else repr(value)
