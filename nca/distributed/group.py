"""The processes that share a run: who leads, who has which part, and what if one is lost.

`torchrun --nproc-per-node N -m nca run RECIPE` starts N of them. All do the same in the same
order, each with its own samples or cells; weights are the same in all. The leader alone writes and
speaks.
"""

import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from nca.distributed.sharding import BatchSharding, GridSharding, Sharding
from nca.distributed.shares import SampleShares
from nca.errors import DeviceError, ProcessError
from nca.types import Size

ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
LONGEST = 4096
Number = TypeVar("Number", int, float)
PATIENCE = 2.0
"""Seconds that the leader waits for the others before it ends with a fault."""
LOST = ("gloo/transport", "NCCL", "Connection reset by peer", "Connection closed by peer")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, as one of them sees it.

    Attributes:
        rank: Which one this is; 0 leads.
        count: How many there are.
        store: Where they leave words for each other; one alone has none.
        shard: Blocks along each axis into which the grid is split; the batch is split if None.

    Raises:
        ProcessError: There are more or fewer blocks than processes.
    """

    rank: int = 0
    count: int = 1
    store: dist.Store | None = None  # pyright: ignore[reportPrivateImportUsage]
    shard: Size | None = None

    def __post_init__(self) -> None:
        """Refuse blocks without a process."""
        if self.shard is not None and math.prod(self.shard) != self.count:
            asked = "x".join(map(str, self.shard))
            blocks = math.prod(self.shard)
            raise ProcessError(
                f"{blocks} blocks need {blocks} processes, but there "
                f"{'is one' if self.count == 1 else f'are {self.count}'}.",
                where=f"--shard {asked}",
                to_do=f"torchrun --nproc-per-node {blocks} -m nca ... --shard {asked}",
            )

    @property
    def is_leader(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    @property
    def samples(self) -> SampleShares:
        """Which samples each process has: a share, or all of them where the grid is split."""
        return SampleShares() if self.shard else SampleShares(self.rank, self.count)

    def cells(self, size: Size, coarsest: int = 1) -> GridSharding | None:
        """Return how the grid is split among the processes; None: it is whole in each.

        Args:
            size: Cells of the grid along each axis.
            coarsest: The largest scale of a level.

        Raises:
            ShapeError: The grid cannot be split so.
        """
        if self.count == 1 or self.shard is None:
            return None
        return GridSharding(self.rank, self.shard, size, coarsest)

    def sharding(self, size: Size, coarsest: int = 1) -> Sharding | None:
        """Return how steps of states that every process has are divided; one alone takes all.

        Args:
            size: As of `cells`.
            coarsest: As of `cells`.

        Raises:
            ShapeError: The grid cannot be split so.
        """
        if self.count == 1 or self.shard is not None:
            return self.cells(size, coarsest)
        return BatchSharding(self.rank, self.count)

    def wrap_ddp(self, module: nn.Module) -> nn.Module:
        """Return a module that does the same, and averages gradients over the processes."""
        if self.count == 1:
            return module
        return DistributedDataParallel(_Shared(module), find_unused_parameters=True)

    def check(self, batch: int, parts: int = 1) -> None:
        """Refuse a batch that cannot be split evenly.

        Args:
            batch: Samples.
            parts: How many of its parts are walked one after the other.

        Raises:
            ProcessError: It has a remainder.
        """
        shares = self.count * parts
        if self.shard is None and self.count > 1 and batch % shares:
            near = max(batch - batch % shares, shares)
            in_parts = f", in {parts} parts" if parts > 1 else ""
            raise ProcessError(
                f"a batch of {batch}{in_parts} cannot be split evenly "
                f"among {self.count} processes.",
                where="[train] batch",
                to_do=f"start a number of processes that divides it, or --set train.batch={near}",
            )

    def max(self, number: Number) -> Number:
        """Return the greatest number that any process names; all must ask."""
        if self.count == 1:
            return number
        kind = type(number)
        numbers = torch.tensor(number, dtype=torch.int64 if kind is int else torch.float64)
        dist.all_reduce(numbers, dist.ReduceOp.MAX)
        return kind(numbers.item())

    def any(self, wish: bool) -> bool:
        """Return whether any process wishes it; all must ask."""
        return bool(self.max(int(wish)))

    def sharing(self, device: torch.device) -> int:
        """Return how many processes share the memory of a device: each GPU is for one alone."""
        if self.count == 1 or device.type == "cuda":
            return 1
        return int(os.environ.get("LOCAL_WORLD_SIZE", self.count))

    def held_by(self, device: torch.device) -> float:
        """Return how large a part of the states of a run a device holds."""
        return self.sharing(device) / self.count

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.any(False)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let the leader do something first: what it has fetched, the others find."""
        if not self.is_leader:
            self.wait()
        yield
        if self.is_leader:
            self.wait()

    def broadcast(self, word: str) -> str:
        """Return the leader's word, of at most 4,096 bytes; the others' own is not heard."""
        if self.count == 1:
            return word
        sent = torch.zeros(LONGEST, dtype=torch.uint8)
        letters = torch.frombuffer(bytearray(word.encode()), dtype=torch.uint8)
        sent[: len(letters)] = letters
        dist.broadcast(sent, 0)
        return bytes(sent.tolist()).rstrip(b"\0").decode()

    def first_fault(self) -> bool:
        """Return whether no other process has asked this before: one fault is shown once.

        The leader keeps the store, and waits a little until the others have asked.
        """
        if self.store is None:
            return True
        try:
            before = self.store.add("nca/faults", 1)
            limit = time.monotonic() + (PATIENCE if self.is_leader else 0)
            while time.monotonic() < limit and self.store.add("nca/faults", 0) < self.count:
                time.sleep(0.01)
            return before == 1
        except RuntimeError:  # the store is gone with the process that kept it
            return True

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Say in plain words if another process is lost meanwhile.

        Raises:
            ProcessError: One is.
        """
        if self.count == 1:
            yield
            return

        def end(*_: object) -> None:
            raise lost

        lost = ProcessError(
            "another process of this run has ended, so that none can go on.",
            where=f"process {self.rank} of {self.count}, counted from 0",
            to_do="see what the other one says; then start them all again, nca run with --resume",
        )
        # what started the processes ends them all when one is lost
        before = signal.signal(signal.SIGTERM, end)
        try:
            yield
        except RuntimeError as fault:
            if isinstance(fault, dist.DistError) or any(word in str(fault) for word in LOST):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it has still to say so
                raise lost from None
            raise
        finally:
            if signal.getsignal(signal.SIGTERM) is end:
                signal.signal(signal.SIGTERM, before)

    def close(self) -> None:
        """Leave the group, at the end of a run."""
        if self.count > 1:
            self.wait()
            dist.destroy_process_group()


SINGLE = ProcessGroup()


class _Shared(nn.Module):
    """A module with one more weight, which nothing uses.

    Weights may not reach the loss, so that PyTorch's engine has to look for them; and it complains
    where it looks and finds none.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        like = next(module.parameters())
        self.unused = nn.Parameter(torch.zeros(1, device=like.device, dtype=like.dtype))

    def forward(self, *given: object) -> object:
        return self.module(*given)


