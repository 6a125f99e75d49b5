"""What a page may say, and what then happens. Each message is a function of its own."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from nca.errors import NCAError
from nca.lab.events import MOST_STEPS
from nca.lab.frames import about
from nca.lab.lab import Guest, Lab
from nca.lab.saved import MOST_BYTES
from nca.lab.subject import MOST_SAMPLES, Start
from nca.lab.views import Look

MANY = 1000
"""So many steps can be asked for in one breath."""

FAR = 100_000
"""So many steps beyond the end of a branch can be gone to at once."""

Said = dict[str, Any]
Answer = Callable[[Lab, Guest, Said], Awaitable[None]]

ANSWERS: dict[str, Answer] = {}


def answer(kind: str) -> Callable[[Answer], Answer]:
    """Register what follows as the answer to a kind of message."""

    def enter(function: Answer) -> Answer:
        ANSWERS[kind] = function
        return function

    return enter


async def hear(lab: Lab, guest: Guest, text: str) -> None:
    """Do what a page asks for; what cannot be done is told to it."""
    try:
        said = _parsed(text)
        try:
            await ANSWERS[said["type"]](lab, guest, said)
        except (KeyError, TypeError, ValueError) as fault:
            raise _nonsense(f"{type(fault).__name__}: {fault}; {text[:120]}") from fault
    except NCAError as fault:
        await guest.tell("fault", what=fault.what, where=fault.where, to_do=fault.to_do)
        lab.changed()


def _parsed(text: str) -> Said:
    try:
        said = json.loads(text) if len(text) <= 2 * MOST_BYTES else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("type") not in ANSWERS:
        raise _nonsense(text[:120])
    return said


@answer("ack")
async def _ack(lab: Lab, guest: Guest, said: Said) -> None:
    guest.ready.set()


@answer("play")
async def _play(lab: Lab, guest: Guest, said: Said) -> None:
    lab.play(bool(said["on"]))


@answer("speed")
async def _speed(lab: Lab, guest: Guest, said: Said) -> None:
    value = said["value"]
    lab.pace(None if value is None else _number(value))


@answer("step")
async def _step(lab: Lab, guest: Guest, said: Said) -> None:
    lab.play(False)
    count = _whole(said.get("count", 1), -MANY, MANY)
    if count > 0:
        await lab.do(lab.session.advance, count)
    else:
        await lab.do(lab.session.go, max(0, lab.session.step + count))
    lab.changed()


@answer("go")
async def _go(lab: Lab, guest: Guest, said: Said) -> None:
    length = lab.session.here.branch.length
    lab.seek(_whole(said["step"], 0, min(length + FAR, MOST_STEPS)))


@answer("act")
async def _act(lab: Lab, guest: Guest, said: Said) -> None:
    lab.goal = None  # it is done to what is seen, wherever that is
    event = said["event"]
    if not isinstance(event, dict):
        raise ValueError("an event is a table")
    await lab.do(lab.session.act, event)
    lab.changed()


@answer("reset")
async def _reset(lab: Lab, guest: Guest, said: Said) -> None:
    seed = said.get("random_seed")
    if seed == "new":
        seed = secrets.randbelow(2**31)
    elif seed is not None:
        seed = _whole(int(seed), 0, 2**63 - 1)
    start = said.get("start")
    if start is not None:
        start = Start(_kind(start["kind"]), _whole(start.get("sample", 0), 0, MOST_SAMPLES))
    await lab.do(lab.session.reset, seed, start)
    guest.eye.bases.clear()
    lab.changed()


@answer("look")
async def _look(lab: Lab, guest: Guest, said: Said) -> None:
    guest.eye.turn(Look.model_validate(said["look"]))
    guest.stale.set()


@answer("branch")
async def _branch(lab: Lab, guest: Guest, said: Said) -> None:
    await lab.do(lab.session.branch, str(said.get("name", ""))[:36])
    lab.changed()


@answer("show")
async def _show(lab: Lab, guest: Guest, said: Said) -> None:
    await lab.do(lab.session.show, _whole(said["branch"], 0, 1000))
    lab.changed()


@answer("compare")
async def _compare(lab: Lab, guest: Guest, said: Said) -> None:
    branch = said["branch"]
    await lab.do(lab.session.compare, None if branch is None else _whole(branch, 0, 1000))
    lab.changed()


@answer("rename")
async def _rename(lab: Lab, guest: Guest, said: Said) -> None:
    await lab.do(lab.session.rename, _whole(said["branch"], 0, 1000), str(said["name"]))
    lab.changed()


@answer("remove")
async def _remove(lab: Lab, guest: Guest, said: Said) -> None:
    await lab.do(lab.session.remove, _whole(said["branch"], 0, 1000))
    lab.changed()


@answer("load")
async def _load(lab: Lab, guest: Guest, said: Said) -> None:
    lab.play(False)
    text = said["history"]
    foreign = await lab.do(lab.session.load, text if isinstance(text, str) else "")
    if foreign:
        words = "made with other weights: what it replays will differ"
        await guest.tell("notice", text=words)
    lab.changed()


@answer("about")
async def _about(lab: Lab, guest: Guest, said: Said) -> None:
    await guest.tell("about", **await lab.do(about, lab.session))


def _whole(value: Any, low: int, high: int) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is no whole number")
    return min(max(value, low), high)


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or value != value:
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _kind(value: Any) -> Any:
    if value not in ("task", "noise", "point", "empty"):
        raise ValueError(f"{value!r} is no start")
    return value


def _nonsense(text: str) -> NCAError:
    return NCAError(
        "the page said something that makes no sense.",
        where=text,
        to_do="load the page again; if it stays so, it is of another version",
    )
