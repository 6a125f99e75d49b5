"""What a rule may see: where it stands, and one step's state from there.

The view hands out the levels that the rule has declared to read, their wrapped neighbourhoods and
shares of randomness, and nothing else: no other sample, no clock but the step, and no absolute
coordinates unless they are granted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from nca.backends.sparse import SparseInputs
from nca.engine.layout import Layout, Level
from nca.engine.step_inputs import DenseInputs
from nca.engine.topology import TORUS, Topology
from nca.errors import ShapeError
from nca.types import Size


@dataclass(frozen=True)
class RuleContext:
    """Where a rule stands: its level among the levels, in a grid of so many axes.

    A rule that needs to know takes it as its first argument.

    Attributes:
        layout: All levels, bottom level first.
        name: The level that the rule belongs to.
        axes: Axes of the grid: 1, 2 or 3.
        topology: What lies beyond the edge of the grid.
        coordinates: Whether cells may know where in the grid they are.
    """

    layout: Layout
    name: str
    axes: int = 2
    topology: Topology = TORUS
    coordinates: bool = False

    @property
    def own(self) -> Level:
        """The rule's own level."""
        return self.layout[self.name]

    @property
    def below(self) -> Level:
        """The level below.

        Raises:
            ShapeError: The rule's level is the bottom level.
        """
        return self._beside(-1, "below", "bottom")

    @property
    def above(self) -> Level:
        """The level above.

        Raises:
            ShapeError: The rule's level is the top level.
        """
        return self._beside(1, "above", "top")

    def level(self, name: str) -> Level:
        """Return any level, by name, or `own`, `below`, `above`.

        Raises:
            ShapeError: There is no such level.
        """
        match name:
            case "own":
                return self.own
            case "below":
                return self.below
            case "above":
                return self.above
            case _:
                return self.layout[name]

    def _beside(self, offset: int, word: str, end: str) -> Level:
        level = self.layout.beside(self.name, offset)
        if level is None:
            raise ShapeError(
                f'there is no level {word} "{self.name}", but a rule of it reads one.',
                where=f'"{self.name}" is the {end} level of {", ".join(self.layout)}',
                to_do=f'move the rule to another level, or add a level {word} "{self.name}"',
            )
        return level


class View:
    """All that a rule may see of one step.

    Args:
        scene: The state before the step, as a grid or as a list of the cells that can change.
        place: Where the rule stands.
        reads: What the rule has declared to read.
        stream: A name that no other rule of the automaton has, for its randomness.
    """

    def __init__(
        self,
        scene: DenseInputs | SparseInputs,
        place: RuleContext,
        reads: frozenset[str],
        stream: str,
    ) -> None:
        self._scene = scene
        self._place = place
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
    def perceived(self) -> Tensor:
        """The outcome of the kernel that the rule has declared, `(B, C out, *space)`.

        Raises:
            ShapeError: The rule has declared no kernel, or not to read its level.
        """
        level = self._scene.kernels.declared(self._stream).level
        self._permit(level, level)
        return self._scene.perceived(self._stream)

    @property
    def coordinates(self) -> Tensor:
        """Where each cell is, `(1, axes, *space)`, from 0 (included) to 1 (excluded) on each axis.

        Raises:
            ShapeError: The automaton does not grant them; they end its indifference to where a
                pattern stands.
        """
        if not self._place.coordinates:
            raise ShapeError(
                f'a rule of "{self._place.name}" asks where its cells are.',
                where=self._stream,
                to_do="grant it: Automaton(..., coordinates=True), in a recipe [grid] coordinates",
            )
        return self._scene.coordinates(self._place.name)

    @property
    def step(self) -> int:
        """How many steps the state has taken before this one."""
        return self._scene.state.step

    @property
    def topology(self) -> Topology:
        """What lies beyond the edge of the grid, as it is now: a person may turn it."""
        return self._scene.topology

    def level(self, name: str) -> Tensor:
        """Return a level by name, or by `own`, `below`, `above`: `(B, C, *space)`.

        Raises:
            ShapeError: The rule has not declared to read it.
        """
        level = self._place.level(name).name
        self._permit(level, name)
        return self._scene.level(level)

    def neighbours(self, tensor: Tensor, radius: int = 1) -> Tensor:
        """Return each cell's neighbourhood, itself included: `(B, N, C, *space)`.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            radius: Reach in cells along each axis.

        Returns:
            `N = (2 radius + 1) ** axes` neighbours in raster order of their offset.
        """
        return self._scene.neighbours(tensor, radius)

    def shifted(self, tensor: Tensor, radius: int = 1) -> Sequence[Tensor]:
        """Return `neighbours` one by one, N times `(B, C, *space)`, without copying them.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            radius: Reach in cells along each axis.
        """
        return self._scene.shifted(tensor, radius)

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
        return self._scene.correlate(tensor, weight, bias, groups)

    def stencils(self, tensor: Tensor, kernels: Tensor) -> Tensor:
        """Correlate every channel with each of K kernels.

        Args:
            tensor: `(B, C, *space)`: a level of this view, or anything computed from one.
            kernels: `(K, *kernel)`, every side odd; not flipped.

        Returns:
            `(B, K * C, *space)`: all channels through kernel 0, then all through kernel 1.
        """
        return self._scene.stencils(tensor, kernels)

    def uniform(self, channels: int, share: str = "") -> Tensor:
        """Return the rule's own uniform numbers in [0, 1), float32 `(B, channels, *space)`.

        Args:
            channels: How many numbers each cell gets.
            share: A name for each further draw in the same step; the same name, the same numbers.
        """
        return self._scene.rng.uniform(self._named(share), channels, self._size)

    def normal(self, channels: int, share: str = "") -> Tensor:
        """Return the rule's own normal numbers, float32 `(B, channels, *space)`; see `uniform`."""
        return self._scene.rng.normal(self._named(share), channels, self._size)

    def chance(self, probability: float, channels: int, share: str = "") -> Tensor:
        """Return True with a probability, bool `(B, channels, *space)`; see `uniform`."""
        return self._scene.rng.chance(self._named(share), probability, channels, self._size)

    def _permit(self, level: str, name: str) -> None:
        if level not in self._reads:
            raise ShapeError(
                f'a rule of "{self._place.name}" reads "{level}" without having said so.',
                where=f"it has declared: {', '.join(sorted(self._reads)) or 'nothing'}",
                to_do=f"add {name!r} to the rule's `reads`",
            )

    @property
    def _size(self) -> Size:
        return self._scene.state.size(self._place.name)

    def _named(self, share: str) -> str:
        return f"{self._stream}/{share}"
