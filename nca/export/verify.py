"""Compare what an export computes with what torch computes.

Both start from a state some steps after the first, so that its hidden channels
are at work, and let the same steps pass: with all cells firing, and firing as the recipe says.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ExportError

TOLERANCE = 1e-3
"""A greater difference than rounding makes in a few dozen steps of float32."""


@dataclass(frozen=True)
class Difference:
    """How far an export strays from torch.

    Attributes:
        greatest: The greatest difference of any number in any level, over all trials.
        synchronous: The greatest with all cells firing.
        asynchronous: The greatest with cells firing by chance, the same in both.
        steps: How many steps each trial took.
        scale: The greatest number in torch's states at the end, for comparison.
        engine: What the export ran in.
    """

    greatest: float
    synchronous: float
    asynchronous: float
    steps: int
    scale: float
    engine: str

    def to_json(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        """Return the figures as a line."""
        greatest = f"{self.greatest:.1e}" if self.greatest else "0"
        return (
            f"{greatest} is the greatest difference from torch after {self.steps} steps, "
            f"where numbers reach {self.scale:.2g} ({self.engine})"
        )


@torch.no_grad()
def torch_states(automaton: Automaton, begun: State, steps: int) -> dict[str, State]:
    """Return the states that torch ends with, by trial."""
    return {
        "synchronous": automaton.rollout(begun, steps, fire_rate=1.0),
        "asynchronous": automaton.rollout(begun, steps),
    }


def compare(
    expected: Mapping[str, State],
    found: Mapping[str, Mapping[str, Tensor]],
    steps: int,
    engine: str,
) -> Difference:
    """Return how far what was found is from what torch says.

    Raises:
        ExportError: Numbers that are not finite, or a difference that rounding does not explain.
    """
    far: dict[str, float] = {}
    scale = 0.0
    for trial, state in expected.items():
        far[trial] = 0.0
        for name, level in state.items():
            away = (found[trial][name].view(level.shape) - level.cpu()).abs().max().item()
            far[trial] = max(far[trial], away) if away == away else float("nan")
            scale = max(scale, level.abs().max().item())
    greatest = max(far.values(), key=lambda value: (value != value, value))
    if not greatest <= TOLERANCE * max(scale, 1.0):
        raise ExportError(
            f"the export strays from torch by {greatest:.2g} in {steps} steps, "
            f"where numbers reach {scale:.2g}.",
            where=engine,
            to_do="nothing was written; this is a fault of nca or of the engine, unless a rule "
            "depends on the step or on a random number of its own: please report it with the "
            "checkpoint",
        )
    return Difference(greatest, far["synchronous"], far["asynchronous"], steps, scale, engine)
