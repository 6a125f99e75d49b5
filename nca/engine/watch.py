"""Watch what rules write into: each sees a state once, which is compared before and after.

A view shows tensors that others see, too: the levels, the padded levels whose windows `shifted`
hands out, and the outcomes of convolutions that rules share.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nca.engine.layout import Layout
from nca.engine.program import Activation, CellMap, Correlation
from nca.engine.resample import AS_IS, Resampling
from nca.engine.rng import CellRNG
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.engine.step_inputs import DenseInputs, Shared
from nca.engine.stepper import StepSpec, check_change, shared_correlations_of
from nca.engine.topology import Topology
from nca.engine.view import View


@dataclass(frozen=True)
class Look:
    """What came of one look of a rule at a state.

    Attributes:
        level: The level of the rule.
        rule: The rule.
        written: What it has written into, in words.
    """

    level: str
    rule: UpdateRule
    written: tuple[str, ...]


class _Shown:
    """A tensor that a rule is shown, and what it held then."""

    def __init__(self, what: str, tensor: Tensor) -> None:
        self.what, self.tensor = what, tensor
        self.version, self.before = tensor._version, tensor.detach().clone()

    @property
    def written(self) -> bool:
        """Whether it was written into; torch counts writes, but not those through numpy."""
        now, before = self.tensor.detach(), self.before
        same = (now == before) | (now.isnan() & before.isnan())
        return self.tensor._version != self.version or not same.all()


class WatchedInputs(DenseInputs):
    """The inputs of a step that know what was shown, and what of it was written into.

    Args:
        state: The state before the step.
        layout: Its levels.
        topology: What lies beyond the edge of the grid.
        shared: Correlations that are one convolution.
        rng: The randomness of the step, if it is not the state's own.
        resampling: How levels of another resolution are read.
    """

    def __init__(
        self,
        state: State,
        layout: Layout,
        topology: Topology,
        shared: Shared | None = None,
        rng: CellRNG | None = None,
        resampling: Resampling = AS_IS,
    ) -> None:
        super().__init__(state, layout, topology, shared, rng, resampling)
        self._shown: dict[int, _Shown] = {}
        for name, level in state.items():
            self._note(f"level {name}", level)

    @property
    def written(self) -> tuple[str, ...]:
        """What was written into, in words."""
        shown = [one for each in (self, *self._readers.values()) for one in each._shown.values()]
        return tuple(dict.fromkeys(one.what for one in shown if one.written))

    def level(self, name: str) -> Tensor:
        """Return a level; see `DenseInputs`."""
        level = super().level(name)
        self._note(f"level {name}", level)
        return level

    def perceive(
        self, level: str, correlation: Correlation, activation: Activation = "none"
    ) -> Tensor:
        """Return an activation of the outcome of a correlation; see `DenseInputs`."""
        outcome = super().perceive(level, correlation, activation)
        if any(outcome is one for parts in self._outcomes.values() for one in parts):
            self._note(f"what rules perceive of level {level}", outcome)
        return outcome

    def padded(self, name: str, radii: tuple[int, ...], cell_map: CellMap | None = None) -> Tensor:
        """Return a level with more cells on both ends of each axis; see `DenseInputs`."""
        padded = super().padded(name, radii, cell_map)
        self._note(f"the neighbours in level {name}", padded)
        return padded

    def _note(self, what: str, tensor: Tensor) -> None:
        self._shown.setdefault(id(tensor), _Shown(what, tensor))


def watched_looks(spec: StepSpec, state: State) -> Iterator[Look]:
    """Yield what comes of it when every rule sees a state once, each a copy of its own.

    Args:
        spec: What a step is.
        state: It is left as it is.

    Raises:
        ShapeError: A rule's change does not fit its level.
    """
    shared = shared_correlations_of(spec)
    for name in spec.rules:
        context = spec.context(name, state.axes)
        for number, rule in enumerate(spec.rules_of(name)):
            inputs = WatchedInputs(state.map(torch.clone), spec.layout, spec.topology, shared)
            reads = frozenset(context.name_of(read) for read in rule.reads)
            view = View(inputs.read_by(context.own), context, reads, f"rule/{name}/{number}")
            change = rule(view)
            check_change(change, inputs.state[name], rule, name, number)
            yield Look(name, rule, inputs.written)
