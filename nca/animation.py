"""Write frames as an animation: one writer per format, by the file's ending.

The next format is a function and a line in `WRITERS`. Neighbouring frames that are equal may
become one longer frame: what is written lasts as long as it should, but need not have as many
frames as were given.
"""

import io
import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from PIL import Image

from nca.checkpoint import write_whole
from nca.errors import NCAError

Frames = Iterable[Image.Image]

PALETTE_FRAMES = 8
"""From so many frames the one palette of a GIF is taken."""


def save_animation(frames: Frames, path: Path, rate: float) -> None:
    """Write frames of one size; the ending says the format.

    Args:
        frames: At least one; those of an MP4 are taken one by one, and may be many.
        path: Where to.
        rate: Frames per second.

    Raises:
        NCAError: The ending is unknown, or there is no ffmpeg for an MP4.
        StorageError: The file cannot be written.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise NCAError(
            f"there is no animation that ends in {path.suffix!r}.",
            where=str(path),
            to_do=f"choose among {', '.join(WRITERS)}",
        )
    write_whole(path, writer(frames, rate))


def is_animation(path: Path) -> bool:
    """Tell whether a file of this name is an animation."""
    return path.suffix.lower() in WRITERS


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
    # a GIF counts in hundredths of a second, and viewers slow down what is shorter than two
    return _pillow(still, max(20, 10 * round(100 / rate)), format="GIF", disposal=1)


def _apng(frames: Frames, rate: float) -> bytes:
    return _pillow(list(frames), 1000 / rate, format="PNG")


def _webp(frames: Frames, rate: float) -> bytes:
    return _pillow(list(frames), round(1000 / rate), format="WEBP", lossless=True)


def _pillow(frames: list[Image.Image], milliseconds: float, **options: Any) -> bytes:
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
        told = [ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
        told += ["-s", f"{first.width}x{first.height}", "-r", f"{rate:g}", "-i", "-", "-an"]
        # the format halves its colours in both directions, so that sides must be even
        told += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:0:0:white", "-pix_fmt", "yuv420p"]
        told += ["-c:v", "libx264", "-crf", "16", "-movflags", "+faststart", str(made)]
        with (Path(folder) / "said").open("w+b") as said:
            whole = _feed(told, itertools.chain([first], remaining), said)
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()
        if not whole:
            raise NCAError(
                f"ffmpeg gave up: {words[-1] if words else 'it does not say why'}.",
                where=told[0],
                to_do="install another ffmpeg, or choose .gif, .apng or .webp",
            )
        return made.read_bytes()


def _feed(told: list[str], frames: Frames, said: IO[bytes]) -> bool:
    """Hand frames to a program, and return whether it took all of them and was content."""
    process = subprocess.Popen(told, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
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


WRITERS: dict[str, Callable[[Frames, float], bytes]] = {
    ".gif": _gif,
    ".apng": _apng,
    ".webp": _webp,
    ".mp4": _mp4,
}
"""By the ending of the file."""
