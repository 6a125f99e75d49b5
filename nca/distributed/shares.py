"""Shares of samples: each process has a stretch of a batch, and a stretch of the rows of a table.

A table is what outlives a batch, such as a pool. Which of its rows a batch asks for is drawn alike
by all processes, so that each knows what every other one needs: between two of them there is one
message each way, of those rows alone. One process alone has everything, and sends nothing.

Every process must do the same work in the same order.

Legend: B rows that a batch asks for.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.distributed as dist
from torch import Tensor

from nca.distributed.halo import Transfer
from nca.distributed.pieces import TensorPieces
from nca.engine.to_device import to_device


@dataclass(frozen=True)
class SampleShares:
    """Which samples and rows each process has: stretches that differ by one in length at most.

    Attributes:
        rank: Which process this is.
        count: How many share; one has all.
    """

    rank: int = 0
    count: int = 1

    def own(self, size: int) -> slice:
        """Return the stretch of this process among so many samples or rows."""
        return stretches(size, self.count)[self.rank]

    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum of what all processes have, in the same shape."""
        if self.count == 1:
            return numbers
        summed = numbers.detach().clone()
        dist.all_reduce(summed)
        return summed

    def mean(self, numbers: Tensor) -> Tensor:
        """Return the mean of what all processes have, in the same shape."""
        return self.total(numbers) / self.count

    def pieces(self, rows: Tensor, size: int) -> TensorPieces:
        """Return the whole table in pieces, which process 0 gets.

        Args:
            rows: Those of this process's stretch of the table.
            size: How many rows the table has.
        """

        def piece(start: int, stop: int) -> Tensor:
            cuts = [within(each, slice(start, stop)) for each in stretches(size, self.count)]
            return self._led(rows, cuts)

        return TensorPieces((size, *rows.shape[1:]), rows.dtype, piece)

    def held(self, index: Tensor, size: int) -> Tensor:
        """Return the places in `index`, `(B,)`, of the rows that this process has.

        Args:
            index: Rows of the table, on the host.
            size: How many rows the table has.
        """
        stretch = self.own(size)
        return ((index >= stretch.start) & (index < stretch.stop)).nonzero().squeeze(1)

    def fetch(self, rows: Tensor, index: Tensor, size: int) -> Tensor:
        """Return the rows that this process's stretch of `index` names.

        Args:
            rows: Those of this process's stretch of the table.
            index: Rows of the table, `(B,)`, alike in all processes.
            size: How many rows the table has.
        """
        if self.count == 1:
            return rows[to_device(index, rows.device)]
        places, rows_of = self._ways(index, size)
        come = self._exchanged(rows, rows_of, {r: len(each) for r, each in places.items()})
        found = rows.new_empty(sum(map(len, places.values())), *rows.shape[1:])
        for rank, each in come.items():
            found[places[rank]] = each
        return found

    def store(self, rows: Tensor, index: Tensor, size: int, given: Tensor) -> None:
        """Put into the table what `fetch` would return of it; see `begin_store`."""
        self.begin_store(rows, index, size, given)()

    def begin_store(
        self, rows: Tensor, index: Tensor, size: int, given: Tensor
    ) -> Callable[[], None]:
        """Send to each process what it shall keep; what is returned waits, and writes the rows.

        Args:
            rows: Those of this process's stretch of the table; they are written to.
            index: As of `fetch`.
            size: As of `fetch`.
            given: One row for each of this process's stretch of `index`.
        """
        given = given.detach().to(rows.dtype)
        if self.count == 1:
            return partial(rows.__setitem__, to_device(index, rows.device), given)
        places, rows_of = self._ways(index, size)
        wait = self._begun(given, places, {r: len(each) for r, each in rows_of.items()})

        def write() -> None:
            for rank, each in wait().items():
                rows[rows_of[rank]] = each

        return write

    def _ways(self, index: Tensor, size: int) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Return, by process, which places of this one's stretch it fills, and what it needs.

        The first are places in this process's stretch of `index`, the others rows of its stretch
        of the table, in the same order on both sides.
        """
        wanted, bounds = index.tolist(), stretches(size, self.count)
        own = self.own(size)
        taken: dict[int, list[int]] = {}
        for place, row in enumerate(wanted[self.own(len(wanted))]):
            owner = next(rank for rank, stretch in enumerate(bounds) if row < stretch.stop)
            taken.setdefault(owner, []).append(place)
        given: dict[int, list[int]] = {}
        for rank, stretch in enumerate(stretches(len(wanted), self.count)):
            there = [row - own.start for row in wanted[stretch] if own.start <= row < own.stop]
            if there:
                given[rank] = there
        return taken, given

    def _led(self, rows: Tensor, cuts: list[slice]) -> Tensor:
        """Return the rows of all processes in process 0, of each its cut; in others their own."""
        own = rows[cuts[self.rank]]
        if self.count == 1:
            return own
        if self.rank:
            self._exchanged(own, {0: list(range(len(own)))}, {})
            return own
        counts = {rank: cut.stop - cut.start for rank, cut in enumerate(cuts)}
        come = self._exchanged(own, {}, {n: each for n, each in counts.items() if n and each})
        return torch.cat([own, *(come[rank] for rank in sorted(come))])

    def _exchanged(
        self, held: Tensor, sent: dict[int, list[int]], expected: dict[int, int]
    ) -> dict[int, Tensor]:
        """Send rows to each process, and return so many rows of each."""
        return self._begun(held, sent, expected)()

    def _begun(
        self, held: Tensor, sent: dict[int, list[int]], expected: dict[int, int]
    ) -> Callable[[], dict[int, Tensor]]:
        """Send rows to each process, and return what waits for so many rows of each."""
        kind = torch.uint8 if held.dtype == torch.bool else held.dtype  # not all send truth values
        shapes = {rank: [count, *held.shape[1:]] for rank, count in expected.items()}
        given = {rank: held[rows].view(kind) for rank, rows in sent.items() if len(rows)}
        under_way = Transfer(given, shapes, like=held.view(kind))
        return lambda: {rank: each.view(held.dtype) for rank, each in under_way.wait().items()}


ALONE = SampleShares()


def stretches(side: int, count: int) -> list[slice]:
    """Cut a number of things into stretches that differ by one at most."""
    ends = [side * number // count for number in range(count + 1)]
    return [slice(start, stop) for start, stop in itertools.pairwise(ends)]


def within(stretch: slice, part: slice) -> slice:
    """Return where the part of a whole lies in one of its stretches; empty where it does not."""
    start, stop = (min(max(end, stretch.start), stretch.stop) for end in (part.start, part.stop))
    return slice(start - stretch.start, max(start, stop) - stretch.start)
