"""Travel: a creature that is to get as far as it can, and stay what it is.

Where a creature is on a torus, the phase of the longest wave of its mass along each axis says;
how far that moves in a rollout is how far it came, up to half the grid, with a gradient.

Legend: B batch, X axis; `*space` the axes of the grid.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from nca import (
    Batch,
    ChannelColours,
    Display,
    Fault,
    HostRNG,
    OptionError,
    RegistryError,
    Share,
    State,
    Task,
    TaskContext,
    register,
    registry,
)
from nca.types import Fraction, Name, NonNegative, Side, Split


@register.task("travel")
class Travel(Task):
    """Let a pattern travel as fast as it can without growing or shrinking.

    Args:
        setting: The run that the task belongs to.
        pattern: A registered pattern, which stands in the middle of an empty grid at first.
        mass: By which share its mass may change.
        weight: Of what its mass changes beyond that, in the loss; its speed, in cells a step, is
            taken off.
        side: Cells along each axis of the grid on which speed is measured. It cannot tell
            apart ways that differ by a whole grid: let nothing come further than half of it.
        level: The level that holds it; the top level unless named.

    Raises:
        OptionError: A pattern that does not fit.
    """

    headline = "speed"
    better = "more"
    pattern_option = "pattern"
    pattern: Tensor

    def __init__(
        self,
        setting: TaskContext,
        *,
        pattern: Name,
        mass: Fraction = 0.2,
        weight: NonNegative = 4.0,
        side: Side = 256,
        level: str = "",
    ) -> None:
        super().__init__(setting)
        self.level = setting.grid_level(level or list(setting.layout)[-1], "level")
        self.mass, self.weight, self.side = mass, weight, side
        self.register_buffer("pattern", self._drawn(pattern), persistent=False)

    def training_batch(self, draw: HostRNG, samples: Tensor) -> Batch:
        """Return the pattern in an empty grid for each sample number."""
        return Batch(self._start(samples, self.context.size, draw.random_seed))

    def evaluation_batches(self, split: Split, batch: int) -> Iterator[Batch]:
        """Yield the pattern in a wide empty grid: all samples would fare alike."""
        size = tuple(max(side, self.side) for side in self.context.size)
        samples = torch.zeros(1, dtype=torch.int64, device=self.pattern.device)
        yield Batch(self._start(samples, size, self.context.random_seed))

    def loss(self, states: Sequence[State], batch: Batch) -> dict[str, Tensor]:
        """Return how slow it was, and how far its mass is from what it may be."""
        slow = [-self.speed(batch.state, state) for state in states]
        change = [(self._change(state) - self.mass).clamp(min=0) for state in states]
        return {
            "slowness": torch.stack(slow).mean(dim=0),
            "mass": self.weight * torch.stack(change).mean(dim=0),
        }

    def measure(self, state: State, batch: Batch) -> dict[str, Share]:
        """Return its speed, in cells a step and 0 where its mass is another, and its mass."""
        alive = self._change(state) <= self.mass
        return {
            "speed": Share.of(self.speed(batch.state, state) * alive),
            "mass": Share.of(self._mass(state)),
        }

    def speed(self, before: State, after: State) -> Tensor:
        """Return how fast it went from one state to the other, in cells a step, `(B,)`."""
        size = before.size(self.level.name)
        sides = torch.tensor(size, device=self.pattern.device)
        way = place_on_torus(after[self.level.name]) - place_on_torus(before[self.level.name])
        way = torch.remainder(way + sides / 2, sides) - sides / 2
        return way.norm(dim=1) / max(after.step - before.step, 1)

    def display(self) -> Display:
        """Return the first state, drawn as one channel."""
        samples = torch.zeros(1, dtype=torch.int64, device=self.pattern.device)
        first = self._start(samples, self.context.size, self.context.random_seed)
        return Display(first, ChannelColours(self.level.name, (0, 0, 0)), hint="Watch it go.")

    def picture(self, state: State) -> Tensor:
        """Return the first channel in grey, `(B, 3, H, W)`, from 0 to 1."""
        return state[self.level.name][:, :1].float().clamp(0, 1).expand(-1, 3, -1, -1)

    def _start(self, samples: Tensor, size: Sequence[int], random_seed: int) -> State:
        level = self.level.name
        state = self.context.layout.zeros(
            len(samples), tuple(size), random_seed=random_seed, device=samples.device
        )
        inside = [slice(None)] * 2
        for whole, own in zip(size, self.pattern.shape[1:], strict=True):
            inside.append(slice((whole - own) // 2, (whole - own) // 2 + own))
        state[level][tuple(inside)] = self.pattern.to(state[level])
        return state.replace(samples=samples)

    def _mass(self, state: State) -> Tensor:
        """Return the mass by that of the pattern, `(B,)`."""
        return state[self.level.name].flatten(1).sum(dim=1) / self.pattern.sum()

    def _change(self, state: State) -> Tensor:
        return (self._mass(state) - 1).abs()

    def _drawn(self, name: str) -> Tensor:
        try:
            pattern: Tensor = registry.get("pattern", name)()
        except RegistryError as fault:
            wrong = Fault(("pattern",), fault.what.removesuffix("."), fault.to_do)
            raise OptionError([wrong], "Travel(...)") from fault
        channels, size = self.level.channels, self.context.size
        cells = pattern.shape[1:]
        fits = len(pattern) == channels and len(cells) == len(size)
        if not fits or any(own > whole for own, whole in zip(cells, size, strict=True)):
            words = f"has {len(pattern)} channels and {list(cells)} cells"
            to_do = f"a pattern of {channels} channels and at most {list(size)} cells"
            raise OptionError([Fault(("pattern",), words, to_do)], "Travel(...)")
        return pattern


def place_on_torus(level: Tensor) -> Tensor:
    """Return where the mass of `(B, C, *space)` lies, in cells along each axis, `(B, X)`.

    It is the phase of the longest wave along each axis; of an empty grid it says nothing.
    """
    places = []
    for axis in range(2, level.ndim):
        side = level.shape[axis]
        others = [other for other in range(1, level.ndim) if other != axis]
        mass = level.sum(dim=others)  # (B, side)
        turn = torch.arange(side, device=level.device, dtype=level.dtype) * (2 * math.pi / side)
        phase = torch.atan2((mass * turn.sin()).sum(dim=1), (mass * turn.cos()).sum(dim=1))
        places.append(phase * (side / (2 * math.pi)))
    return torch.stack(places, dim=1)
