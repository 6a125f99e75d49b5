"""Processes that compute together, as torchrun would start them, on this machine and without it.

They are forked from one that has imported torch already, and are used again from test to test.
"""

import functools
import os
import signal
import socket
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from nca.cli import main

PATIENCE = 30
MOST = 4


@functools.cache
def _context() -> ForkServerContext:
    context = get_context("forkserver")
    # the last one is what torch imports at the first step of an optimiser
    preload = ["processes", "sharding_case", "process_group_case", "torch._dynamo"]
    context.set_forkserver_preload(preload)
    return context


@functools.cache
def _executor() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(MOST, _context(), initializer=torch.set_num_threads, initargs=(1,))


@dataclass(frozen=True)
class Commands:
    """`nca` in a process of its own, or in several that their environment tells apart.

    They do what commands do that a shell starts, but for importing torch, which is there already.

    Attributes:
        processes: They.
        told: The folder of what they have written.
    """

    processes: list[ForkServerProcess]
    told: Path

    @classmethod
    def alone(
        cls,
        folder: Path,
        *arguments: object,
        before: Callable[[], object] | None = None,
        **environment: str,
    ) -> "Commands":
        """Start one.

        Args:
            folder: Where it runs.
            arguments: What comes after `nca`.
            before: What the process does first.
            environment: What it finds there, beside all that this process does.
        """
        told = _place(folder, 1)
        words = [str(argument) for argument in arguments]
        process = _context().Process(
            target=_command, args=({**os.environ, **environment}, folder, told, words, 0, before)
        )
        process.daemon = False  # it may have children
        process.start()
        return cls([process], told)

    @classmethod
    def start(cls, count: int, folder: Path, *arguments: str) -> "Commands":
        """Start several.

        Args:
            count: How many.
            folder: Where they run.
            arguments: What comes after `nca`.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        told = _place(folder, count)
        processes = []
        for rank in range(count):
            place = {**meeting, "RANK": rank, "LOCAL_RANK": rank}
            given = ({word: str(n) for word, n in place.items()}, folder, told, arguments, rank)
            processes.append(_context().Process(target=_command, args=given, daemon=True))
            processes[-1].start()
        return cls(processes, told)

    @property
    def running(self) -> bool:
        return all(process.is_alive() for process in self.processes)

    def send(self, number: int) -> None:
        """Send each a signal."""
        for process in self.processes:
            os.kill(process.pid or 0, number)

    def kill(self) -> None:
        """Kill them, and see that they are gone."""
        self.send(signal.SIGKILL)
        assert set(self.end()[0]) == {-signal.SIGKILL}

    def wait_until(self, happens: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait for something, while all of them run."""
        limit = time.monotonic() + seconds
        while not happens():
            assert self.running, f"it has ended too early: {self.end()}"
            assert time.monotonic() < limit, "it did not happen"
            time.sleep(0.005)

    def end(self) -> tuple[list[int | None], str, str]:
        """Wait for all to end, and return their exit codes and what they wrote to both streams."""
        for process in self.processes:
            process.join(4 * PATIENCE)
        words = [
            "".join(
                (self.told / f"{stream}.{rank}").read_text() for rank in range(len(self.processes))
            )
            for stream in ("out", "err")
        ]
        return [process.exitcode for process in self.processes], words[0], words[1]


def _place(folder: Path, count: int) -> Path:
    """Return a folder beside that of commands for what so many of them write."""
    told = Path(tempfile.mkdtemp(dir=folder.parent, prefix="told-"))
    for rank in range(count):
        for stream in ("out", "err"):
            (told / f"{stream}.{rank}").touch()
    return told


def _command(
    environment: dict[str, str],
    folder: Path,
    told: Path,
    arguments: list[str],
    rank: int,
    before: Callable[[], object] | None = None,
) -> None:
    os.environ.update(environment)
    tempfile.tempdir = None  # where the environment says
    os.chdir(folder)
    for stream, number in (("out", 1), ("err", 2)):
        file = os.open(told / f"{stream}.{rank}", os.O_WRONLY)
        os.dup2(file, number)
    torch.set_num_threads(1)
    if before:
        before()
    main(arguments)


def together(count: int, act: Callable[..., Any], *given: Any) -> list[Any]:
    """Let processes 0 to `count - 1` do `act(*given)` as one group, and return what each returns.

    Args:
        count: How many, at most four.
        act: A function of a module that can be imported.
        given: What it gets.
    """
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        work = [_executor().submit(_joined, n, count, meeting, act, given) for n in range(count)]
        told = [done.result(timeout=4 * PATIENCE) for done in work]
    faults = [fault for fault, _ in told if fault]
    assert not faults, "\n".join(faults)
    return [result for _, result in told]


def _joined(
    rank: int, count: int, meeting: Path, act: Callable[..., Any], given: tuple[Any, ...]
) -> tuple[str, Any]:
    dist.init_process_group(
        "gloo",
        init_method=meeting.as_uri(),
        rank=rank,
        world_size=count,
        timeout=timedelta(seconds=PATIENCE),
    )
    try:
        return "", act(*given)
    except Exception:  # it is told where the test runs, for not every one can be sent
        return traceback.format_exc(), None
    finally:
        dist.destroy_process_group()
