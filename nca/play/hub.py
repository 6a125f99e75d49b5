"""The hub: one running session and the pages connected to it.

All access to the session happens in one worker thread, one call after the other. A page
acknowledges each frame, and gets the next one only then, always of what is now: frames are
dropped, never queued. When the last page is gone, time stands still. Whatever fails is reported to
the pages, and all else goes on.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol, TypeVar

from nca.errors import NCAError
from nca.jsonl import dumps
from nca.play.frames import Viewer, frame
from nca.play.gallery import PlayGallery
from nca.play.reporting import Repeats, describe_fault
from nca.play.session import Session
from nca.play.views import ViewRequest
from nca.play.work import StoppedError, WatchedWork, ask, watching

Given = TypeVar("Given")

BUSY = 0.03
"""Seconds of stepping between two frames."""

PATIENCE = 0.1
"""Seconds between two frames on the way to a step."""

LONG = 0.7
"""Seconds after which a page is shown that something is being worked on."""

REST = 1 / 60
FASTEST = 10_000.0
SLOWEST = 0.1


class Wire(Protocol):
    """The connection to a page; what is sent to one that has gone is dropped."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a frame."""
        ...

    async def send_text(self, data: str) -> None:
        """Send a message."""
        ...


class Client:
    """A connected page."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.viewer = Viewer()
        self.repeats = Repeats()
        self.stale = asyncio.Event()
        self.ready = asyncio.Event()
        self.ready.set()
        self.stale.set()

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message."""
        await self.wire.send_text(dumps({"type": kind, **fields}))

    async def report(self, fault: Exception) -> None:
        """Say what has failed or was stopped; a bug of ours goes to the log as well."""
        kind, fields = _said(fault)
        await self.send(kind, **fields)

    def look(self, look: ViewRequest) -> None:
        """Look at something else."""
        self.viewer.turn(look)
        self.repeats.forget()
        self.stale.set()


