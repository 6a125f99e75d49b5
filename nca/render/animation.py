"""Encode frames as an animation: one encoder per format, by the file's ending.

The next format is a function and a line in `ENCODERS`. What is encoded lasts as long as it should,
but need not have as many frames as were given: neighbouring frames that are equal may become one
longer frame, and those that come faster than browsers play them are left out.
"""

import io
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from nca.errors import NCAError
from nca.files import write_whole
from nca.render.limits import check_fits
from nca.render.mp4 import encode_mp4, ffmpeg

Frames = Iterable[Image.Image]

SLOWEST, FASTEST = 0.1, 1000.0
"""Frames per second, from the least to the most."""

GIF_LONGEST = 65_535
"""Hundredths of a second that a GIF can show one picture for."""


class FrameClock(NamedTuple):
    """How a format measures time.

    Attributes:
        ticks: In a second.
        least: Ticks of the shortest frame: browsers show a shorter one for a tenth of a second.
    """

    ticks: int
    least: int


CLOCKS = {".gif": FrameClock(100, 2), ".apng": FrameClock(1000, 11), ".webp": FrameClock(1000, 11)}
"""By the ending of the file."""


def save_animation(frames: Frames, path: Path, rate: float) -> None:
    """Write frames of one size; the ending says the format.

    Args:
        frames: At least one; those of an MP4 are taken one by one, and may be many.
        path: Where to.
        rate: Frames per second, from 0.1 to 1000.

    Raises:
        NCAError: The ending is unknown, the rate out of range, or there is no ffmpeg for an MP4.
        StorageError: The file cannot be written.
    """
    write_whole(path, encode(frames, path.name, rate))


def encode(frames: Frames, name: str, rate: float) -> bytes:
    """Return frames of one size as the content of a file; the ending of its name says the format.

    Args:
        frames: As of `save_animation`.
        name: The file's name.
        rate: Frames per second, from 0.1 to 1000.

    Raises:
        NCAError: The ending is unknown, the rate out of range, or there is no ffmpeg for an MP4.
    """
    demand_encoder(name, rate)
    remaining = iter(frames)
    first = next(remaining)
    check_fits(*first.size, name)
    return ENCODERS[_ending(name)](itertools.chain([first], remaining), rate)


def demand_encoder(name: str, rate: float) -> None:
    """Refuse a film that could not be encoded, before any of it is made.

    Args:
        name: The file's name.
        rate: Frames per second.

    Raises:
        NCAError: The ending is unknown, the rate out of range, or there is no ffmpeg for an MP4.
    """
    if _ending(name) not in ENCODERS:
        raise NCAError(
            f"there is no animation that ends in {_ending(name)!r}.",
            where=name,
            to_do=f"choose among {', '.join(ENCODERS)}",
        )
    if not SLOWEST <= rate <= FASTEST:
        raise NCAError(
            f"an animation cannot have {rate:g} frames per second.",
            where=name,
            to_do=f"give a rate from {SLOWEST:g} to {FASTEST:g}",
        )
    if _ending(name) == ".mp4":
        ffmpeg()


def is_animation(path: Path) -> bool:
    """Return whether a file of this name is an animation."""
    return _ending(path.name) in ENCODERS


def omission(name: str, rate: float) -> str:
    """Return what to say of a rate that a format can only hold by leaving frames out, or nothing.

    Args:
        name: The file's name.
        rate: Frames per second.
    """
    clock = CLOCKS.get(_ending(name))
    if clock is None or rate <= clock.ticks / clock.least:
        return ""
    most = clock.ticks // clock.least
    return (
        f"browsers play at most {most} frames per second of a {_ending(name)[1:].upper()}: "
        f"of {rate:g} some are left out, so that it plays as fast as it should"
    )


def _ending(name: str) -> str:
    return Path(name).suffix.lower()


def _gif(frames: Frames, rate: float) -> bytes:
    from nca.render.gif_palette import with_one_palette  # numpy, which help does without

    still = with_one_palette(list(frames))
    shown, delays = _timed(still, rate, CLOCKS[".gif"])
    _check_longest(shown, delays)
    return _pillow(shown, [10 * delay for delay in delays], format="GIF", disposal=1)


def _apng(frames: Frames, rate: float) -> bytes:
    return _pillow(*_timed(list(frames), rate, CLOCKS[".apng"]), format="PNG")


def _webp(frames: Frames, rate: float) -> bytes:
    return _pillow(*_timed(list(frames), rate, CLOCKS[".webp"]), format="WEBP", lossless=True)


def _timed(
    frames: list[Image.Image], rate: float, clock: FrameClock
) -> tuple[list[Image.Image], list[int]]:
    """Return the frames that are shown, and for how many ticks each.

    The first and the last are among them, the delays are as even as whole numbers can be, and
    their sum is what all frames last at that rate.
    """
    count = len(frames)
    total = max(round(clock.ticks * count / rate), clock.least)
    kept = min(count, total // clock.least)
    shown = [frames[round(at * (count - 1) / max(kept - 1, 1))] for at in range(kept)]
    ends = [at * total // kept for at in range(kept + 1)]
    return shown, [end - begin for begin, end in itertools.pairwise(ends)]


def _check_longest(frames: list[Image.Image], delays: list[int]) -> None:
    """Refuse a GIF in which equal frames become one that is longer than it can hold."""
    pairs = zip(frames, delays, strict=True)
    for _, run in itertools.groupby(pairs, key=lambda pair: pair[0].tobytes()):
        if (lasts := sum(delay for _, delay in run)) > GIF_LONGEST:
            raise NCAError(
                f"a GIF cannot show one picture for {lasts / 100:,.0f} seconds.",
                where=f"a row of equal frames; at most {GIF_LONGEST / 100:.0f} seconds",
                to_do="give a higher rate, or choose .apng, .webp or .mp4",
            )


def _pillow(frames: list[Image.Image], milliseconds: list[int], **options: Any) -> bytes:
    content = io.BytesIO()
    rest = frames[1:]
    frames[0].save(
        content, save_all=True, append_images=rest, duration=milliseconds, loop=0, **options
    )
    return content.getvalue()


ENCODERS: dict[str, Callable[[Frames, float], bytes]] = {
    ".gif": _gif,
    ".apng": _apng,
    ".webp": _webp,
    ".mp4": encode_mp4,
}
"""By the ending of the file."""
