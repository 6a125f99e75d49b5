"""A pool of states that outlive their iteration, so that an automaton learns to persist.

Each iteration draws a few states, renews some of them, runs them further, and puts them back
(Mordvintsev et al. 2020; Randazzo et al. 2020 for the exchanged input).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self

import torch
from torch import Tensor

from nca.distributed.halo import empty_like
from nca.distributed.pieces import TensorPieces
from nca.distributed.sharding import Sharding
from nca.distributed.shares import ALONE, SampleShares, within
from nca.engine.automaton import Automaton
from nca.engine.rng import HostRNG
from nca.engine.state import State
from nca.engine.to_device import to_device
from nca.tasks import damage
from nca.tasks.batch import Batch
from nca.types import Natural, Samples
from nca.validation.checked import Options
from nca.validation.faults import Fault, refuse


@dataclass(frozen=True)
class PoolOptions(Options):
    """What happens to the states that an iteration draws, before it runs them.

    Attributes:
        size: States kept between iterations.
        fresh: How many of a batch start anew.
        damaged: How many of a batch are cut by a random disc.
        swapped: How many of a batch get the input and truth of a fresh sample over what their
            cells hold; where the new input leaves cells dead, they are emptied.
        order: `loss`: the worst start anew, and the best are damaged or swapped;
            `drawn`: whichever come first and last.
        begin: Until this iteration all states of a batch are fresh: what cannot be done yet need
            not be held. They are put into the pool all the same.
    """

    size: Samples
    fresh: Natural = 1
    damaged: Natural = 0
    swapped: Natural = 0
    order: Literal["loss", "drawn"] = "loss"
    begin: Natural = 0

    def misfits(self, batch: int) -> Iterator[Fault]:
        """Yield what is wrong with renewing batches of so many states."""
        renewed = self.fresh + self.damaged + self.swapped
        if renewed > batch:
            to_do = f"fresh, damaged and swapped together fit a batch of {batch}"
            yield Fault((), f"renews {renewed} states", to_do)
        if batch > self.size:
            yield Fault(("size",), f"is {self.size}", f"at least one batch: {batch}")

    def refresh(
        self,
        batch: Batch,
        fresh: Batch,
        automaton: Automaton,
        draw: HostRNG,
        stretch: slice | None = None,
        count: int | None = None,
    ) -> Batch:
        """Return the batch to start from.

        Args:
            batch: States drawn from the pool, in the order that `order` asks for.
            fresh: New states with their sample numbers, as many as the batch has.
            automaton: Whose levels are damaged and whose dead cells are cleared.
            draw: The iteration's randomness.
            stretch: Which places of the whole batch they take; None: all.
            count: How many places the whole batch has; None: as many as these.

        Raises:
            OptionError: A batch of another size than a recipe would take with it.
        """
        stretch = stretch or slice(0, batch.state.batch)
        count = count or batch.state.batch
        refuse(self.misfits(count), f"{self}")
        last = count - self.damaged - self.swapped
        ends = (0, self.fresh, last, last + self.damaged, count)
        new, kept, cut, there = (
            within(stretch, slice(start, stop)) for start, stop in itertools.pairwise(ends)
        )
        parts = [fresh.select(new), batch.select(kept)]
        if cut.start < cut.stop:
            hurt, source = batch.select(cut), draw.cells(fresh.state.samples[cut])
            parts.append(
                Batch(damage.disc(hurt.state, source, automaton.writable_levels), hurt.truth)
            )
        if there.start < there.stop:
            parts.append(swap_inputs(batch.select(there), fresh.select(there), automaton))
        parts = [part for part in parts if part.state.batch]
        renewed = Batch.cat([Batch(p.state.replace(remembered=()), p.truth) for p in parts])
        state = renewed.state.restart(fresh.state.random_seed, fresh.state.samples)
        return Batch(state, renewed.truth, draw)


def swap_inputs(batch: Batch, fresh: Batch, automaton: Automaton) -> Batch:
    """Return the batch with input and truth of another one, and its dead cells cleared."""
    inputs = {n: fresh.state[n] for n, level in automaton.layout.items() if level.input}
    return Batch(automaton.clear_dead(batch.state.replace(inputs)), fresh.truth)


class Pool:
    """States and truths in memory, on the device of the run.

    Of several processes each holds its rows, or its block of every state: they draw and put back
    together. Outside, batches are of whole states.

    Args:
        batch: What this process holds at first.
        shares: Which of the rows it holds, if there are others.
        size: How many rows all of them hold; None: as many as `batch`.
        sharding: How states are cut among processes that hold a block each; None: they are whole.
    """

    def __init__(
        self,
        batch: Batch,
        shares: SampleShares = ALONE,
        size: int | None = None,
        sharding: Sharding | None = None,
    ) -> None:
        self.shares, self.sharding = shares, sharding
        self.size = size or batch.state.batch
        self.batch = self._held(batch).map(lambda tensor: tensor.detach().clone())

    @classmethod
    def filled(
        cls,
        make: Callable[[range], Batch],
        samples: range,
        at_once: int,
        shares: SampleShares = ALONE,
        sharding: Sharding | None = None,
    ) -> Self:
        """Return a pool of states that are made for it: by each process those that it holds.

        Args:
            make: Returns a state for each sample number.
            samples: Of all states.
            at_once: How many are made at a time.
            shares: As of the pool.
            sharding: As of the pool.
        """
        own = samples[shares.own(len(samples))]
        made = cls(make(own[:at_once]), shares, len(samples), sharding)
        rows = made.batch.map(lambda t: empty_like(t, [len(own), *t.shape[1:]]))
        for start in range(0, len(own), at_once):
            stretch = slice(start, start + at_once)
            part = made._named(made._held(make(own[stretch])) if start else made.batch)
            for name, tensor in made._named(rows).items():
                tensor[stretch] = part[name].detach()
        numbers = torch.arange(own.start, own.stop, device=made.batch.state.samples.device)
        made.batch = replace(rows, state=rows.state.replace(samples=numbers))
        return made

    def draw(self, draw: HostRNG, count: int) -> Tensor:
        """Return the places of `count` different states, on the host, alike in all processes.

        Args:
            draw: The iteration's randomness.
            count: How many, at most `size`.
        """
        return draw.order("pool", self.size)[:count]

    def order(self, index: Tensor, judge: Callable[[Batch], Tensor]) -> Tensor:
        """Return places in the order of what their states are judged to be, the greatest first.

        Each process judges the states that it holds. The numbers are compared as float32: states
        that are alike stay in the order they have, in batches of whatever size they are judged.

        Args:
            index: Places as `draw` returns them, `(B,)`.
            judge: Returns a number for each state.
        """
        places = self.shares.held(index, self.size)
        device = self.batch.state.samples.device
        numbers = torch.zeros(len(index), dtype=torch.float32, device=device)
        if len(places):
            rows = to_device(index[places] - self.shares.own(self.size).start, device)
            numbers[to_device(places, device)] = judge(self._whole(self.batch.select(rows))).float()
        numbers = self.shares.total(numbers)
        return to_device(index, device)[numbers.argsort(descending=True, stable=True)]

    def take(self, index: Tensor) -> Batch:
        """Return what lies in this process's stretch of the places that `index` names.

        Args:
            index: `(B,)`, alike in all processes.
        """
        state = self.batch.state.map(self._fetched(index))
        state = state.replace(samples=self._fetched(index)(state.samples))
        truth = {name: self._fetched(index)(tensor) for name, tensor in self.batch.truth.items()}
        return self._whole(Batch(state, truth))

    def put(self, index: Tensor, batch: Batch) -> None:
        """Put states and truths back into the places from which `take` returns them.

        Args:
            index: As of `take`.
            batch: One sample for each place of this process's stretch.
        """
        self.begin_put(index, batch)()

    def begin_put(self, index: Tensor, batch: Batch) -> Callable[[], None]:
        """Send states and truths to the processes that keep them; what is returned puts them back.

        Args:
            index: As of `put`.
            batch: As of `put`.
        """
        batch = self._held(batch)
        pairs = [(self.batch.state[name], batch.state[name]) for name in self.batch.state]
        pairs += [(self.batch.truth[name], batch.truth[name]) for name in self.batch.truth]
        begun = [self.shares.begin_store(rows, index, self.size, given) for rows, given in pairs]

        def write() -> None:
            for each in begun:
                each()

        return write

    def tensors(self) -> dict[str, Tensor]:
        """Return all that this process holds, by name."""
        return self._named(self.batch)

    def pieces(self) -> dict[str, TensorPieces]:
        """Return all that all processes hold, by name, for a checkpoint."""
        if self.sharding is None:
            return {n: self.shares.pieces(t, self.size) for n, t in self.tensors().items()}
        one = self._named(self._whole(self.batch.select(slice(0, 1))))
        shapes = {name: (self.size, *tensor.shape[1:]) for name, tensor in one.items()}
        return {
            name: TensorPieces(shapes[name], tensor.dtype, partial(self._piece, name))
            for name, tensor in one.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take up what `pieces` gave: of the whole, what this process holds."""
        own = self.shares.own(self.size)
        levels = {name: tensors[f"state.{name}"][own] for name in self.batch.state}
        truth = {name: tensors[f"truth.{name}"][own] for name in self.batch.truth}
        whole = self.batch.state.replace(levels, window=None)
        held = self._named(self._held(Batch(whole, truth)))
        for name, tensor in self._named(self.batch).items():
            tensor.copy_(held[name])

    def _piece(self, name: str, start: int, stop: int) -> Tensor:
        rows = self.tensors()[name][start:stop]
        if self.sharding is None or name.startswith("truth."):
            return rows
        part = State({name: rows})
        return self.sharding.gather(part, part)[name]

    def _fetched(self, index: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda rows: self.shares.fetch(rows, index, self.size)

    def _held(self, batch: Batch) -> Batch:
        """Return of whole states what this process holds."""
        return replace(batch, state=self.sharding.scatter(batch.state)) if self.sharding else batch

    def _whole(self, batch: Batch) -> Batch:
        """Return the whole states, of what all processes hold."""
        if self.sharding is None:
            return batch
        whole = batch.state.replace(window=None)
        return replace(batch, state=self.sharding.gather(batch.state, whole))

    @staticmethod
    def _named(batch: Batch) -> dict[str, Tensor]:
        levels = {f"state.{name}": tensor for name, tensor in batch.state.items()}
        return levels | {f"truth.{name}": tensor for name, tensor in batch.truth.items()}
