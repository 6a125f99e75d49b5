"""Take a stretch of time away: as GIF, APNG or MP4."""

import io
import shutil
import subprocess
from typing import Annotated

from annotated_types import Ge, Gt, Le
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from nca.errors import NCAError
from nca.lab.events import Step
from nca.lab.frames import Eye, to_bytes
from nca.lab.session import Session
from nca.lab.views import Look

KINDS = {"film.gif": "image/gif", "film.png": "image/apng", "film.mp4": "video/mp4"}
MOST_FRAMES = 600
SIDE = 384
GAP = 8
PAPER = 255


class Wish(BaseModel):
    """Which stretch of time, seen how.

    Attributes:
        first: The first step to show.
        last: The last step to show.
        every: Steps between frames.
        rate: Frames per second.
        view: See `Look`.
        level: See `Look`.
        channel: See `Look`.
        slice: See `Look`.
        threshold: See `Look`.
        token: Whoever asks has shown it already.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    first: Step
    last: Step
    every: Annotated[int, Ge(1), Le(100_000)] = 1
    rate: Annotated[float, Gt(0), Le(60)] = 20.0
    view: str = "picture"
    level: str = ""
    channel: Annotated[int, Ge(0)] = 0
    slice: Annotated[int, Ge(0)] = 0
    threshold: Annotated[float, Ge(-1), Le(1)] = 0.9
    token: str = ""

    @property
    def steps(self) -> range:
        """The steps to show."""
        return range(self.first, self.last + 1, self.every)


def film(session: Session, name: str, wish: Wish) -> tuple[bytes, str]:
    """Return a film of a session, and the ending of its file; the session stays where it is.

    Raises:
        NCAError: An unknown kind, no frame or too many, or no encoder.
    """
    if name not in KINDS or not 1 <= len(wish.steps) <= MOST_FRAMES:
        raise NCAError(
            f"a film of {len(wish.steps)} frames cannot be taken as {name!r}.",
            where=f"steps {wish.first} to {wish.last}, every {wish.every}",
            to_do=f"take 1 to {MOST_FRAMES} frames as {', '.join(KINDS)}",
        )
    look = Look(
        view=wish.view,
        level=wish.level,
        channel=wish.channel,
        slice=wish.slice,
        threshold=wish.threshold,
    )
    eye, stood = Eye(look), session.step
    try:
        frames = []
        for step in wish.steps:
            session.go(step)
            frames.append(_sheet(session, eye))
    finally:
        session.go(stood)
    ending = name.partition(".")[2]
    encode = _movie if ending == "mp4" else _animation
    return encode(frames, ending, wish.rate), ending


def _sheet(session: Session, eye: Eye) -> Image.Image:
    """Return all panes side by side, on white paper."""
    panes = [pane for place in session.places for pane in eye.panes(session, place)[0]]
    tiles = [_tile(pane.picture) for pane in panes]
    height = max(tile.height for tile in tiles)
    width = sum(tile.width for tile in tiles) + GAP * (len(tiles) - 1)
    sheet = Image.new("RGB", (width + width % 2, height + height % 2), (PAPER,) * 3)
    left = 0
    for tile in tiles:
        sheet.paste(tile, (left, (height - tile.height) // 2))
        left += tile.width + GAP
    return sheet


def _tile(picture: Tensor) -> Image.Image:
    image = Image.fromarray(to_bytes(picture).numpy())
    scale = max(1, SIDE // max(image.size))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _animation(frames: list[Image.Image], ending: str, rate: float) -> bytes:
    if ending == "gif":
        tall = Image.new("RGB", (frames[0].width, frames[0].height * 3))
        for number, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
            tall.paste(frame, (0, number * frame.height))
        palette = tall.quantize(256)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    held = io.BytesIO()
    frames[0].save(
        held,
        {"gif": "GIF", "png": "PNG"}[ending],
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / rate),
        loop=0,
    )
    return held.getvalue()


def _movie(frames: list[Image.Image], ending: str, rate: float) -> bytes:
    width, height = frames[0].size
    command = [_encoder(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", f"{rate:g}", "-i", "-", "-c:v", "libx264"]
    command += ["-pix_fmt", "yuv420p", "-crf", "16", "-f", "mp4"]
    command += ["-movflags", "frag_keyframe+empty_moov", "-"]
    raw = b"".join(frame.tobytes() for frame in frames)
    done = subprocess.run(command, input=raw, capture_output=True, check=False)
    if done.returncode:
        raise NCAError(
            "the film cannot be encoded.",
            where=done.stderr.decode(errors="replace")[-300:],
            to_do="take it as GIF or APNG instead",
        )
    return done.stdout


def _encoder() -> str:
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg
    except ImportError as fault:
        raise NCAError(
            "there is no encoder for MP4 on this machine.",
            where="neither ffmpeg nor the package imageio-ffmpeg is installed",
            to_do='pip install "nca[video]", or take the film as GIF or APNG',
        ) from fault
    return imageio_ffmpeg.get_ffmpeg_exe()
