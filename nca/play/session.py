"""A session: a position in a history, from which one goes on, back, or aside. No web in here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nca.errors import NCAError
from nca.play.events import Event, Turn, parse_event
from nca.play.history import Branch, History
from nca.play.model import PlayedModel, PlayStart
from nca.play.snapshot import Snapshot


@dataclass
class TimelinePosition:
    """A place in a history.

    Attributes:
        branch: On which branch.
        snapshot: At which snapshot, with all that is done at it.
        previous: The snapshot one step before, if it is at hand.
    """

    branch: Branch
    snapshot: Snapshot
    previous: Snapshot | None = None


class Session:
    """One automaton that is being played.

    Args:
        model: What is played.
        random_seed: From which all randomness follows.
        start: Where it begins.
    """

    def __init__(
        self, model: PlayedModel, random_seed: int = 0, start: PlayStart | None = None
    ) -> None:
        self.model = model
        self.history = History(model, random_seed, start)
        self.here = self._placed(self.history.branches[0], 0)
        self.beside: TimelinePosition | None = None

    @property
    def step(self) -> int:
        """The step at which one stands."""
        return self.here.snapshot.step

    @property
    def at_pause(self) -> bool:
        """Whether one stands where the automaton pauses because it does not hold."""
        pause = self.model.pause
        return pause is not None and self.here.snapshot.state.step == pause.measured

    @property
    def past_pause(self) -> bool:
        """Whether one stands there, or beyond."""
        pause = self.model.pause
        return pause is not None and self.here.snapshot.state.step >= pause.measured

    @property
    def places(self) -> list[TimelinePosition]:
        """Where one stands, and what it is compared with."""
        return [self.here, *([self.beside] if self.beside else [])]

    def advance(self, steps: int = 1, enough: Callable[[], bool] | None = None) -> int:
        """Let steps pass on all shown branches, and return how many did.

        Args:
            steps: At most so many.
            enough: Asked after each step whether to stop.
        """
        for done in range(1, steps + 1):
            for place in self.places:
                self._step(place)
            if enough and enough():
                return done
        return steps

    def go(self, step: int) -> None:
        """Go to a step, of the past or of the future."""
        found = [self._placed(place.branch, step) for place in self.places]
        for place, at in zip(self.places, found, strict=True):
            place.snapshot, place.previous = at.snapshot, at.previous

    def approach(self, step: int, enough: Callable[[], bool]) -> bool:
        """Go towards a step as far as time allows, and return whether one has arrived.

        Args:
            step: A step of the past or of the future.
            enough: Asked after each step whether to stop.
        """
        return all(self._draw_near(place, step, enough) for place in self.places)

    def _draw_near(self, place: TimelinePosition, step: int, enough: Callable[[], bool]) -> bool:
        kept = self.history.nearest(place.branch, step)
        if not kept.step <= place.snapshot.step <= step:
            place.snapshot, place.previous = self.history.done(place.branch, kept), None
        while place.snapshot.step < step:
            self._step(place)
            if place.snapshot.step < step and enough():
                return False
        if place.previous is None and step:  # what changed in the last step is seen
            at = self.history.nearest(place.branch, step - 1)
            if at.step == step - 1:
                place.previous = self.history.done(place.branch, at)
        return True

    def _step(self, place: TimelinePosition) -> None:
        after = self.history.after(place.branch, place.snapshot)
        done = self.history.done(place.branch, after)
        place.snapshot, place.previous = done, place.snapshot

    def act(self, given: dict[str, Any]) -> Event:
        """Do something now, and note it.

        Where the branch has already been further than now, a new branch leaves it here: what was
        there is never overwritten.

        Args:
            given: An event without its step.

        Raises:
            NCAError: It is no event, or it cannot be done.
        """
        event = parse_event({**given, "step": self.step})
        self.history.check(self.here.branch, event)
        snapshot = event.apply(self.here.snapshot, self.model)  # before anything is noted
        branch = self.here.branch
        if branch.length > self.step or self.step < branch.fork:
            branch = self.branch().branch
        last = branch.events[-1] if branch.events else None
        if isinstance(event, Turn) and isinstance(last, Turn) and _same(event, last):
            self.history.take_back(branch)  # a control under the hand is turned many times
        self.history.add(branch, event)
        self.here.snapshot = snapshot
        if self.beside and self.beside.branch is branch:
            self.beside.snapshot = snapshot
        return event

    def reset(self, random_seed: int | None = None, start: PlayStart | None = None) -> None:
        """Begin anew; a branch on which nothing was done is begun again rather than kept.

        Args:
            random_seed: Another one, or the same.
            start: Another one, or the same.
        """
        old = self.here.branch
        seed = old.random_seed if random_seed is None else random_seed
        begin = start or old.start
        alone = old.parent is None and not any(b.parent is old for b in self.history.branches)
        if not old.all() and alone:
            if (seed, begin) != (old.random_seed, old.start):
                first = self.model.first(begin, seed)
                old.random_seed, old.start, old.length = seed, begin, 0
                old.cache.cut(-1)
                old.cache.stride = 1
                old.cache.keep(first)
            branch = old
        else:
            branch = self.history.begin(seed, begin)
        self.here = self._placed(branch, 0)
        self.go(0)

    def branch(self, name: str = "") -> TimelinePosition:
        """Let a branch leave here, and go on along it."""
        old = self.here
        branch = self.history.branch(old.branch, self.step, name)
        self.here = TimelinePosition(branch, old.snapshot, old.previous)
        return self.here

    def show(self, number: int) -> None:
        """Go over to another branch, at the same step or where it ends."""
        branch = self._numbered(number)
        step = min(self.step, branch.length)
        self.here = self._placed(branch, step)
        if self.beside:
            self.compare(self.history.branches.index(self.beside.branch))

    def compare(self, number: int | None) -> None:
        """Show another branch beside this one, or none."""
        if number is None:
            self.beside = None
        else:
            self.beside = self._placed(self._numbered(number), self.step)

    def rename(self, number: int, name: str) -> None:
        """Give a branch another name."""
        self.history.rename(self._numbered(number), name)

    def remove(self, number: int) -> None:
        """Forget a branch.

        Raises:
            NCAError: Others have left it, or it is the only one.
        """
        branch = self._numbered(number)
        self.history.remove(branch)
        if self.beside and self.beside.branch is branch:
            self.beside = None
        if self.here.branch is branch:
            there = branch.parent or self.history.branches[0]
            self.here = self._placed(there, min(self.step, there.length))
            self.compare(self.history.branches.index(self.beside.branch) if self.beside else None)

    def save(self) -> str:
        """Return the history as the text of a small file."""
        return self.history.dumped()

    def pattern(self) -> str:
        """Return what is on the grid now as the text of a pattern file.

        Raises:
            NCAError: The task has no patterns.
        """
        model, snapshot = self.model, self.here.snapshot
        state = model.turned(snapshot).finish(snapshot.state)
        return model.patterned.write_pattern(state)

    def load(self, text: str) -> bool:
        """Take up a saved history, at its beginning; what was here is forgotten.

        Returns:
            Whether it was made with other weights, so that what it replays will differ.

        Raises:
            NCAError: It is none, or does not belong to this model.
        """
        history = History.loaded(text, self.model)
        foreign = History.foreign(text, self.model)
        first = history.branches[0]
        self.here = TimelinePosition(first, history.at(first, 0))
        self.history, self.beside = history, None
        return foreign

    def recent(self, place: TimelinePosition, count: int) -> list[Snapshot]:
        """Return the last snapshots up to a place, oldest first."""
        first = max(0, place.snapshot.step - count + 1)
        past = []
        for at in range(first, place.snapshot.step):
            kept = self.history.nearest(place.branch, at)
            if past and kept.step != at:
                kept = self.history.after(place.branch, past[-1])
            elif kept.step != at:
                kept = self.history.before(place.branch, at)
            past.append(self.history.done(place.branch, kept))
        return [*past, place.snapshot]

    def _placed(self, branch: Branch, step: int) -> TimelinePosition:
        previous = self.history.at(branch, step - 1) if step > 0 else None
        if previous is None:
            return TimelinePosition(branch, self.history.at(branch, step))
        after = self.history.after(branch, previous)
        return TimelinePosition(branch, self.history.done(branch, after), previous)

    def _numbered(self, number: int) -> Branch:
        branches = self.history.branches
        if not 0 <= number < len(branches):
            raise NCAError(
                f"there is no branch {number}.",
                where=f"branches: {', '.join(branch.name for branch in branches)}",
                to_do="choose one of these, counted from 0",
            )
        return branches[number]


def _same(event: Turn, last: Turn) -> bool:
    return (event.knob, event.step) == (last.knob, last.step)
