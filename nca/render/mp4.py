"""Films as MP4, encoded by ffmpeg: the system's, or the one of the package imageio-ffmpeg."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from PIL import Image

from nca.errors import NCAError, StorageError

ENCODER = "libx264"
OTHERS = ".gif, .apng or .webp"
ROOM = 1 << 16
"""Bytes below which a disk counts as full."""
LINES = 100
"""So many of the last lines that ffmpeg says are kept."""
PATIENCE = 30
"""Seconds that an ffmpeg may take to say what it can do."""


def encode_mp4(frames: Iterable[Image.Image], rate: float) -> bytes:
    """Return frames of one size as an MP4; they are taken one by one.

    Raises:
        NCAError: There is no ffmpeg that can do it, or it gives up.
        StorageError: There is no room for its outcome.
    """
    program = ffmpeg()
    remaining = iter(frames)
    first = next(remaining)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _encoded(program, first, remaining, rate, Path(folder))
    except OSError as fault:
        raise StorageError(
            f"the film cannot be encoded: {fault.strerror or fault}.",
            where="the folder for temporary files, see TMPDIR",
            to_do=f"free some space there, set TMPDIR to another folder, or choose {OTHERS}",
        ) from fault


def ffmpeg() -> str:
    """Return the path of an ffmpeg that encodes H.264: the system's, or that of imageio-ffmpeg.

    Raises:
        NCAError: There is none.
    """
    reasons = []
    for program in _programs():
        if not (reason := _why_not(program)):
            return program
        reasons.append(f"{program}: {reason}")
    named = os.environ.get("IMAGEIO_FFMPEG_EXE")
    cure = "unset IMAGEIO_FFMPEG_EXE" if named else "pip install 'nca[video]', which brings one"
    raise NCAError(
        f"an MP4 needs an ffmpeg with the encoder {ENCODER}, and there is none.",
        where="; ".join(reasons) or "PATH, and the package imageio-ffmpeg",
        to_do=f"{cure}, or choose {OTHERS}",
    )


def _programs() -> Iterator[str]:
    if found := shutil.which("ffmpeg"):
        yield found
    with suppress(ImportError, RuntimeError, OSError):
        import imageio_ffmpeg

        yield imageio_ffmpeg.get_ffmpeg_exe()


def _why_not(program: str) -> str:
    """Return why an ffmpeg is of no use, or nothing."""
    try:
        done = subprocess.run(
            [program, "-hide_banner", "-encoders"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return f"it cannot be started ({getattr(fault, 'strerror', None) or 'no answer'})"
    if done.returncode:
        return f"it ends with {done.returncode} when asked for its encoders"
    return "" if ENCODER.encode() in done.stdout else f"it lacks {ENCODER}"


def _encoded(
    program: str, first: Image.Image, rest: Iterator[Image.Image], rate: float, folder: Path
) -> bytes:
    made = folder / "film.mp4"
    command = [program, "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{first.width}x{first.height}", "-r", f"{rate:g}", "-i", "-", "-an"]
    # the format halves its colours in both directions, so that sides must be even
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2:0:0:white", "-pix_fmt", "yuv420p"]
    command += ["-c:v", ENCODER, "-crf", "16", "-movflags", "+faststart", str(made)]
    code, words = _feed(command, itertools.chain([first], rest))
    if code:
        full = shutil.disk_usage(folder).free < ROOM or "No space left" in words
        room = f"free some space in {folder.parent}, set TMPDIR to another folder, or "
        raise NCAError(
            f"ffmpeg gave up: {_reason(code, words, full)}.",
            where=program,
            to_do=f"{room if full else ''}choose {OTHERS}",
        )
    return made.read_bytes()


def _reason(code: int, words: str, full: bool) -> str:
    lines = [line for line in words.splitlines() if line.strip()]
    if code < 0:
        try:
            return f"it was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"it was ended by signal {-code}"
    return lines[-1].strip() if lines else "the disk is full" if full else f"it ended with {code}"


def _feed(command: list[str], frames: Iterable[Image.Image]) -> tuple[int, str]:
    """Hand frames to a program; return its exit code, 0 only if it took all, and what it said."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stderr is not None
    said: list[bytes] = []
    reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
    reader.start()
    took_all = False
    try:
        with suppress(BrokenPipeError):  # it has ended before its time, and says why
            for frame in frames:
                process.stdin.write(frame.convert("RGB").tobytes())
            process.stdin.flush()
            took_all = True
    except BaseException:  # Ctrl-C too
        process.kill()
        raise
    finally:
        with suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait()
        reader.join()
        process.stderr.close()
    words = b"".join(said[-LINES:]).decode(errors="replace")
    return (code if code or took_all else 1), words
