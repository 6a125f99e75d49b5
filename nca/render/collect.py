"""What `nca render` keeps of the states that it sees, and how it lays them out.

Legend: B sample, H height, W width.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import typer
from PIL import Image
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.engine.rollouts import divergence
from nca.engine.state import State
from nca.errors import NCAWarning
from nca.render.sheet import (
    Sheet,
    channel_picture,
    crowd,
    fitting_scale,
    level_picture,
    levels_sheet,
    strip,
)
from nca.render.votes import annotate, legend, votes_in_words
from nca.tasks.batch import Batch
from nca.tasks.display import laid_flat

LEAST_WIDTH = 400
"""Pixels that a sheet is wide at least, as far as whole pixels per cell allow it."""


class CollectedStates:
    """What is kept of each state: only what is to be seen.

    Args:
        trained: Whose states they are.
        levels: Whether all levels are to be seen, side by side.
        level: The one level that is to be seen instead of the task's picture.
        channels: One or three of its channels, as `0` or `0,1,2`.

    Attributes:
        divergence: A sentence on the first state that is not finite, if there was one.

    Raises:
        NCAError: There is no such level.
        typer.BadParameter: The channels are not written like that.
    """

    def __init__(
        self, trained: Trained, levels: bool, level: str | None, channels: str | None
    ) -> None:
        self.trained, self.levels = trained, levels
        layout = trained.automaton.layout
        self.level = layout[level or list(layout)[-1]].name if level or channels else None
        self.channels = _numbers(channels) if channels else None
        self.words: list[str] = []
        self.beside: list[Tensor] = []
        self.states: list[State] = []
        self.seen: list[Tensor] = []
        self.batches: list[Batch] = []
        self.divergence = ""
        self._finite: list[State] = []

    def keep(self, batch: Batch, beside: Tensor | None = None) -> None:
        """Keep what is to be seen of a state.

        Args:
            batch: The state, with the truth that its vote is judged by.
            beside: What its cells look at, `(3, height, width)`: of each state, or of none.
        """
        state = batch.state
        self.look_for_divergence(state)
        self.words.append(f"step {state.step}")
        if beside is not None:
            self.beside.append(beside)
        if self.level and self.channels:
            flat = laid_flat(state[self.level])
            self.seen.append(channel_picture(flat, self.channels, self.level))
        elif self.level:
            self.seen.append(laid_flat(state[self.level]))
        else:
            self.seen.append(self.trained.task.picture(state))
            if self.trained.task.votes(batch):
                self.batches.append(Batch(state.replace(remembered=()), batch.truth))
        if self.levels:
            self.states.append(state.replace(remembered=()))

    def look_for_divergence(self, state: State) -> None:
        """Look whether a state is finite that may not be kept, in the order of the steps."""
        if not self.divergence:
            levels = self.trained.automaton.writable_levels
            self.divergence = divergence([*self._finite, state], levels)
            self._finite = [state.replace(remembered=())]

    def pictures(self) -> list[Tensor]:
        """Return the picture of each state, `(B, 3, H, W)`."""
        return level_picture(self.seen) if self.level and not self.channels else self.seen

    def last(self) -> list[Tensor]:
        """Return the pictures of the last state, `(3, H, W)` each: of samples, or of levels."""
        shown = self.sheet().rows[-1] if self.levels else self.pictures()[-1]
        return [*([] if self.levels else self.beside[-1:]), *shown]

    @cached_property
    def lattice(self) -> str:
        """How the cells lie, as the task has it."""
        return self.trained.task.display().lattice

    def sheet(self) -> Sheet:
        """Return all states on one sheet, with what the cells say in the end."""
        return replace(self._sheet(), lattice=self.lattice)

    def _sheet(self) -> Sheet:
        task = self.trained.task
        if self.levels:
            sheet = levels_sheet(self.states, self.pictures())
            words = [votes_in_words(task, batch) for batch in self.batches]
            sheet.notes = [samples[0] for samples in words if samples]
            sheet.legend = legend(task, self.batches)
            if self.beside:
                sheet.columns = ["input", *sheet.columns]
                sheet.rows = [[i, *r] for i, r in zip(self.beside, sheet.rows, strict=True)]
            return sheet
        sheet = annotate(strip(self.pictures(), self.words), task, self.batches)
        if self.beside:
            sheet.rows, sheet.names = [self.beside, *sheet.rows], ["", *sheet.names]
            sheet.notes = ["", *sheet.notes] if sheet.notes else ()
        return sheet

    def sheets(self, columns: int | None) -> list[Sheet]:
        """Return one sheet for each state, all of one size, with what the cells say by then."""
        if self.levels:
            sheet = self.sheet()
            found = [sheet.only(row) for row in range(len(sheet.rows))]
        else:
            pairs = zip(self.pictures(), self.words, strict=True)
            found = [
                self._one(n, picture, word, columns) for n, (picture, word) in enumerate(pairs)
            ]
            entries = legend(self.trained.task, self.batches)
            for sheet in found:
                sheet.legend = entries
        least = max(sheet.widest_word() for sheet in found)
        beside = max(sheet.widest_note() for sheet in found)
        for sheet in found:
            sheet.least, sheet.least_beside, sheet.lattice = least, beside, self.lattice
        return found

    def scale(self, moving: bool, columns: int | None) -> int:
        """Return how many pixels a cell takes where it was not given; if many, say so."""
        sheet = self.sheets(columns)[0] if moving else self.sheet()
        natural = fitting_scale(sheet.tile_size)
        enough = _large_enough(sheet, natural)
        if enough > natural:
            text = f"a cell is drawn {enough} pixels wide; --scale says otherwise"
            warnings.warn(text, NCAWarning, stacklevel=2)
        return enough

    def expected_size(
        self, moments: int, moving: bool, scale: int | None, columns: int | None
    ) -> tuple[int, int]:
        """Return width and height, in pixels, of what will be drawn, once the first state is kept.

        Args:
            moments: How many states will be kept.
            moving: Whether each of them is a frame, or all are on one sheet.
            scale: Pixels along each side of a cell, if given.
            columns: Samples beside each other, if given.
        """
        sheet = self.sheets(columns)[0] if moving else self.sheet()
        if not moving and self.levels:
            sheet.rows, sheet.names = [sheet.rows[0]] * moments, sheet.names * moments
            sheet.notes = list(sheet.notes) * moments
        elif not moving:
            sheet.columns = list(sheet.columns) * moments
        return sheet.size(scale or _large_enough(sheet, fitting_scale(sheet.tile_size)))

    def frames(self, scale: int | None, columns: int | None) -> Iterator[Image.Image]:
        """Yield one picture for each state."""
        for sheet in self.sheets(columns):
            yield sheet.image(scale)

    def _one(self, number: int, picture: Tensor, word: str, columns: int | None) -> Sheet:
        task = self.trained.task
        batches = self.batches[number : number + 1]
        words = votes_in_words(task, batches[0]) if batches else []
        if self.beside:
            row = [self.beside[number], *picture]
            sheet = Sheet(["input", word, *[""] * (len(row) - 2)], [row], [""])
            sheet.captions = [["", *words]] if words else ()
        else:
            sheet = crowd(picture, word, columns)
            sheet.captions = _in_rows(words, sheet.rows)
        return sheet


def _large_enough(sheet: Sheet, natural: int) -> int:
    """Return how many pixels a cell takes, so that a sheet is wide enough to be seen."""
    missing = LEAST_WIDTH - sheet.size(natural)[0]
    if missing <= 0:
        return natural
    return natural + math.ceil(missing / (sheet.tile_size[1] * len(sheet.columns)))


def _in_rows(words: Sequence[str], rows: Sequence[Sequence[Tensor]]) -> list[Sequence[str]]:
    """Return words in rows that are as long as rows of pictures; none where there are none."""
    found, start = [], 0
    for row in rows if words else ():
        found.append(words[start : start + len(row)])
        start += len(row)
    return found


def _numbers(channels: str) -> list[int]:
    words = [word.strip() for word in channels.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise typer.BadParameter("give one channel, or three: 0,1,2", param_hint="--channels")
    return [int(word) for word in words]
