"""One step as a function of tensors, random numbers included: what is traced into ONNX."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from nca.engine.automaton import Automaton
from nca.engine.rng import CellRNG
from nca.engine.state import State
from nca.engine.stepper import dense_step, shared_correlations_of
from nca.errors import ExportError
from nca.export.onnx_inputs import TracedInputs, exportable


class GivenNumbers:
    """Random numbers that are given from outside, by the name of their stream.

    Args:
        numbers: Fire masks and noise, as the inputs of the model are named.
    """

    def __init__(self, numbers: Mapping[str, Tensor]) -> None:
        self.numbers = numbers

    def chance(self, stream: str, probability: float, channels: int, size: Any) -> Tensor:
        """Return a mask."""
        return self._named(stream)

    def normal(self, stream: str, channels: int, size: Any) -> Tensor:
        """Return noise, whatever its distribution."""
        return self._named(stream)

    uniform = normal

    def at_scale(self, scale: int) -> "GivenNumbers":
        """Return the same numbers: those of a level come on its own grid."""
        return self

    def _named(self, stream: str) -> Tensor:
        if stream not in self.numbers:
            raise ExportError(
                "a rule draws random numbers of its own, and the model has no input for them.",
                where=stream,
                to_do="export an automaton whose rules draw none outside of training",
            )
        return self.numbers[stream]


class Step(nn.Module):
    """One step as a function of tensors: levels, fire masks, noise.

    Args:
        automaton: Whose step it is; it is copied, and its rules are the same.
    """

    def __init__(self, automaton: Automaton) -> None:
        super().__init__()
        self.automaton = copy.deepcopy(automaton).eval()
        self.spec = replace(self.automaton.spec, topology=exportable(automaton.topology))
        self.levels = list(automaton.layout)
        noisy = bool(self.spec.noise and self.spec.noise.scale)
        writable = self.spec.writable_levels
        self.fires = [name for name in writable if self.spec.rules_of(name) or noisy]
        self.noises = writable if noisy else []
        self.changes = writable if self.spec.alive else self.fires

    @property
    def inputs(self) -> list[str]:
        """The names of the inputs, in order."""
        fires = [f"fire/{name}" for name in self.fires]
        return [*self.levels, *fires, *(f"noise/{name}" for name in self.noises)]

    @property
    def levels_of_inputs(self) -> list[str]:
        """The level of whose cells each input is."""
        return [*self.levels, *self.fires, *self.noises]

    @property
    def outputs(self) -> list[str]:
        """The names of the outputs, in order."""
        return [f"{name}/next" for name in self.changes]

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Return the levels that may have changed, after a step."""
        given = dict(zip(self.inputs, tensors, strict=True))
        samples = torch.zeros(1, dtype=torch.int64)
        state = State({name: given[name] for name in self.levels}, samples=samples)
        rng = cast(CellRNG, GivenNumbers(given))
        shared = shared_correlations_of(self.spec)
        inputs = TracedInputs(state, self.spec.layout, self.spec.topology, shared, rng)
        # a rate below 1 makes the step ask for the mask
        after = dense_step(self.spec, inputs, fire_rate=0.5)
        return tuple(after[name].contiguous() for name in self.changes)

    def tensors(self, state: State, fire_rate: float) -> list[Tensor]:
        """Return the inputs for the step that a state takes next, as torch would draw them."""
        source, noise = state.rng, self.spec.noise
        found = [state[name].contiguous() for name in self.levels]
        for name in self.fires:
            size = state.size(name)
            fire = source.chance(f"fire/{name}", fire_rate, 1, size)
            found.append(fire.to(state[name].dtype).contiguous())
        for name in self.noises:
            assert noise
            draw = source.normal if noise.kind == "normal" else source.uniform
            drawn = draw(f"noise/{name}", state[name].shape[1], state.size(name))
            found.append(drawn.to(state[name].dtype).contiguous())
        return found
