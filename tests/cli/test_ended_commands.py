"""A command that is ended in the middle exits with the signal's code, and leaves nothing behind."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest
from processes import Commands

from nca.export import browser

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")

LONG = "1000000"
WORK = {
    "evaluate": (["--steps", LONG], set()),
    "render": (["--steps", LONG, "--every", LONG, "--out", "a.png"], set()),
    "export": (["--to", "onnx", "--out", "a.onnx"], set()),
    "islands": (["--steps", LONG, "--out", "isl"], set()),
    "examine": (["--long", LONG, "--out", "exa"], {"exa"}),
    "stream": (["--size", "512x512", "--steps", LONG, "--folder", "."], set()),
}


@pytest.mark.parametrize(
    ("verb", "name"), [*((verb, "SIGTERM") for verb in WORK), ("evaluate", "SIGINT")]
)
def test_a_command_that_is_ended_while_it_works(here, done, verb, name):
    given, kept = WORK[verb]
    command = [verb, "done", "--plugin", "blobs.py", *given]
    code, said = ended(command, name)
    assert code == 128 + getattr(signal, name)
    assert "Traceback" not in said
    assert "Error" not in said
    left = {path.name for path in here.iterdir()} - {"blobs.py", "done", "tiny.toml", "tmp"}
    assert left == kept
    assert not list(here.rglob("*.part"))
    assert not list(Path("tmp").glob("nca-*"))


def test_a_bench_that_is_ended(here):
    code, said = ended(["bench", "tiny.toml", "--plugin", "blobs.py"], "SIGTERM")
    assert (code, "Traceback" in said, "Error" in said) == (143, False, False)


def ended(words: list[str], name: str) -> tuple[int, str]:
    """Send a command a signal as soon as it has said what it does; return code and stderr."""
    Path("tmp").mkdir()
    process = Commands.alone(Path.cwd(), *words, TMPDIR=str(Path("tmp").absolute()))
    process.wait_until(lambda: "\n" in (process.told / "err.0").read_text())
    process.send(getattr(signal, name))
    (code,), _, said = process.end()
    assert code is not None
    return code, said


PLUGIN = """
import os, signal, time
from nca import UpdateRule, register

@register.rule("ending")
class Ending(UpdateRule):
    def __init__(self) -> None:
        super().__init__()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    def forward(self, view):
        return view.own
"""


def test_a_signal_while_a_plugin_is_at_work_is_no_fault_of_the_plugin(here):
    (here / "ending.py").write_text(PLUGIN)
    text = (here / "tiny.toml").read_text().replace('"growing", hidden = 4', '"ending"')
    (here / "tiny.toml").write_text(text)
    given = ["run", "tiny.toml", "--plugin", "blobs.py", "--plugin", "ending.py"]
    codes, _, said = Commands.alone(here, *given).end()
    assert codes == [143]
    assert "cannot be built" not in said


def test_the_children_of_a_browser_end_with_it_and_leave_nothing(tmp_path, monkeypatch):
    script = tmp_path / "browser"
    script.write_text(
        '#!/bin/sh\nfor last in "$@"; do :; done\nhere=${last#file://}\n'
        '(while true; do mkdir -p "$(dirname "$here")/profile/more"; done) &\n'
        f"echo $! > {tmp_path}/child\nwait\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(browser, "PATIENCE", 1)
    monkeypatch.setattr(browser, "home", lambda: tmp_path)
    with pytest.raises(Exception, match="no answer within 1 seconds"):
        browser.answer(str(script), "<html></html>")
    child, until = int((tmp_path / "child").read_text()), time.monotonic() + 10
    while alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(child)
    assert not list((tmp_path / "tmp").iterdir())


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().split()[2] != "Z"
