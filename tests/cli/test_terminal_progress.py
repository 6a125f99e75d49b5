"""Progress on stderr: lines in a pipe, a panel on a terminal."""

import io
import re

import pytest
from rich.console import Console

from nca.cli import progress as shown
from nca.cli.progress import terminal_progress

TRAIN = {"kind": "train", "iteration": 20, "loss": 0.25, "gradient norm": 3.0}
HELD_OUT = {"kind": "held_out", "iteration": 20, "steps": 3, "after": "", "vote": 0.5}


class Clock:
    """Time that passes only when a test says so."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shown, "time", clock)
    return clock


def train(clock: Clock, progress) -> None:
    progress.begin("tiny", 1000, done=10, unit="iterations")
    for seconds in (2, 2, 2):
        clock.now += seconds
        progress.advance(20)
        progress.record(TRAIN)
    progress.begin("held_out", unit="samples")
    progress.advance(64)
    progress.begin("tiny", 1000, done=20, unit="iterations")
    progress.record(HELD_OUT)
    progress.note("a note")


def test_training_in_a_pipe_is_a_line_now_and_then_and_one_for_each_validation(clock, capsys):
    with terminal_progress() as progress:
        train(clock, progress)
    assert capsys.readouterr().err.splitlines() == [
        "     6 s      20/1,000  loss 0.2500  gradient norm 3.0000",
        "     6 s      20/1,000  held out  vote 0.5000",
        "a note",
    ]


def test_a_fetch_and_an_evaluation_in_a_pipe_print_only_notes(clock, capsys):
    with terminal_progress() as progress:
        for unit in ("bytes", "samples"):
            progress.begin("images", 100, unit=unit)
            clock.now += 60
            progress.advance(50)
    assert capsys.readouterr().err == ""


def test_a_stream_in_a_pipe_says_how_far_and_how_fast_it_is(clock, capsys):
    with terminal_progress(every=10) as progress:
        progress.begin("stream", 8000, unit="cell-steps")
        for done in (1000, 2000, 4000):
            clock.now += 5
            progress.advance(done)
    assert capsys.readouterr().err == "    10 s   25.0%  200 cell-steps per second\n"


def test_parts_and_phases_are_named(clock, capsys):
    with terminal_progress(every=0) as progress:
        progress.begin("warming up")
        progress.begin("examining", 40, unit="results")
        progress.advance(1, "damage")
    assert capsys.readouterr().err.splitlines() == ["warming up", "     0 s       1/40  damage"]


def test_the_panel_shows_bar_figures_and_what_a_training_returns_to(clock, monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(shown, "err", console)
    monkeypatch.setattr(shown, "say", lambda text: console.print(text))
    with terminal_progress(keep=True) as progress:
        train(clock, progress)
        progress.show("a picture")
    text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", console.file.getvalue())  # pyright: ignore[reportAttributeAccessIssue]
    last = text.split("a note\n")[-1]
    lines = [line.rstrip() for line in last.splitlines() if line.strip()]
    bar, *rest = lines[-4:]
    assert bar.startswith("tiny ")
    assert "20/1,000" in bar
    assert rest == [
        "loss 0.2500  gradient norm 3.0000",
        "held out  vote 0.5000",
        "a picture",
    ]
    assert "held_out" not in "".join(lines[-4:])


def test_the_panel_makes_room_for_results_on_stdout(monkeypatch):
    console = Console(file=io.StringIO(), force_terminal=True, width=60, color_system=None)
    monkeypatch.setattr(shown, "err", console)
    with terminal_progress() as progress:
        progress.begin("images", 2048, unit="bytes")
        progress.advance(1024)
        with progress.interrupted():
            console.print("a table")
        progress.begin("labels", 512, unit="bytes")
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "images" in text
    assert "1.0 kB of 2.0 kB" in text
    assert "a table\n" in text
    assert "labels" in text.split("a table")[1]