class Hub:
    """A session that runs while a page is connected.

    Args:
        session: What runs; it may be exchanged for another one. None: nothing yet, until something
            is chosen from the gallery.
        moving: Whether time passes as soon as there is a page, unless the automaton pauses there.
        gallery: What else may be played; None: nothing.
    """

    def __init__(
        self, session: Session | None, *, moving: bool = False, gallery: PlayGallery | None = None
    ) -> None:
        self._session = session
        self.gallery = gallery
        self.chosen = 0
        self.clients: list[Client] = []
        self.playing = False
        self.moving = moving
        self.paused = False
        self.speed: float | None = 10.0
        self.news: dict[str, Any] = {}
        self.goal: int | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nca-play")
        self._job: WatchedWork | None = None
        self._ended = threading.Event()
        self._going = asyncio.Event()
        self._begun = asyncio.Event()
        if session:
            self._begun.set()
        self._passed: deque[tuple[float, int]] = deque()

    @property
    def session(self) -> Session:
        """What runs.

        Raises:
            NCAError: Nothing does yet.
        """
        if self._session is None:
            raise NCAError(
                "nothing is played yet.", where="the page", to_do="choose from the gallery"
            )
        return self._session

    @session.setter
    def session(self, session: Session) -> None:
        self._session = session
        self._begun.set()

    @property
    def idle(self) -> bool:
        """Whether nothing has been chosen yet."""
        return self._session is None

    @property
    def choice(self) -> dict[str, Any]:
        """What a page must know of the gallery: how often one has chosen, and whether one may."""
        return {"chosen": self.chosen, "gallery": self.gallery is not None}

    def choose(self, session: Session) -> None:
        """Play something else, and let time pass, unless it pauses where it begins."""
        self.session = session
        self.chosen, self.moving = self.chosen + 1, not self.clients
        for client in self.clients:
            client.viewer = Viewer()
        self.play(bool(self.clients) and not session.past_pause)

    async def do(self, work: Callable[..., Given], *arguments: Any) -> Given:
        """Do something with the session, after what is being done.

        Whoever waits for it no more stops it.

        Raises:
            StoppedError: It was stopped.
        """
        loop = asyncio.get_running_loop()
        job = WatchedWork(self._ended)
        doing = loop.run_in_executor(self._worker, self._watched, job, partial(work, *arguments))
        try:
            return await doing
        except asyncio.CancelledError:
            job.stop()
            raise

    def _watched(self, job: WatchedWork, work: Callable[[], Given]) -> Given:
        job.since = time.monotonic()
        self._job = job
        try:
            with watching(job):
                ask()
                return work()
        finally:
            self._job = None

    def interrupt(self) -> None:
        """Stop what is being done, and stand still."""
        if job := self._job:
            job.stop()
        self.play(False)

    def end(self) -> None:
        """Stop what is being done and all that comes; may be called from a signal's handler."""
        self._ended.set()

    async def watch(self) -> None:
        """Tell the pages of work that takes long, and of its end, for ever."""
        shown = False
        while True:
            await asyncio.sleep(LONG / 2)
            job = self._job
            long = job is not None and time.monotonic() - job.since > LONG
            if job and long:
                await self.send("busy", job=job.to_json())
            elif shown:
                await self.send("busy", job=None)
            shown = long

    async def send(self, kind: str, **fields: Any) -> None:
        """Send a message to all pages."""
        for client in list(self.clients):
            await client.send(kind, **fields)

    async def report(self, fault: Exception) -> None:
        """Say to all pages what has failed or was stopped; a bug goes to the log as well."""
        kind, fields = _said(fault)
        await self.send(kind, **fields)

    def enter(self, wire: Wire) -> Client:
        """Connect a page."""
        client = Client(wire)
        self.clients.append(client)
        if self._session:
            self.playing = self.playing or (self.moving and not self._session.past_pause)
            self.moving = False
        self._consider()
        return client

    def leave(self, client: Client) -> None:
        """Disconnect a page; without pages the session stands still."""
        self.clients.remove(client)
        if not self.clients:
            self.moving = self.playing
            self.playing, self.goal = False, None
        self._consider()

    def play(self, on: bool) -> None:
        """Let time pass, or stand still."""
        self.playing, self.paused, self.goal = on, False, None
        self._consider()
        self.changed()

    async def pause(self) -> None:
        """Stand still where the automaton does not hold, and say so."""
        self.play(False)
        self.paused = True
        pause = self.session.model.pause
        assert pause is not None
        words = f"Paused: trained for {pause.trained} steps; measured to {pause.measured}"
        await self.send("notice", text=f"{words}: press play to go on.")

    def resume(self) -> None:
        """Go on where the automaton paused by itself and has begun anew."""
        pause = self.session.model.pause
        if self.paused and pause and self.session.here.snapshot.state.step < pause.measured:
            self.play(True)

    def seek(self, step: int) -> None:
        """Go to a step, a little at a time; another call takes the place of this one."""
        self.playing, self.goal = False, step
        self._consider()

    def pace(self, speed: float | None) -> None:
        """Set how many steps pass in a second; None: as many as can."""
        self.speed = speed if speed is None else min(max(speed, SLOWEST), FASTEST)
        self._consider()
        self.changed()

    def changed(self) -> None:
        """Mark what all pages show as out of date: each gets a new frame once it is ready."""
        for client in self.clients:
            client.stale.set()

    async def show(self, client: Client) -> None:
        """Send frames to a page for as long as it stays, one at a time."""
        await self._begun.wait()
        while True:
            await client.stale.wait()
            await client.ready.wait()
            client.stale.clear()
            client.ready.clear()
            try:
                data = await self.do(frame, self.session, client.viewer, self._state())
            except Exception as fault:
                client.ready.set()
                if client.repeats.new(fault):
                    await client.report(fault)
            else:
                client.repeats.forget()
                await client.wire.send_bytes(data)

    async def run(self) -> None:
        """Let time pass whenever it shall, for ever; where it cannot, it stands still."""
        while True:
            try:
                await self._pass_time()
            except Exception as fault:
                self.play(False)
                await self.report(fault)

    async def _pass_time(self) -> None:
        clock = asyncio.get_running_loop().time
        owed, last = 0.0, clock()
        while True:
            if not self._going.is_set():
                self._passed.clear()
                await self._going.wait()
                owed, last = 0.0, clock()
            began = clock()
            if self.goal is not None:
                await self._approach(self.goal, partial(_late, clock, began + PATIENCE))
                continue
            steps = FASTEST
            if self.speed is not None:
                owed = min(owed + self.speed * (began - last), 1 + self.speed * BUSY)
                steps = math.floor(owed)
                owed -= steps
            last = began
            if steps >= 1:
                late = partial(_late, clock, began + BUSY)

                def enough(late: Callable[[], bool] = late) -> bool:
                    return self.session.at_pause or late()

                done = await self.do(self.session.advance, int(steps), enough)
                self._passed.append((clock(), done))
                if self.session.at_pause:
                    await self.pause()
                    continue
                self.changed()
            wait = 0.0 if self.speed is None else min(max((1 - owed) / self.speed, 0.001), REST)
            await asyncio.sleep(wait)

    def close(self) -> None:
        """Let the worker end what it does, and go."""
        self.end()
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _approach(self, goal: int, enough: Callable[[], bool]) -> None:
        arrived = await self.do(self.session.approach, goal, enough)
        if arrived and self.goal == goal:
            self.goal = None
            self._consider()
        self.changed()

    def _consider(self) -> None:
        if self._session and self.clients and (self.playing or self.goal is not None):
            self._going.set()
        else:
            self._going.clear()

    def _state(self) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        while self._passed and self._passed[0][0] < now - 1:
            self._passed.popleft()
        rate = 0.0
        if len(self._passed) > 1:
            seconds = self._passed[-1][0] - self._passed[0][0]
            rate = sum(n for _, n in list(self._passed)[1:]) / max(seconds, 1e-6)
        return {
            "playing": self.playing,
            "speed": self.speed,
            "rate": round(rate, 1),
            **self.news,
        }


def _said(fault: Exception) -> tuple[str, dict[str, str]]:
    """Return the kind of message that says what has failed, and its fields."""
    if isinstance(fault, StoppedError):
        return "notice", {"text": "Stopped."}
    return "fault", describe_fault(fault)


def _late(clock: Callable[[], float], end: float) -> bool:
    return clock() >= end
