"""Processes that compute together, as torchrun would start them, on this machine and without it.

They are forked from one that has imported torch already, and are used again from test to test.
"""

import functools
import os
import socket
import tempfile
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
    context.set_forkserver_preload(["processes", "sharding_case", "process_group_case"])
    return context


@functools.cache
def _executor() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(MOST, _context(), initializer=torch.set_num_threads, initargs=(1,))


@dataclass(frozen=True)
class Commands:
    """`nca` in several processes, each told by its environment which one it is.

    Args:
        count: How many.
        folder: Where they run.
        arguments: What comes after `nca`.
    """

    processes: list[ForkServerProcess]
    told: Path

    @classmethod
    def start(cls, count: int, folder: Path, *arguments: str) -> "Commands":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = {"WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        told = Path(tempfile.mkdtemp(dir=folder, prefix=".told-"))
        processes = []
        for rank in range(count):
            place = {**meeting, "RANK": rank, "LOCAL_RANK": rank}
            given = ({word: str(n) for word, n in place.items()}, folder, told, arguments)
            processes.append(_context().Process(target=_command, args=given, daemon=True))
            processes[-1].start()
        return cls(processes, told)

    @property
    def running(self) -> bool:
        return all(process.is_alive() for process in self.processes)

    def end(self) -> tuple[list[int | None], str, str]:
        """Wait for all to end, and return their exit codes and what they wrote to both streams."""
        for process in self.processes:
            process.join(2 * PATIENCE)
        words = [
            "".join(
                (self.told / f"{stream}.{rank}").read_text() for rank in range(len(self.processes))
            )
            for stream in ("out", "err")
        ]
        return [process.exitcode for process in self.processes], words[0], words[1]


def _command(environment: dict[str, str], folder: Path, told: Path, arguments: list[str]) -> None:
    os.environ.update(environment)
    os.chdir(folder)
    for stream, number in (("out", 1), ("err", 2)):
        file = os.open(told / f"{stream}.{environment['RANK']}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    torch.set_num_threads(1)
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
