"""A sign of life before a command has anything to say: importing torch can take seconds."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nca.cli.console import err, say

AFTER = 1.5
"""Seconds of silence before it is said what goes on."""

EVERY = 5.0
"""Seconds after which it is said again, for as long as it takes."""


@contextmanager
def sign_of_life() -> Iterator[None]:
    """Say on stderr that torch is being loaded, where that takes long and nothing was said yet."""
    over = threading.Event()
    if "torch" not in sys.modules:
        threading.Thread(target=_watch, args=(over,), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def loads_torch() -> bool:
    """Tell whether torch is being imported at this moment."""
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _watch(over: threading.Event) -> None:
    if over.wait(AFTER) or "torch" not in sys.modules or err.spoken:
        return
    say("loading torch")
    for count in itertools.count(1):
        if over.wait(EVERY) or not loads_torch():
            return
        say(f"loading torch: {AFTER + EVERY * count:.0f} s")
