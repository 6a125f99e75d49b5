"""A history: its first state, the events, and the branches that they made.

Randomness is counted, so that a random seed, a start and events are all there is to keep: the
same history is the same bits. A branch leaves its parent at a step and shares all that lies
before; a branch without parent has a random seed and a start of its own.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from nca.errors import NCAError
from nca.jsonl import dumps
from nca.play.bounds import Bounds
from nca.play.events import Event, parse_event
from nca.play.history_file import (
    FORMAT,
    MOST_BRANCHES,
    SavedBranch,
    check_size,
    damaged,
    read_history,
)
from nca.play.model import PlayedModel, PlayStart
from nca.play.snapshot import Snapshot, SnapshotCache
from nca.play.work import ask, work_progress

BUDGET = 256_000_000
"""Bytes of snapshots that are kept for going back."""

_step = attrgetter("step")


@dataclass
class Branch:
    """One line of time.

    Attributes:
        name: What a person calls it.
        random_seed: From which its randomness follows.
        start: Where its time began.
        parent: The branch that it left, or None.
        fork: The step at which it left; events of that step are its own.
        events: What was done, in order, at the steps from `fork` on.
        length: The last step that was reached.
        film: Moments before the events of their step.
    """

    name: str
    random_seed: int
    start: PlayStart
    parent: "Branch | None" = None
    fork: int = 0
    events: list[Event] = field(default_factory=list)
    length: int = 0
    cache: SnapshotCache = field(default_factory=SnapshotCache, repr=False)

    def at(self, step: int) -> list[Event]:
        """Return what is done at a step."""
        if self.parent is not None and step < self.fork:
            return self.parent.at(step)
        first = bisect_left(self.events, step, key=_step)
        return self.events[first : bisect_right(self.events, step, key=_step)]

    def all(self) -> list[Event]:
        """Return all that was done, since time began."""
        before = self.parent.all() if self.parent else []
        return [*(event for event in before if event.step < self.fork), *self.events]


class History:
    """Branches of time, and any snapshot of any of them.

    Args:
        model: What is played.
        random_seed: Of the first branch.
        start: Of the first branch.
    """

    def __init__(
        self, model: PlayedModel, random_seed: int = 0, start: PlayStart | None = None
    ) -> None:
        self.model = model
        self.branches: list[Branch] = []
        self._bounds = Bounds(model)
        self.begin(random_seed, start or PlayStart())

    def begin(self, random_seed: int, start: PlayStart) -> Branch:
        """Add a branch of its own beginning.

        Raises:
            NCAError: There are too many, or the task cannot start so.
        """
        branch = Branch(self._free("main"), random_seed, start)
        branch.cache.keep(self.model.first(start, random_seed))
        self._add(branch)
        return branch

    def branch(self, parent: Branch, step: int, name: str = "") -> Branch:
        """Let a branch leave another one at a step, with what was done at that step so far.

        Raises:
            NCAError: There are too many.
        """
        name = self._free(name or "branch")
        events = list(parent.at(step))
        branch = Branch(name, parent.random_seed, parent.start, parent, step, events, step)
        self._add(branch)
        return branch

    def remove(self, branch: Branch) -> None:
        """Forget a branch; those that left it stay, as branches of its parent's kind.

        Raises:
            NCAError: Another branch has left it, or it is the only one.
        """
        if len(self.branches) == 1 or any(other.parent is branch for other in self.branches):
            raise NCAError(
                f"the branch {branch.name!r} cannot be removed.",
                where="it is the only one" if len(self.branches) == 1 else "others have left it",
                to_do="remove those first, or begin anew",
            )
        self.branches.remove(branch)
        self._bounds.forget(branch.events)

    def rename(self, branch: Branch, name: str) -> None:
        """Give a branch another name; if it is taken, a number is added."""
        branch.name = ""
        branch.name = self._free(name.strip()[:36] or "branch")

    def add(self, branch: Branch, event: Event) -> None:
        """Note what was done; events come in order of time.

        Raises:
            NCAError: There are too many events, or they are too much work.
        """
        self._bounds.add(branch.name, event)
        branch.events.append(event)

    def check(self, branch: Branch, event: Event) -> None:
        """Refuse an event before it is done.

        Raises:
            NCAError: It cannot be done to the model, or it is one too many.
        """
        event.check(self.model)
        self._bounds.check(branch.name, event)

    def take_back(self, branch: Branch) -> None:
        """Forget the last event of a branch."""
        self._bounds.forget([branch.events.pop()])

    def before(self, branch: Branch, step: int) -> Snapshot:
        """Return the snapshot at a step before anything is done at it.

        Raises:
            NCAError: An event of the branch cannot be done to the model.
        """
        snapshot = self.nearest(branch, step)
        while snapshot.step < step:
            snapshot = self.after(branch, self.done(branch, snapshot))
        return snapshot

    def nearest(self, branch: Branch, step: int) -> Snapshot:
        """Return the last snapshot kept that is not after a step, before anything is done at it."""
        for each, least in _line(branch):
            found = each.cache.nearest(step)
            if found is not None and (each.parent is None or found.step > least):
                return found
            step = min(step, least)
        raise AssertionError("a branch without beginning")

    def at(self, branch: Branch, step: int) -> Snapshot:
        """Return the snapshot at a step, with all that is done at it."""
        return self.done(branch, self.before(branch, step))

    def done(self, branch: Branch, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot after the events of its step."""
        for event in branch.at(snapshot.step):
            ask()
            snapshot = event.apply(snapshot, self.model)
        return snapshot

    def after(self, branch: Branch, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot one step later, before anything is done at it, and keep it."""
        ask()
        snapshot = self.model.next(snapshot)
        if snapshot.step > branch.fork or branch.parent is None:
            branch.cache.keep(snapshot)
            branch.length = max(branch.length, snapshot.step)
            while sum(each.cache.size for each in self.branches) > BUDGET:
                largest = max(self.branches, key=lambda each: each.cache.size)
                if len(largest.cache.snapshots) < 2:
                    break
                largest.cache.thin()
        return snapshot

    def to_json(self) -> dict[str, Any]:
        """Return the history as JSON would hold it."""
        rows = []
        for branch in self.branches:
            parent = self.branches.index(branch.parent) if branch.parent else None
            rows.append(
                {
                    "name": branch.name,
                    "random_seed": branch.random_seed,
                    "start": {"kind": branch.start.kind, "sample": branch.start.sample},
                    "parent": parent,
                    "fork": branch.fork,
                    "length": branch.length,
                    "events": [event.model_dump(mode="json") for event in branch.events],
                }
            )
        model = self.model
        return {
            "format": FORMAT,
            "name": model.name,
            "weights": model.fingerprint,
            "size": list(model.size),
            "branches": rows,
        }

    def dumped(self) -> str:
        """Return the history as the text of a small file."""
        return dumps(self.to_json(), compact=True)

    @classmethod
    def loaded(cls, text: str, model: PlayedModel) -> "History":
        """Read a history from the text of a file, which need not be trusted.

        All that is done in it is checked, and nothing of it done.

        Raises:
            NCAError: It is none, it is too large, or it belongs to another grid or other levels.
        """
        saved = read_history(text)
        check_size(saved.size, model)
        history = cls.__new__(cls)
        history.model, history.branches, history._bounds = model, [], Bounds(model)
        total = sum(len(row.events) for row in saved.branches)
        work_progress().begin("history", total, unit="events")
        for number, row in enumerate(saved.branches):
            history._add(history._branch(number, row))
        return history

    def _branch(self, number: int, row: SavedBranch) -> Branch:
        """Return a saved branch, all of whose events can be done."""
        parent = self._parent(number, row)
        events = self._events(row)
        steps = [event.step for event in events]
        if steps != sorted(steps) or (steps and steps[0] < row.fork) or row.length < row.fork:
            raise damaged(f"the events of branch {number} are out of order")
        length = max([row.length, *steps])
        name = self._free(row.name)
        branch = Branch(name, row.random_seed, row.start, parent, row.fork, events, length)
        if parent is None:
            branch.cache.keep(self.model.first(row.start, row.random_seed))
        return branch

    def _events(self, row: SavedBranch) -> list[Event]:
        events = []
        for given in row.events:
            ask()
            event = parse_event(given)
            event.check(self.model)
            self._bounds.add(row.name, event)
            events.append(event)
            work_progress().advance(self._bounds.events)
        return events

    @staticmethod
    def foreign(text: str, model: PlayedModel) -> bool:
        """Tell whether a saved history was made with other weights."""
        return read_history(text).weights != model.fingerprint

    def _parent(self, number: int, row: SavedBranch) -> Branch | None:
        if row.parent is None:
            if row.fork:
                raise damaged(f"branch {number} leaves no other one, at step {row.fork}")
            return None
        if row.parent >= number:
            raise damaged(f"branch {number} leaves branch {row.parent}, which comes after it")
        parent = self.branches[row.parent]
        if (row.random_seed, row.start) != (parent.random_seed, parent.start):
            raise damaged(f"branch {number} began otherwise than the one that it leaves")
        return parent

    def _add(self, branch: Branch) -> None:
        if len(self.branches) >= MOST_BRANCHES:
            raise NCAError(
                f"a history holds at most {MOST_BRANCHES} branches.",
                where=f"a branch at step {branch.fork}",
                to_do="remove some of them",
            )
        self.branches.append(branch)

    def _free(self, name: str) -> str:
        taken = {branch.name for branch in self.branches}
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name} {number}"
        return free


def _line(branch: Branch) -> Iterator[tuple[Branch, int]]:
    """Yield a branch and those that it comes from, each with the step at which it began."""
    each: Branch | None = branch
    while each is not None:
        yield each, each.fork
        each = each.parent
