"""Processes that compute together, as torchrun would start them, on this machine and without it.

They are forked from one that has imported torch already, and are used again from test to test.
"""

import functools
import tempfile
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

PATIENCE = 30
MOST = 4


@functools.cache
def _executor() -> ProcessPoolExecutor:
    context = get_context("forkserver")
    context.set_forkserver_preload(["processes", "nca", "nca.cli", "parts_case", "crew_case"])
    return ProcessPoolExecutor(MOST, context, initializer=torch.set_num_threads, initargs=(1,))


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
