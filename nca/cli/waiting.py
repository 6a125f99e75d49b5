"""A sign of life before a command has anything to say: importing torch can take seconds."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nca.cli.console import err, say

AFTER = 1.5
"""Seconds of silence."""


@contextmanager
def sign_of_life() -> Iterator[None]:
    """Say on stderr that torch is being loaded, where that takes long and nothing was said yet."""
    timer = threading.Timer(AFTER, _say)
    timer.daemon = True
    if "torch" not in sys.modules:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _say() -> None:
    if "torch" in sys.modules and not err.spoken:
        say("loading torch")
