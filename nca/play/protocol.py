"""The messages of a page: each is a class that checks its fields, then does what it asks for.

A text is parsed whole before anything is done. What is malformed is refused in words and never
reaches a handler, so that what fails in a handler is a bug of ours.
"""

import secrets
from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from nca.errors import NCAError
from nca.play.events import MOST_STEPS, Sample, Step
from nca.play.frames import about
from nca.play.gallery import PlayGallery
from nca.play.history_file import MOST_BYTES, RandomSeed
from nca.play.hub import FASTEST, SLOWEST, Client, Hub
from nca.play.json_keys import RepeatedKeyError, check_keys
from nca.play.model import PlayStart
from nca.play.views import ViewRequest
from nca.types import Natural

MANY = 1000
"""The most steps of one message."""

FAR = 100_000
"""So many steps beyond the end of a branch can be gone to at once."""

STOP = '{"type":"stop"}'

QUOTED = 120
"""So many characters of a message are quoted in a refusal."""

Chosen = Annotated[str, Len(1, 300)]
"""A group of the gallery, or a name in it; or `written`, and a text in a notation."""


class Message(BaseModel, ABC):
    """A message of a page."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @abstractmethod
    async def handle(self, hub: Hub, client: Client) -> None:
        """Do what it says.

        Raises:
            NCAError: It cannot be done.
        """


class Ack(Message):
    """The last frame has been shown."""

    type: Literal["ack"]

    async def handle(self, hub: Hub, client: Client) -> None:
        """Let the next frame come."""
        client.ready.set()


class About(Message):
    """What is played? Nothing yet: what may be."""

    type: Literal["about"] = "about"

    async def handle(self, hub: Hub, client: Client) -> None:
        """Answer."""
        if hub.idle and hub.gallery:
            await ShowGallery(type="gallery").handle(hub, client)
        else:
            await client.send("about", **await hub.do(about, hub.session), **hub.choice)


class ShowGallery(Message):
    """What may be played?"""

    type: Literal["gallery"]

    async def handle(self, hub: Hub, client: Client) -> None:
        """Answer."""
        groups = await hub.do(_gallery(hub).to_json)
        await client.send("gallery", groups=groups, idle=hub.idle)


class Choose(Message):
    """Play something of the gallery, from its beginning, in place of what is played."""

    type: Literal["choose"]
    group: Chosen
    name: Chosen

    async def handle(self, hub: Hub, client: Client) -> None:
        """Load it; all pages go over to it."""
        hub.choose(await hub.do(_gallery(hub).session, self.group, self.name))
        await hub.send("about", **await hub.do(about, hub.session), **hub.choice)


class Play(Message):
    """Let time pass, or stand still."""

    type: Literal["play"]
    on: bool

    async def handle(self, hub: Hub, client: Client) -> None:
        """Start or stop."""
        hub.play(self.on)


class Stop(Message):
    """Stop what takes long, and stand still; it does not wait for what came before."""

    type: Literal["stop"]

    async def handle(self, hub: Hub, client: Client) -> None:
        """Stop."""
        hub.interrupt()


class Speed(Message):
    """How many steps shall pass in a second; None: as many as can."""

    type: Literal["speed"]
    value: Annotated[float, Ge(SLOWEST), Le(FASTEST)] | None

    async def handle(self, hub: Hub, client: Client) -> None:
        """Set the pace."""
        hub.pace(self.value)


class Steps(Message):
    """Let some steps pass, or go back by some, and stand still."""

    type: Literal["step"]
    count: Annotated[int, Ge(-MANY), Le(MANY)] = 1

    async def handle(self, hub: Hub, client: Client) -> None:
        """Go."""
        hub.play(False)
        if self.count > 0:
            await hub.do(hub.session.advance, self.count)
        else:
            await hub.do(hub.session.go, max(0, hub.session.step + self.count))
        hub.changed()


class Go(Message):
    """Go to a step, of the past or of the future."""

    type: Literal["go"]
    step: Step

    async def handle(self, hub: Hub, client: Client) -> None:
        """Set out, as far as one can go at once."""
        hub.seek(min(self.step, hub.session.here.branch.length + FAR, MOST_STEPS))


class Act(Message):
    """Do something to the automaton: an event without its step."""

    type: Literal["act"]
    event: dict[str, Any]

    async def handle(self, hub: Hub, client: Client) -> None:
        """Do it to what is seen, wherever that is."""
        hub.goal = None
        await hub.do(hub.session.act, self.event)
        hub.resume()
        hub.changed()


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

    async def handle(self, hub: Hub, client: Client) -> None:
        """Begin, with fresh colours."""
        seed = secrets.randbelow(2**31) if self.random_seed == "new" else self.random_seed
        start = self.start and PlayStart(self.start.kind, self.start.sample)
        await hub.do(hub.session.reset, seed, start)
        hub.resume()
        client.viewer.bases.clear()
        hub.changed()


class LookAt(Message):
    """Show something else."""

    type: Literal["look"]
    look: ViewRequest

    async def handle(self, hub: Hub, client: Client) -> None:
        """Show it, with fresh colours."""
        client.look(self.look)


class BranchOff(Message):
    """Let a branch leave here."""

    type: Literal["branch"]
    name: str = ""

    async def handle(self, hub: Hub, client: Client) -> None:
        """Go on along it."""
        await hub.do(hub.session.branch, self.name[:36])
        hub.changed()


class Show(Message):
    """Go over to a branch."""

    type: Literal["show"]
    branch: Natural

    async def handle(self, hub: Hub, client: Client) -> None:
        """Go over."""
        await hub.do(hub.session.show, self.branch)
        hub.changed()


class Compare(Message):
    """Show a branch beside this one, or none."""

    type: Literal["compare"]
    branch: Natural | None

    async def handle(self, hub: Hub, client: Client) -> None:
        """Show it."""
        await hub.do(hub.session.compare, self.branch)
        hub.changed()


class Rename(Message):
    """Give a branch another name."""

    type: Literal["rename"]
    branch: Natural
    name: str

    async def handle(self, hub: Hub, client: Client) -> None:
        """Give it."""
        await hub.do(hub.session.rename, self.branch, self.name)
        hub.changed()


class Remove(Message):
    """Forget a branch."""

    type: Literal["remove"]
    branch: Natural

    async def handle(self, hub: Hub, client: Client) -> None:
        """Forget it."""
        await hub.do(hub.session.remove, self.branch)
        hub.changed()


class Load(Message):
    """Take up a saved history: the text of its file."""

    type: Literal["load"]
    history: str

    async def handle(self, hub: Hub, client: Client) -> None:
        """Take it up, and say so if other weights have made it."""
        hub.play(False)
        if await hub.do(hub.session.load, self.history):
            words = "made with other weights: what it replays will differ"
            await client.send("notice", text=words)
        hub.changed()


Known = (
    Ack | About | Play | Stop | Speed | Steps | Go | Act | Reset | LookAt | BranchOff | Show
    | Compare | Rename | Remove | Load | ShowGallery | Choose
)  # fmt: skip
MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Known, Field(discriminator="type")])


def read_message(text: str | None) -> Message:
    """Return the message that a page sends.

    Args:
        text: JSON; None: bytes, which no message is.

    Raises:
        NCAError: It is none, or a number of it is out of range.
    """
    if text is None:
        raise _malformed("bytes", "a message is text")
    if len(text) > 2 * MOST_BYTES:
        raise _malformed(text, f"it has more than {2 * MOST_BYTES:,} characters")
    try:
        message = MESSAGES.validate_json(text)
        check_keys(text)
        return message
    except RepeatedKeyError as error:
        raise _malformed(text, str(error)) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _malformed(text, f"{place}: {first['msg']}".removeprefix(": ")) from None


async def respond(hub: Hub, client: Client, text: str | None) -> None:
    """Do what a page asks for, or say to it why not; a bug of ours goes to the log as well.

    Args:
        hub: What is played.
        client: The page.
        text: As of `parse`.
    """
    try:
        await read_message(text).handle(hub, client)
    except Exception as fault:
        await client.report(fault)
        hub.changed()


def urgent(text: str | None) -> bool:
    """Return whether a message shall not wait for those before it."""
    return text is not None and len(text) < QUOTED and text.replace(" ", "") == STOP


def _gallery(hub: Hub) -> PlayGallery:
    if hub.gallery is None:
        raise NCAError(
            "this page plays one automaton, and has no gallery.",
            where="a message of the page",
            to_do="begin with nca play alone",
        )
    return hub.gallery


def _malformed(text: str, why: str) -> NCAError:
    return NCAError(
        f"the page sent a message that cannot be read: {why[:QUOTED]}.",
        where=text[:QUOTED].strip() or "an empty message",
        to_do="load the page again; if it stays so, it is of another version",
    )
