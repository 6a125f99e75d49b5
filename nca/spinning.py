"""How long threads of an operation spin while they wait for each other, before they sleep.

A thread that has done its part soon sleeps until the others have done theirs: one that spins takes
the processor from those it waits for, if another process needs it, too. The libraries of threads
read it as torch is imported, and not again.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SPINNING = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "2000"}
"""Two thousand rounds are a few microseconds."""


def spin_shortly() -> bool:
    """Let threads spin shortly if torch is yet to be imported, and return whether that was set.

    What the user has set, either of the two, stays as it is.
    """
    if os.environ.keys() & SPINNING.keys():
        return False
    os.environ.update(SPINNING)
    return True


@contextmanager
def short_spins() -> Iterator[None]:
    """Let the threads of torch spin shortly if it is imported in here.

    The environment is then as it was, for whatever else the program and its children do.
    """
    mine = "torch" not in sys.modules and spin_shortly()
    try:
        yield
    finally:
        if mine:
            for name in SPINNING:
                os.environ.pop(name, None)
