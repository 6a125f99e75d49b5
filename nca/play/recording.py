"""Recordings: a range of steps as GIF, APNG or MP4."""

from collections.abc import Iterator, Sequence
from typing import Annotated

from annotated_types import Ge, Le
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from nca.errors import NCAError
from nca.play.events import Step
from nca.play.frames import Viewer, to_bytes
from nca.play.model import PlayedModel
from nca.play.session import Session
from nca.play.views import ViewRequest, Word
from nca.play.work import work_progress
from nca.render.animation import SLOWEST, encode
from nca.render.lattice import hexagonal

KINDS = {"film.gif": "image/gif", "film.png": "image/apng", "film.mp4": "video/mp4"}
ENCODED = {"film.png": "film.apng"}
"""What a film is encoded as, where its name says it otherwise."""

MOST_FRAMES = 600
MOST_PIXELS = 1 << 28
"""Of all frames together, which a GIF holds in memory at once."""

SIDE = 384
GAP = 8
PAPER = 255


class RecordingRequest(BaseModel):
    """Which steps to record, in which view.

    Attributes:
        first: The first step to show.
        last: The last step to show.
        every: Steps between frames.
        rate: Frames per second.
        view: See `ViewRequest`.
        level: See `ViewRequest`.
        channel: See `ViewRequest`.
        slice: See `ViewRequest`.
        threshold: See `ViewRequest`.
        colours: See `ViewRequest`.
        token: Of the address; checked before.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    first: Step
    last: Step
    every: Annotated[int, Ge(1), Le(100_000)] = 1
    rate: Annotated[float, Ge(SLOWEST), Le(60)] = 20.0
    view: Word = "picture"
    level: Word = ""
    channel: Annotated[int, Ge(0)] = 0
    slice: Annotated[int, Ge(0)] = 0
    threshold: Annotated[float, Ge(-1), Le(1)] = 0.9
    colours: Word = ""
    token: str = ""

    @property
    def steps(self) -> range:
        """The steps to show."""
        return range(self.first, self.last + 1, self.every)


def parse_recording_request(query: Sequence[tuple[str, str]]) -> RecordingRequest:
    """Return what the query of an address asks for.

    Args:
        query: Its keys and values, in their order.

    Raises:
        NCAError: A key is given twice; a number is missing, malformed or out of range.
    """
    keys = [key for key, _ in query]
    if twice := sorted({key[:40] for key in keys if keys.count(key) > 1}):
        raise NCAError(
            f"no film can be taken of that: {', '.join(twice)} stands there more than once.",
            where="the address",
            to_do="give each number once",
        )
    try:
        return RecordingRequest.model_validate(dict(query))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NCAError(
            f"no film can be taken of that: {first['msg']}.",
            where=".".join(map(str, first["loc"]))[:80] or "the address",
            to_do="give first and last step, every how many steps, and frames per second",
        ) from None


def record(session: Session, name: str, request: RecordingRequest) -> tuple[bytes, str]:
    """Return a film of a session, and the ending of its file; the session stays where it is.

    Raises:
        NCAError: An unknown kind, no frame or too many, or no encoder.
    """
    if name not in KINDS or not 1 <= len(request.steps) <= MOST_FRAMES:
        raise NCAError(
            f"a film of {len(request.steps)} frames cannot be taken as {name!r}.",
            where=f"steps {request.first} to {request.last}, every {request.every}",
            to_do=f"take 1 to {MOST_FRAMES} frames as {', '.join(KINDS)}",
        )
    look = ViewRequest(
        view=request.view,
        level=request.level,
        channel=request.channel,
        slice=request.slice,
        threshold=request.threshold,
        colours=request.colours,
    )
    stood = [(place, place.snapshot, place.previous) for place in session.places]
    try:
        data = encode(
            _sheets(session, Viewer(look), request.steps), ENCODED.get(name, name), request.rate
        )
    finally:
        for place, snapshot, previous in stood:
            place.snapshot, place.previous = snapshot, previous
    return data, name.partition(".")[2]


def _sheets(session: Session, viewer: Viewer, steps: range) -> Iterator[Image.Image]:
    work_progress().begin("film", len(steps), unit="frames")
    for number, step in enumerate(steps, start=1):
        session.go(step)
        sheet = _sheet(session, viewer)
        _check_pixels(sheet, len(steps))
        yield sheet
        work_progress().advance(number)


def _check_pixels(sheet: Image.Image, frames: int) -> None:
    if sheet.width * sheet.height * frames > MOST_PIXELS:
        raise NCAError(
            f"a film of {frames} frames of {sheet.width}x{sheet.height} pixels is too large.",
            where=f"at most {MOST_PIXELS:,} pixels in all",
            to_do="take fewer frames: fewer steps, or every second one",
        )


def _sheet(session: Session, viewer: Viewer) -> Image.Image:
    """Return all panes side by side, on white paper."""
    panes = [pane for place in session.places for pane in viewer.panes(session, place)[0]]
    tiles = [_tile(pane.picture, session.model) for pane in panes]
    height = max(tile.height for tile in tiles)
    width = sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1)
    sheet = Image.new("RGB", (width, height), (PAPER,) * 3)
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, (height - tile.height) // 2))
        left += tile.width + GAP
    return sheet


def _tile(picture: Tensor, model: PlayedModel) -> Image.Image:
    scale = max(1, SIDE // max(picture.shape[-2:]))
    if model.is_hexagonal and tuple(picture.shape[-2:]) == model.size:
        return Image.fromarray(to_bytes(hexagonal(picture, scale)).numpy())
    image = Image.fromarray(to_bytes(picture).numpy())
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
