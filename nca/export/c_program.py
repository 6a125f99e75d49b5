"""Write an automaton of few states as a C program, compiled and compared with ours."""

import os
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.state import State
from nca.errors import ExportError
from nca.export.c_source import CHECKED, Stepped, c_source, stepped
from nca.export.verify import Difference, NotCompared
from nca.files import write_whole

COMPILERS = ("cc", "gcc", "clang")
SECONDS = 120
"""A compilation, or a trial, may take so long."""
SIZES = {1: ((1, 67), (1, 130), (1, 1)), 2: ((13, 67), (6, 130), (3, 5), (1, 1))}
"""The grids of the comparison, by axes, as rows and columns."""


def write_c(
    automaton: Automaton, name: str, axes: int, path: Path, steps: int, check: bool = True
) -> Difference | NotCompared | None:
    """Write the program of an automaton, compared with ours; return how it was compared.

    Args:
        automaton: On the CPU, in evaluation mode.
        name: What it is called.
        axes: Of its grid.
        path: Where to.
        steps: Steps of each trial.
        check: Whether to compare it at all; None is returned where it is not wanted.

    Raises:
        ExportError: The automaton does what no such program does, or the program computes
            something else.
        StorageError: It cannot be written.
    """
    what = stepped(automaton, axes)
    source = c_source(what, name)
    checked = _compared(source, what, automaton, axes, steps) if check else None
    said = str(checked or "not compared with nca").replace("*/", "* /")
    said = textwrap.fill(
        f"{said[0].upper()}{said[1:]}.", 98, initial_indent="   ", subsequent_indent="   "
    )
    write_whole(path, source.replace(CHECKED, said).encode())
    return checked


def find_compiler() -> str | None:
    """Return the C compiler that `CC` names, or one that is installed, if there is one."""
    named = os.environ.get("CC")
    return next(
        (found for one in (named, *COMPILERS) if one and (found := shutil.which(one))), None
    )


def compile_c(compiler: str, source: str, folder: Path) -> Path:
    """Return a program, compiled into a folder.

    Raises:
        ExportError: The compiler refuses it.
    """
    file, program = folder / "automaton.c", folder / "automaton"
    file.write_text(source, encoding="utf-8")
    command = [compiler, "-std=c99", "-O2", "-o", str(program), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode:
        raise ExportError(
            f"the program does not compile: {(done.stderr.splitlines() or ['no reason given'])[0]}",
            where=" ".join(command[:4]),
            to_do="name another compiler in CC, or write it without comparing it: --no-check",
        )
    return program


def stepped_by(program: Path, level: Tensor, states: int, steps: int) -> Tensor:
    """Return what a compiled program makes of a level, int64 `(C, H, W)`.

    Args:
        program: The compiled one.
        level: `(C, H, W)` of whole numbers.
        states: How many states a number has.
        steps: How many.

    Raises:
        ExportError: It fails.
    """
    command = [str(program), "--steps", str(steps)]
    done = subprocess.run(
        command,
        input=rows_of(level, states),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    if done.returncode:
        raise ExportError(
            f"the program fails: {done.stderr.strip()}",
            where=f"a grid of {level.shape[1]}x{level.shape[2]}",
            to_do="this is a fault of nca: please report it with the checkpoint",
        )
    lines = done.stdout.split("\n")
    rows = [[int(cell) for cell in (line.split() if states > 10 else line)] for line in lines]
    return torch.tensor([row for row in rows if row]).view(level.shape)


def rows_of(level: Tensor, states: int) -> str:
    """Return a level `(C, H, W)` of whole numbers as the rows that a program reads."""
    between = " " if states > 10 else ""
    channels = ("\n".join(between.join(map(str, row)) for row in one) for one in level.tolist())
    return "\n\n".join(channels) + "\n"


@torch.no_grad()
def _compared(
    source: str, what: Stepped, automaton: Automaton, axes: int, steps: int
) -> Difference | NotCompared:
    compiler = find_compiler()
    if compiler is None:
        return NotCompared("there is no C compiler here (cc, gcc, clang, or one named in CC)")
    sizes, most = SIZES[axes], 0.0
    with tempfile.TemporaryDirectory(prefix="nca-c-") as folder:
        program = compile_c(compiler, source, Path(folder))
        for size in sizes:
            begun = _random(automaton, what, size[-axes:])
            level = begun[what.level][0].long().view(what.channels, *size)
            now = begun
            for _ in range(steps):
                after = automaton.step(now)
                most = max(most, (after[what.level] - now[what.level]).abs().max().item())
                now = after
            wanted = now[what.level][0].long().view(level.shape)
            found = stepped_by(program, level, what.states, steps)
            if not found.equal(wanted):
                raise _astray(int((found != wanted).sum()), size, steps, compiler)
    if not most:
        return NotCompared("no step changes its cells, from random ones on")
    grids = ", ".join(f"{rows}x{columns}" for rows, columns in sizes)
    engine = f"{Path(compiler).name} -O2"
    note = f"random grids of {grids} came out the same to the cell"
    return Difference(0.0, 0.0, 0.0, steps, what.states - 1.0, engine, most, (note,))


def _random(automaton: Automaton, what: Stepped, size: Sequence[int]) -> State:
    state = automaton.layout.zeros(1, tuple(size))
    drawn = state.rng.uniform("export", what.channels, tuple(size)) * what.states
    return state.replace({what.level: drawn.floor()})


def _astray(cells: int, size: tuple[int, int], steps: int, compiler: str) -> ExportError:
    return ExportError(
        f"the program strays from torch in {cells} cells in {steps} steps.",
        where=f"{compiler} -O2, on a grid of {size[0]}x{size[1]}",
        to_do="nothing was written; this is a fault of nca or of the compiler: please report it "
        "with the checkpoint",
    )
