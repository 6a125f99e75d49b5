"""Probe: how much memory and time a call takes, and how much memory there is."""

import ctypes
import gc
import os
import re
from collections.abc import Callable
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch.autograd.profiler import profile

from nca.errors import NCAError

UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {unit.replace("B", "iB"): 1024**n for n, unit in enumerate(UNITS) if n}

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

GROUPS = Path("/sys/fs/cgroup")
BOUNDS = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Where Linux bounds a group of processes, as a container is: the limit, and what is used."""


def peak(call: Callable[[], object], device: torch.device) -> int:
    """Return how many bytes of tensors a call holds at its peak, beyond what was there before.

    Every allocation is counted, exactly and without what an allocator adds: on a GPU by torch's
    own books, on a CPU by the record of its profiler.
    """
    if device.type == "cuda":
        return _peak_on_gpu(call, device)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler chats on stderr
    record: Any = profile(profile_memory=True)
    with record:
        call()
    events = (event for event in record.kineto_results.events() if event.name() == "[memory]")
    changes = sorted(((e.start_ns(), e.nbytes()) for e in events), key=itemgetter(0))
    return max(accumulate((change for _, change in changes), initial=0))


def resident_peak(call: Callable[[], object], device: torch.device) -> int | None:
    """Return by how many bytes a call raises the memory of the process at its peak.

    On a CPU the pages count that Linux holds for the process, with what allocators and libraries
    add; elsewhere that is unknown, and the call returns None. On a GPU it is as `peak`.
    """
    gc.collect()
    if device.type == "cuda":
        return _peak_on_gpu(call, device)
    if not _reset_resident_peak():
        call()
        return None
    before = _bytes_in(STATUS, "VmRSS")
    call()
    return max(0, _bytes_in(STATUS, "VmHWM") - before)


def held(device: torch.device) -> int:
    """Return how many bytes this process holds: all of it on a CPU, its tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return _bytes_in(STATUS, "VmRSS")


def free(device: torch.device) -> int | None:
    """Return how many bytes more this process may take now, or None where that is unknown."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    there = _bytes_in(Path("/proc/meminfo"), "MemAvailable")
    bounds = [there] if there else []
    for most, now in BOUNDS:
        limit, used = (_number(GROUPS / name) for name in (most, now))
        if limit is not None and used is not None:
            bounds.append(max(limit - used, 0))
    return min(bounds, default=None)


def bytes_of(text: str) -> int:
    """Return the bytes of a size such as `24GB`, `1.5 GiB` or `800000`.

    Raises:
        NCAError: It is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B?)\s*", text, re.IGNORECASE)
    unit = (found[2] if found else "").upper().replace("I", "i")
    unit = unit if unit.endswith("B") else f"{unit}B"
    if not found or unit not in UNITS or not float(found[1]):
        raise NCAError(
            f"{text!r} is no size of a memory.",
            where="--free",
            to_do="give a number with a unit: 24GB, 800MB or 16GiB",
        )
    return round(float(found[1]) * UNITS[unit])


def _peak_on_gpu(call: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _reset_resident_peak() -> bool:
    """Give freed memory back and reset the peak; return False where that is not possible."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the next call would fill what this one left
        CLEAR.write_text("5")
    except (OSError, AttributeError, TypeError):
        return False
    return True


def _bytes_in(file: Path, key: str) -> int:
    """Return the bytes of a line `key: number kB` in a file; 0 where there is none."""
    if not file.is_file():
        return 0
    found = re.search(rf"^{key}:\s+(\d+)", file.read_text(encoding="ascii"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def _number(file: Path) -> int | None:
    """Return the number in a file, or None where there is none, as where there is no limit."""
    text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
    return int(text) if text.isdigit() else None
