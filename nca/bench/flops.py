"""Work of a step: the least that it must compute and move, counted from the weights.

Operations are those of matrix products and convolutions (two for each multiplication with its
addition), as torch counts them while plain runs; sums, masks and activations cost
nothing here. Every cell of the grid counts, so that a backend that skips cells which cannot
change may do better than this floor. Bytes are those of a step that keeps everything else to
itself.
"""

from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from nca.bench.backends import PLAIN, What
from nca.bench.case import Case, loss_of
from nca.engine.layout import Layout


@dataclass(frozen=True)
class WorkPerCell:
    """What one cell needs for one step.

    Attributes:
        operations: Of matrix products and convolutions.
        moved: Bytes read and written.
    """

    operations: float
    moved: float


def work_per_cell(case: Case, what: What) -> WorkPerCell:
    """Return what a cell needs for one step of a rollout, or of a training iteration."""
    cells = case.cell_steps / case.steps / case.batch
    if what == "forward":
        return WorkPerCell(
            _operations(case, 1, False) / cells, _moved(case.automaton().layout, what)
        )
    # the first step of a rollout needs no gradient of its state, all others do
    each = _operations(case, 2, True) - _operations(case, 1, True)
    return WorkPerCell(each / cells, _moved(case.automaton().layout, what))


def _operations(case: Case, steps: int, training: bool) -> int:
    automaton = case.automaton()
    rollout = PLAIN.made(automaton)
    first = case.first().select(slice(0, 1))
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(training):
        last = rollout(first, steps)
        if training:
            loss_of(automaton, last).backward()
    return counter.get_total_flops()


def _moved(layout: Layout, what: What) -> float:
    """Return the bytes of a step: what is written is read before; an input is only read.

    In training the old state is read once more, and its gradient is read and written.
    """
    written = sum(level.channels for level in layout.values() if not level.input)
    read = sum(level.channels for level in layout.values() if level.input)
    passes = {"forward": (2, 1), "training": (5, 2)}[what]
    return 4.0 * (passes[0] * written + passes[1] * read)
