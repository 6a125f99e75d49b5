"""Encode frames as an animation: one encoder per format, by the file's ending.

The next format is a function and a line in `ENCODERS`. What is encoded lasts as long as it should,
but need not have as many frames as were given: neighbouring frames that are equal may become one
longer frame, and those that come faster than browsers play them are left out.
"""

import io
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image

from nca.errors import NCAError
from nca.files import write_whole

Frames = Iterable[Image.Image]

PALETTE_FRAMES = 8
"""From so many frames the one palette of a GIF is taken."""

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
    encoder = ENCODERS.get(_ending(name))
    if encoder is None:
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
    return encoder(frames, rate)


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
    shown = list(frames)
    # one palette serves all: to find one for each frame takes a hundred times as long
    stride = max(1, -(-len(shown) // PALETTE_FRAMES))
    sample = [*shown[::stride], shown[-1]]
    wide = Image.new("RGB", (shown[0].width * len(sample), shown[0].height))
    for number, frame in enumerate(sample):
        wide.paste(frame, (number * frame.width, 0))
    palette = wide.quantize(256)
    still = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in shown]
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


def _mp4(frames: Frames, rate: float) -> bytes:
    remaining = iter(frames)
    first = next(remaining)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "film.mp4"
        command = [ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        command += ["-s", f"{first.width}x{first.height}", "-r", f"{rate:g}", "-i", "-", "-an"]
        # the format halves its colours in both directions, so that sides must be even
        command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:0:0:white", "-pix_fmt", "yuv420p"]
        command += ["-c:v", "libx264", "-crf", "16", "-movflags", "+faststart", str(made)]
        with (Path(folder) / "said").open("w+b") as said:
            whole = _feed(command, itertools.chain([first], remaining), said)
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()
        if not whole:
            raise NCAError(
                f"ffmpeg gave up: {words[-1] if words else 'it does not say why'}.",
                where=command[0],
                to_do="install another ffmpeg, or choose .gif, .apng or .webp",
            )
        return made.read_bytes()


def _feed(command: list[str], frames: Frames, said: IO[bytes]) -> bool:
    """Hand frames to a program, and return whether it took all of them and was content."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
    )
    assert process.stdin is not None
    took_all = False
    try:
        for frame in frames:
            process.stdin.write(frame.convert("RGB").tobytes())
        process.stdin.flush()
        took_all = True
    except BrokenPipeError:
        pass  # it has ended before its time, and says why
    except BaseException:  # Ctrl-C too
        process.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait()
    return took_all and code == 0


def ffmpeg() -> str:
    """Return the path of an ffmpeg: of the system's, or else of the package imageio-ffmpeg.

    Raises:
        NCAError: There is none.
    """
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise NCAError(
            "an MP4 needs ffmpeg, and there is none.",
            where="PATH, and the package imageio-ffmpeg",
            to_do="pip install 'nca[video]', or install ffmpeg, or choose .gif, .apng or .webp",
        ) from None


ENCODERS: dict[str, Callable[[Frames, float], bytes]] = {
    ".gif": _gif,
    ".apng": _apng,
    ".webp": _webp,
    ".mp4": _mp4,
}
"""By the ending of the file."""
