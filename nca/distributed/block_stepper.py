"""Steps of a block of a grid that is split among processes, with one exchange of halos a step.

Where blocks are large, the exchange is under way while the block is stepped by itself; what of that
is wrong, the cells that see the halo, is then stepped again in strips. Smaller blocks wait for the
halo and are stepped together with it: their strips would cost more than the exchange. In still
smaller ones the halo would, too, so that they exchange what each look around asks for.
"""

import math
from collections.abc import Callable, Sequence

import torch

from nca.distributed.block_halo import (
    BlockHalo,
    HaloExchange,
    Region,
    moved,
    tensors_of,
    with_tensors,
)
from nca.distributed.sharding import GridSharding, Sharding
from nca.engine.reach import looks_further, reach
from nca.engine.state import State
from nca.engine.stepper import Stepper, StepSpec

STRIPS = 0.1
"""Strips may have so many cells for each of the block, at most, for the exchange to overlap."""
MARGINS = 0.25
"""And the halo so many, at most, for all of it to be exchanged at once."""


class BlockStepper(Stepper):
    """The steps of a block, taken in another way.

    Args:
        halo: What a step sees around the block.
        overlaps: Whether the block is stepped by itself while its halo is exchanged.
        choose: Returns the way to step a part of the grid.
    """

    way = "blocks"

    def __init__(self, halo: BlockHalo, overlaps: bool, choose: Callable[[State], Stepper]) -> None:
        self.halo, self.overlaps, self._choose = halo, overlaps, choose
        self._steppers: dict[tuple[int, ...], Stepper] = {}

    def prepare(self, state: State) -> State:
        """Return the block as it is; see `nca.engine.stepper.Stepper.prepare`."""
        return state

    def step(self, state: State, fire_rate: float) -> State:
        """Let one step pass, on all processes; see `nca.engine.stepper.Stepper.step`."""
        halo = self.halo
        if not self.overlaps:
            with HaloExchange(halo, state, [halo.whole]) as exchange:
                exchange.wait()
                return self._stepped(exchange.region(halo.whole), halo.whole, halo.own, fire_rate)
        rim = [halo.rim(axis) for axis in range(state.axes)]
        seen = [halo.around(strip) for strips in rim for each in strips for strip in each]
        with HaloExchange(halo, state, seen) as exchange:
            after = self._stepped(state, halo.own, halo.interior, fire_rate)
            exchange.wait()

            def stepped(strip: Region) -> State:
                around = halo.around(strip)
                return self._stepped(exchange.region(around), around, strip, fire_rate)

            for axis, (first, last) in reversed([*enumerate(rim)]):
                after = _joined([*map(stepped, first), after, *map(stepped, last)], axis)
        return after

    def restore(self, state: State, whole: State) -> State:
        """Return the block as it is; see `nca.engine.stepper.Stepper.restore`."""
        return state

    def _stepped(self, state: State, seen: Region, wanted: Region, fire_rate: float) -> State:
        """Return the cells that are wanted after a step of those that they see."""
        size = tuple(cut.stop - cut.start for cut in seen)
        if size not in self._steppers:
            self._steppers[size] = self._choose(state)
        stepper = self._steppers[size]
        after = stepper.restore(stepper.step(stepper.prepare(state), fire_rate), state)
        return _cut(after, seen, wanted)


def block_halo(spec: StepSpec, sharding: Sharding, state: State) -> tuple[BlockHalo, bool] | None:
    """Return the halo of a process's block, and whether its exchange pays to be overlapped.

    None where one exchange a step is not right, or costs more than several: the rules look
    further than they declare, numbers are of several types, or blocks are small. All processes
    decide alike.

    Args:
        spec: What a step is.
        sharding: How states are divided.
        state: The part of this process.
    """
    if not isinstance(sharding, GridSharding):
        return None
    far = reach(spec)
    shares = [
        2 * far / side
        for side, count in zip(sharding.smallest, sharding.shape, strict=True)
        if count > 1
    ]
    kinds = {tensor.dtype for tensor in tensors_of(state)}
    if math.prod(1 + share for share in shares) - 1 > MARGINS or not far or len(kinds) > 1:
        return None
    if not next(iter(kinds)).is_floating_point or looks_further(spec, state):
        return None
    return sharding.halo(far, spec.topology), 3 * sum(shares) <= STRIPS


def _cut(state: State, seen: Region, wanted: Region) -> State:
    """Return of a state that is a region the cells of another one."""
    tensors = []
    for tensor in tensors_of(state):
        scale = (seen[0].stop - seen[0].start) // tensor.shape[2]
        for dim, (outer, inner) in enumerate(zip(seen, wanted, strict=True), start=2):
            first, length = inner.start - outer.start, inner.stop - inner.start
            tensor = tensor.narrow(dim, first // scale, length // scale)
        tensors.append(tensor)
    by = [inner.start - outer.start for inner, outer in zip(wanted, seen, strict=True)]
    return moved(with_tensors(state, tensors), by)


def _joined(states: Sequence[State], axis: int) -> State:
    """Return states that lie side by side along an axis as one."""
    if len(states) == 1:
        return states[0]
    tensors = zip(*map(tensors_of, states), strict=True)
    return with_tensors(states[0], [torch.cat(each, axis + 2) for each in tensors])
