"""What a rule may see of one step.

The view hands out the levels that the rule has declared to read, in the grid of the rule's own
level, their wrapped neighbourhoods and shares of randomness, and nothing else: no other sample, no
clock but the step, and no absolute coordinates unless they are granted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from nca.engine.context import RuleContext
from nca.engine.program import Activation, Correlation
from nca.engine.rng import CellRNG
from nca.engine.step_inputs import StepInputs
from nca.engine.topology import Topology
from nca.errors import ShapeError
from nca.types import Size

RANDOM = "random numbers"

_beside: ContextVar[set[str] | None] = ContextVar("beside", default=None)


@contextmanager
def asked_beside_cells() -> Iterator[set[str]]:
    """Collect what rules ask views for beside cells, in words: of such, equal states may part."""
    found: set[str] = set()
    before, token = torch.random.get_rng_state(), _beside.set(found)
    try:
        yield found
    finally:
        _beside.reset(token)
        if not torch.random.get_rng_state().equal(before):
            found.add(RANDOM)


class View:
    """All that a rule may see of one step.

    Args:
        inputs: The state before the step in the grid of the rule's level, whole or as a list of the
            cells that can change.
        context: The surroundings of the rule.
        reads: What the rule has declared to read.
        stream: A name that no other rule of the automaton has, for its randomness.
    """

    def __init__(
        self, inputs: StepInputs, context: RuleContext, reads: frozenset[str], stream: str
    ) -> None:
        self._inputs = inputs
        self._context = context
        self._reads = reads
        self._stream = stream

    @property
    def own(self) -> Tensor:
        """The rule's own level, `(B, C, *space)`."""
        return self.level("own")

    @property
    def below(self) -> Tensor:
        """The level below, `(B, C below, *space)`."""
        return self.level("below")

    @property
    def above(self) -> Tensor:
        """The level above, `(B, C above, *space)`."""
        return self.level("above")

    @property
    def coordinates(self) -> Tensor:
        """Where each cell is, `(1, axes, *space)`, from 0 (included) to 1 (excluded) on each axis.

        Raises:
            ShapeError: The automaton does not grant them; they end its indifference to where a
                pattern stands.
        """
        if not self._context.coordinates:
            raise ShapeError(
                f'a rule of "{self._context.name}" asks where its cells are.',
                where=self._stream,
                to_do="grant it: Automaton(..., coordinates=True), in a recipe [grid] coordinates",
            )
        return self._inputs.coordinates(self._context.name)

    @property
    def samples(self) -> int:
        """How many samples are shown, B: one where the cells that can change are listed."""
        return self._inputs.level(self._context.name).shape[0]

    @property
    def step(self) -> int:
        """How many steps the state has taken before this one."""
        _note("the number of the step")
        return self._inputs.state.step

    @property
    def topology(self) -> Topology:
        """What lies beyond the edge of the grid, as it is now: a person may turn it."""
        return self._inputs.topology

    def level(self, name: str) -> Tensor:
        """Return a level by name, or by `own`, `below`, `above`: `(B, C, *space)`.

        One of another resolution comes in the grid of the rule's own level, as that says
        (`nca.Level`, `coarsen` and `refine`).

        Raises:
            ShapeError: The rule has not declared to read it.
        """
        level = self._context.name_of(name)
        self._permit(level, name)
        return self._inputs.level(level)

    def neighbours(self, tensor: Tensor, radius: int = 1) -> Tensor:
        """Return each cell's neighbourhood, itself included: `(B, N, C, *space)`.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            radius: Reach in cells along each axis.

        Returns:
            `N = (2 radius + 1) ** axes` neighbours in raster order of their offset.
        """
        return self._inputs.neighbours(tensor, radius)

    def shifted(self, tensor: Tensor, radius: int = 1) -> Sequence[Tensor]:
        """Return `neighbours` one by one, N times `(B, C, *space)`, without copying them.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            radius: Reach in cells along each axis.
        """
        return self._inputs.shifted(tensor, radius)

    def correlate(
        self, tensor: Tensor, weight: Tensor, bias: Tensor | None = None, *, groups: int = 1
    ) -> Tensor:
        """Correlate `(B, C, *space)` with an odd-sided kernel `(C out, C / groups, *kernel)`.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            weight: `(C out, C / groups, *kernel)`, every side odd; not flipped.
            bias: `(C out)`.
            groups: Into how many separate groups the channels fall.
        """
        return self._inputs.correlate(tensor, weight, bias, groups)

    def convolve(self, tensor: Tensor, kernel: Tensor, *, groups: int = 1) -> Tensor:
        """Correlate with a wide kernel: as `correlate`, directly or by Fourier transforms.

        Whichever of the two is faster is taken; they differ in rounding alone. Where the view
        lists some cells of a grid, it is the direct one. The transform of a kernel that needs no
        gradient is kept: hold on to the kernel, and do not write into its `.data`.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            kernel: `(C out, C / groups, *kernel)`, every side odd; not flipped, and of any width,
                also wider than the grid.
            groups: Into how many separate groups the channels fall.

        Raises:
            ShapeError: A kernel that does not fit.
        """
        return self._inputs.convolve(tensor, kernel, groups)

    def perceive(self, correlation: Correlation, activation: Activation = "none") -> Tensor:
        """Return an activation of the outcome of a declared correlation, `(B, C out, *space)`.

        Rules whose programs hold correlations of one level that differ in nothing but their
        numbers share one convolution.

        Args:
            correlation: Reads a level that the rule has declared to read.
            activation: What is done to its outcome.
        """
        level = self._context.name_of(correlation.level)
        self._permit(level, correlation.level)
        return self._inputs.perceive(level, correlation, activation)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel with each of K kernels.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            kernels: `(K, *kernel)`, every side odd; not flipped.

        Returns:
            `(B, K * C, *space)`: all channels through kernel 0, then all through kernel 1.
        """
        return self._inputs.stencils(tensor, kernels)

    def uniform(self, channels: int, share: str = "") -> Tensor:
        """Return the rule's own uniform numbers in [0, 1), float32 `(B, channels, *space)`.

        Args:
            channels: How many numbers each cell gets.
            share: A name for each further draw in the same step; the same name, the same numbers.
        """
        return self._rng.uniform(self._named(share), channels, self._size)

    def normal(self, channels: int, share: str = "") -> Tensor:
        """Return the rule's own normal numbers, float32 `(B, channels, *space)`; see `uniform`."""
        return self._rng.normal(self._named(share), channels, self._size)

    def chance(self, probability: float, channels: int, share: str = "") -> Tensor:
        """Return True with a probability, bool `(B, channels, *space)`; see `uniform`."""
        return self._rng.chance(self._named(share), probability, channels, self._size)

    def _permit(self, level: str, name: str) -> None:
        if level not in self._reads:
            raise ShapeError(
                f'a rule of "{self._context.name}" reads "{level}" without having said so.',
                where=f"it has declared: {', '.join(sorted(self._reads)) or 'nothing'}",
                to_do=f"add {name!r} to the rule's `reads`",
            )

    @property
    def _rng(self) -> CellRNG:
        _note(RANDOM)
        return self._inputs.rng.at_scale(self._context.own.scale)

    @property
    def _size(self) -> Size:
        return self._inputs.state.size(self._context.name)

    def _named(self, share: str) -> str:
        return f"{self._stream}/{share}"


def _note(what: str) -> None:
    if not torch.compiler.is_compiling() and (found := _beside.get()) is not None:
        found.add(what)
