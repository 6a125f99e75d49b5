"""Bounds of a history: what it takes to replay, the same while one plays and in a file."""

from collections.abc import Sequence

from nca.errors import NCAError
from nca.play.events import Event
from nca.play.model import PlayedModel

MOST_EVENTS = 20_000
MOST_PIXELS = 1 << 28
"""So many pixels of pictures may be unpacked for a history: some seconds."""

MOST_WORK = 1 << 32
"""So many numbers may be copied, or as much work done, at one step: about ten seconds."""


class Bounds:
    """What the events of a history add up to.

    Args:
        model: What they are done to.
    """

    def __init__(self, model: PlayedModel) -> None:
        self.model = model
        self.events = 0
        self._pixels = 0
        self._place: tuple[str, int] | None = None
        self._work = 0

    def add(self, branch: str, event: Event) -> None:
        """Count an event, in the order of time on its branch.

        Raises:
            NCAError: It is one too many; it is not counted.
        """
        self.events, self._pixels, self._work = self.check(branch, event)
        self._place = branch, event.step

    def check(self, branch: str, event: Event) -> tuple[int, int, int]:
        """Return events, pixels, and work at the event's step with it.

        Raises:
            NCAError: It is one too many.
        """
        before = self._work if self._place == (branch, event.step) else 0
        found = self.events + 1, self._pixels + event.pixels, before + event.work(self.model)
        cells = "x".join(map(str, self.model.size))
        bounds = {
            f"at most {MOST_EVENTS:,} events": MOST_EVENTS,
            f"pictures of at most {MOST_PIXELS:,} pixels in all": MOST_PIXELS,
            f"no more work at one step than this, on {cells} cells": MOST_WORK,
        }
        for much, (words, most) in zip(found, bounds.items(), strict=True):
            if much > most:
                raise NCAError(
                    f"a history holds {words}.",
                    where=f"branch {branch!r}, step {event.step}",
                    to_do="do less at once, let a step pass, or save the history and reset",
                )
        return found

    def forget(self, events: Sequence[Event]) -> None:
        """Count events no more."""
        self.events -= len(events)
        self._pixels -= sum(event.pixels for event in events)
