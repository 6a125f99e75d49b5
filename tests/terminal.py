"""A terminal without a screen: what a command writes when someone sits before it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

Colour = tuple[int, int, int] | None

CODE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)


def before_a_terminal(
    folder: Path, *arguments: object, columns: int = 80, rows: int = 24, **environment: str
) -> tuple[int, str]:
    """Run `nca` in a terminal of 24-bit colour, and return its exit code and all it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    kind = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "nca", *map(str, arguments)],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**kept, **kind, **environment},
    )
    os.close(theirs)
    told = b""
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # so Linux says that nobody holds the other end any more
            break
        if not piece:
            break
        told += piece
    os.close(ours)
    return process.wait(timeout=60), told.decode().replace("\r\n", "\n")


def cells(text: str) -> list[list[tuple[str, Colour, Colour]]]:
    """Return the characters of each line with the colours in front of and behind them."""
    lines: list[list[tuple[str, Colour, Colour]]] = [[]]
    front: Colour = None
    behind: Colour = None
    for numbers, kind, character in CODE.findall(text):
        if kind == "m":
            front = behind = None
            given = [int(number) for number in numbers.split(";") if number]
            while given:
                if given[0] in (38, 48) and given[1] == 2:
                    colour = (given[2], given[3], given[4])
                    front, behind = (colour, behind) if given[0] == 38 else (front, colour)
                    given = given[4:]
                given = given[1:]
        elif character == "\n" or kind == "A":  # the cursor goes up: what is there is drawn anew
            lines.append([])
        elif character:
            lines[-1].append((character, front, behind))
    return lines
