"""What a page may say: each message is a class that checks its numbers, then does what it says.

A text is parsed whole before anything is done. What is malformed is refused in words and never
reaches a handler, so that what fails in a handler is a bug of ours.
"""

import secrets
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nca.errors import NCAError
from nca.play.events import MOST_STEPS, Sample, Step
from nca.play.frames import about
from nca.play.history_file import MOST_BYTES, RandomSeed
from nca.play.hub import FASTEST, SLOWEST, Client, Hub
from nca.play.model import PlayStart
from nca.play.views import ViewRequest
from nca.types import Natural

MANY = 1000
"""So many steps can be asked for in one breath."""

FAR = 100_000
"""So many steps beyond the end of a branch can be gone to at once."""

QUOTED = 120
"""So many characters of a message are quoted in a refusal."""


class Message(BaseModel, ABC):
    """Something that a page says."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @abstractmethod
    async def handle(self, lab: Hub, guest: Client) -> None:
        """Do what it says.

        Raises:
            NCAError: It cannot be done.
        """


class Ack(Message):
    """The last frame has been shown."""

    type: Literal["ack"]

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Let the next frame come."""
        guest.ready.set()


class About(Message):
    """What is played?"""

    type: Literal["about"] = "about"

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Answer."""
        await guest.tell("about", **await lab.do(about, lab.session))


class Play(Message):
    """Let time pass, or stand still."""

    type: Literal["play"]
    on: bool

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Start or stop."""
        lab.play(self.on)


class Speed(Message):
    """How many steps shall pass in a second; None: as many as can."""

    type: Literal["speed"]
    value: Annotated[float, Ge(SLOWEST), Le(FASTEST)] | None

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Set the pace."""
        lab.pace(self.value)


class Steps(Message):
    """Let some steps pass, or go back by some, and stand still."""

    type: Literal["step"]
    count: Annotated[int, Ge(-MANY), Le(MANY)] = 1

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Go."""
        lab.play(False)
        if self.count > 0:
            await lab.do(lab.session.advance, self.count)
        else:
            await lab.do(lab.session.go, max(0, lab.session.step + self.count))
        lab.changed()


class Go(Message):
    """Go to a step, of the past or of the future."""

    type: Literal["go"]
    step: Step

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Set out, as far as one can go at once."""
        lab.seek(min(self.step, lab.session.here.branch.length + FAR, MOST_STEPS))


class Act(Message):
    """Do something to the automaton: an event without its step."""

    type: Literal["act"]
    event: dict[str, Any]

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Do it to what is seen, wherever that is."""
        lab.goal = None
        await lab.do(lab.session.act, self.event)
        lab.resume()
        lab.changed()


class Beginning(BaseModel):
    """Where a history shall begin; see `Start`."""

    model_config = Message.model_config

    kind: Literal["task", "noise", "point", "empty"]
    sample: Sample = 0


class Reset(Message):
    """Begin anew."""

    type: Literal["reset"]
    random_seed: RandomSeed | Literal["new"] | None = None
    start: Beginning | None = None

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Begin, with fresh colours."""
        seed = secrets.randbelow(2**31) if self.random_seed == "new" else self.random_seed
        start = self.start and PlayStart(self.start.kind, self.start.sample)
        await lab.do(lab.session.reset, seed, start)
        lab.resume()
        guest.eye.bases.clear()
        lab.changed()


class LookAt(Message):
    """Show something else."""

    type: Literal["look"]
    look: ViewRequest

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Show it, with fresh colours."""
        guest.look(self.look)


class BranchOff(Message):
    """Let a branch leave here."""

    type: Literal["branch"]
    name: str = ""

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Go on along it."""
        await lab.do(lab.session.branch, self.name[:36])
        lab.changed()


class Show(Message):
    """Go over to a branch."""

    type: Literal["show"]
    branch: Natural

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Go over."""
        await lab.do(lab.session.show, self.branch)
        lab.changed()


class Compare(Message):
    """Show a branch beside this one, or none."""

    type: Literal["compare"]
    branch: Natural | None

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Show it."""
        await lab.do(lab.session.compare, self.branch)
        lab.changed()


class Rename(Message):
    """Give a branch another name."""

    type: Literal["rename"]
    branch: Natural
    name: str

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Give it."""
        await lab.do(lab.session.rename, self.branch, self.name)
        lab.changed()


class Remove(Message):
    """Forget a branch."""

    type: Literal["remove"]
    branch: Natural

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Forget it."""
        await lab.do(lab.session.remove, self.branch)
        lab.changed()


class Load(Message):
    """Take up a saved history: the text of its file."""

    type: Literal["load"]
    history: str

    async def handle(self, lab: Hub, guest: Client) -> None:
        """Take it up, and say so if other weights have made it."""
        lab.play(False)
        if await lab.do(lab.session.load, self.history):
            words = "made with other weights: what it replays will differ"
            await guest.tell("notice", text=words)
        lab.changed()


Known = (
    Ack | About | Play | Speed | Steps | Go | Act | Reset | LookAt | BranchOff | Show | Compare
    | Rename | Remove | Load
)  # fmt: skip
MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Known, Field(discriminator="type")])


def parse(text: str | None) -> Message:
    """Return the message that a page sends.

    Args:
        text: JSON; None: bytes, which no message is.

    Raises:
        NCAError: It is none, or a number of it is out of range.
    """
    if text is None:
        raise _nonsense("bytes", "a message is text")
    if len(text) > 2 * MOST_BYTES:
        raise _nonsense(text, f"it has more than {2 * MOST_BYTES:,} characters")
    try:
        return MESSAGES.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _nonsense(text, f"{place}: {first['msg']}".removeprefix(": ")) from None


async def respond(lab: Hub, guest: Client, text: str | None) -> None:
    """Do what a page asks for, or say to it why not; a bug of ours goes to the log as well.

    Args:
        lab: What is played.
        guest: The page.
        text: As of `parse`.
    """
    try:
        await parse(text).handle(lab, guest)
    except Exception as fault:
        await guest.report(fault)
        lab.changed()


def _nonsense(text: str, why: str) -> NCAError:
    return NCAError(
        f"the page said something that makes no sense: {why[:QUOTED]}.",
        where=text[:QUOTED],
        to_do="load the page again; if it stays so, it is of another version",
    )