def local_device(device: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the device of this process: each on one machine gets a GPU of its own.

    Args:
        device: What was asked for.
        environment: Which process this is, in torchrun's words.

    Raises:
        DeviceError: One GPU was named for several processes.
    """
    if not _started_with_others(environment) or device == "cpu":
        return device
    if device.startswith("cuda:"):
        raise DeviceError(
            f"{environment['WORLD_SIZE']} processes cannot share {device}.",
            where="--device",
            to_do="leave --device out, or say cuda: each process takes the GPU of its number",
        )
    if device == "cuda" or torch.cuda.is_available():
        return f"cuda:{environment['LOCAL_RANK']}"
    return device


def join(device: torch.device, shard: Size | None) -> ProcessGroup:
    """Join the other processes, if torchrun has started any.

    Args:
        device: This process's: GPUs talk by nccl, CPUs by gloo.
        shard: Blocks along each axis into which to split the grid, or None.

    Raises:
        ProcessError: There are more or fewer blocks than processes.
    """
    if not _started_with_others(os.environ):
        return ProcessGroup(shard=shard)
    store, rank, count = next(dist.rendezvous("env://"))  # pyright: ignore[reportPrivateImportUsage]
    crew = ProcessGroup(rank, count, store, shard)
    engine = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(engine, store=store, rank=rank, world_size=count)
    return crew


def _started_with_others(environment: Mapping[str, str]) -> bool:
    started = all(word in environment for word in ENVIRONMENT)
    return started and environment["WORLD_SIZE"] != "1"
