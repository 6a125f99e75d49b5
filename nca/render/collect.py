"""What `nca render` keeps of the states that it sees, and how it lays them out.

Legend: B sample, H height, W width.
"""

from collections.abc import Iterator

import typer
from PIL import Image
from torch import Tensor

from nca.checkpoint.trained import Trained
from nca.engine.state import State
from nca.render.sheet import Sheet, channel_picture, crowd, level_picture, levels_sheet, strip


class CollectedStates:
    """What is kept of each state: only what is to be seen.

    Args:
        trained: Whose states they are.
        levels: Whether all levels are to be seen, side by side.
        level: The one level that is to be seen instead of the task's picture.
        channels: One or three of its channels, as `0` or `0,1,2`.

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

    def keep(self, state: State, beside: Tensor | None = None) -> None:
        """Keep what is to be seen of a state.

        Args:
            state: The state.
            beside: What its cells look at, `(3, height, width)`: of each state, or of none.
        """
        self.words.append(f"step {state.step}")
        if beside is not None:
            self.beside.append(beside)
        if self.level and self.channels:
            self.seen.append(channel_picture(state[self.level], self.channels, self.level))
        elif self.level:
            self.seen.append(state[self.level])
        else:
            self.seen.append(self.trained.task.picture(state))
        if self.levels:
            self.states.append(state.replace(remembered=()))

    def pictures(self) -> list[Tensor]:
        """Return the picture of each state, `(B, 3, H, W)`."""
        return level_picture(self.seen) if self.level and not self.channels else self.seen

    def last(self) -> list[Tensor]:
        """Return the pictures of the last state, `(3, H, W)` each: of samples, or of levels."""
        shown = self.sheet().rows[-1] if self.levels else self.pictures()[-1]
        return [*([] if self.levels else self.beside[-1:]), *shown]

    def sheet(self) -> Sheet:
        """Return all states on one sheet."""
        if self.levels:
            sheet = levels_sheet(self.states, self.pictures())
            if self.beside:
                rows = zip(self.beside, sheet.rows, strict=True)
                sheet = Sheet(["input", *sheet.columns], [[i, *r] for i, r in rows], sheet.names)
            return sheet
        sheet = strip(self.pictures(), self.words)
        if self.beside:
            sheet = Sheet(self.words, [self.beside, *sheet.rows], ["", *sheet.names])
        return sheet

    def frames(self, scale: int | None, columns: int | None) -> Iterator[Image.Image]:
        """Yield one sheet for each state."""
        if self.levels:
            sheet = self.sheet()
            yield from (sheet.only(row).image(scale) for row in range(len(sheet.rows)))
            return
        for number, (picture, word) in enumerate(zip(self.pictures(), self.words, strict=True)):
            if self.beside:
                row = [self.beside[number], *picture]
                yield Sheet(["input", word, *[""] * (len(row) - 2)], [row], [""]).image(scale)
            else:
                yield crowd(picture, word, columns).image(scale)


def _numbers(channels: str) -> list[int]:
    words = [word.strip() for word in channels.split(",")]
    if not all(word.isascii() and word.isdigit() for word in words):
        raise typer.BadParameter("give one channel, or three: 0,1,2", param_hint="--channels")
    return [int(word) for word in words]
