"""The command line works where the system knows no home folder, or no user, or none to write to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = """
import sys, warnings

warnings.simplefilter("error", ResourceWarning)

def unknown(*_):
    raise KeyError("uid not found")

try:
    import pwd
except ImportError:
    pass
else:
    if sys.argv[1] == "unknown":
        pwd.getpwuid = pwd.getpwnam = unknown

from nca.cli import main

for words in (
    ["recipes", "list"],
    ["data", "list"],
    ["inspect", "growing"],
    ["run", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu", "--set", "train.iterations=2"],
):
    try:
        main(words)
    except SystemExit as end:
        if end.code:
            sys.exit(f"{words}: {end.code}")
"""

NAMES = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "USERPROFILE", "XDG_CACHE_HOME")

SURROUNDINGS = {
    "no user and no HOME": ("unknown", {}),
    "a home that nothing can be written to": ("known", {"HOME": "/proc"}),
}


@pytest.mark.parametrize(("user", "given"), SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_commands_need_no_home(here, user, given):
    if "/proc" in given.values() and not Path("/proc/self").is_dir():
        pytest.skip("has no /proc")
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    changed = {name: value.format(here=here) for name, value in given.items()}
    found = subprocess.run(
        [sys.executable, "-c", COMMANDS, user],
        env={**kept, **changed, "TMPDIR": str(here)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (found.returncode, "Traceback" in found.stderr) == (0, False), found.stderr
    assert "Warning" not in found.stderr
    lines = found.stdout.splitlines()
    assert any(line.startswith("growing ") for line in lines)
    assert any(line.startswith("mnist ") for line in lines)
    assert "the recipe: nca inspect growing --recipe" in lines
    assert lines[-1] == "runs/tiny-1/best.safetensors"
