"""Life beside numpy: a plain byte version and one of 64 cells to a word, in one run.

`python tests/beside_numpy.py [side ...]` times a step of Life on a torus of 1,024 x 1,024 cells,
or of other sides that are multiples of 64, by the processor's time and on one thread.
"""

import os
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

from nca import Automaton, Layout, Level, RuleContext
from nca.backends.bits.stepper import BitStepper
from nca.engine.stepper import DenseStepper
from nca_plugins.discrete.table_rule import Life

SECONDS = 1.0
ONE = np.uint64(1)
LAST = np.uint64(63)


def bytes_step(cells: np.ndarray) -> np.ndarray:
    """Return Life's next grid, a byte for each cell."""
    rows = np.roll(cells, 1, 0) + cells + np.roll(cells, -1, 0)
    total = np.roll(rows, 1, 1) + rows + np.roll(rows, -1, 1)
    return ((total == 3) | ((total == 4) & (cells == 1))).astype(np.uint8)


def words_step(words: np.ndarray) -> np.ndarray:
    """Return Life's next grid, 64 cells of a row to a word."""

    def both_sides(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        left = (line << ONE) | (np.roll(line, 1, 1) >> LAST)
        right = (line >> ONE) | (np.roll(line, -1, 1) << LAST)
        return left, right

    above, below = np.roll(words, 1, 0), np.roll(words, -1, 0)
    half, carry = above ^ below, above & below
    ones, twos = half ^ words, carry | (half & words)
    (left1, right1), (left2, right2) = both_sides(ones), both_sides(twos)
    side = left1 ^ right1
    sum1, carry1 = side ^ half, (left1 & right1) | (side & half)
    side = left2 ^ right2
    part, fours = side ^ carry, (left2 & right2) | (side & carry)
    sum2, more = part ^ carry1, part & carry1
    return (sum1 | words) & sum2 & ~(fours | more)


def timed(step: Callable[[], object]) -> float:
    """Return the processor's seconds of a step, the least of five rounds."""
    step()
    rounds = []
    for _ in range(5):
        begun, count = time.process_time(), 0
        while time.process_time() - begun < SECONDS / 5:
            step()
            count += 1
        rounds.append((time.process_time() - begun) / count)
    return min(rounds)


def main() -> None:
    """Time all ways, and check that they agree."""
    torch.set_num_threads(1)
    layout = Layout([Level("cells", 1)])
    life = Automaton(layout, {"cells": [Life(RuleContext(layout, "cells"))]})
    for side in map(int, sys.argv[1:] or ["1024"]):
        state = life.seed(1, (side, side))
        state = state.replace({"cells": state.rng.chance("cells", 0.3, 1, (side, side)).float()})
        cells = state["cells"][0, 0].numpy().astype(np.uint8)
        packed = np.packbits(cells, axis=1, bitorder="little").view(np.uint64)
        bits, dense = BitStepper(life.spec, state), DenseStepper(life.spec)
        words = bits.prepare(state)
        after = life.step(state)["cells"][0, 0].numpy().astype(np.uint8)
        assert (bytes_step(cells) == after).all()
        unpacked = np.unpackbits(words_step(packed).view(np.uint8), axis=1, bitorder="little")
        assert (unpacked == after).all()
        ways: dict[str, Callable[[], object]] = {
            "numpy, a byte a cell": lambda cells=cells: bytes_step(cells),
            "numpy, 64 cells a word": lambda packed=packed: words_step(packed),
            "nca, bits": lambda bits=bits, words=words: bits.step(words, 1.0),
            "nca, plain step": lambda dense=dense, state=state: dense.step(state, 1.0),
        }
        for name, step in ways.items():
            seconds = timed(step)
            print(
                f"{side:>6}  {name:<24} {seconds * 1e3:9.3f} ms  {side**2 / seconds:9.3g} cells/s"
            )


if __name__ == "__main__":
    main()
