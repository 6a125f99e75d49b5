"""What a run adds to the memory, at its highest."""

import ctypes
import gc
import re
from collections.abc import Callable
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_of(call: Callable[[], object], device: torch.device) -> int | None:
    """Return by how many bytes a call raises the memory at its highest, or None if unknown.

    On a GPU torch's own account counts, on a CPU the pages of the process, as Linux tells them;
    other systems do not say.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if not _forget():
        call()
        return None
    before = _pages("VmRSS")
    call()
    return max(0, _pages("VmHWM") - before)


def _forget() -> bool:
    """Give freed memory back and forget the highest mark; False where that cannot be done."""
    try:
        ctypes.CDLL(None).malloc_trim(0)  # else the next run would fill what this one left
        CLEAR.write_text("5")
    except (OSError, AttributeError, TypeError):
        return False
    return True


def _pages(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())
    assert found, f"{STATUS} has no {name}"
    return int(found[1]) * 1024
