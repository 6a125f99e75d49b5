"""A machine that is borrowed for its card has torch and pytest, and little else for tests."""

import os
import subprocess
import sys
from pathlib import Path

import machine
import pytest
import torch
from machine import OPTIONAL, require_gpu

TESTS = Path(__file__).parent
MARKS = ("@pytest.mark.gpu", "pytestmark = pytest.mark.gpu")


def without_optional(tmp_path: Path, *arguments: str) -> str:
    """Return what pytest prints where no optional package is installed."""
    script = tmp_path / "bare.py"
    script.write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({sorted(OPTIONAL)}))\n"
        "import pytest\nsys.exit(pytest.main(sys.argv[1:]))"
    )
    command = [sys.executable, str(script), "-q", "-p", "no:cacheprovider", "--color=no"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=TESTS.parent, env=alone, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_all_tests_for_a_gpu_are_found_and_others_skipped_without_optional_packages(tmp_path):
    # assertions are not rewritten where none is met, which takes half of the time
    asked = ("-m", "gpu", "-rs", "--collect-only", "--assert=plain", "tests")
    text = without_optional(tmp_path, *asked)
    found = {line.partition("::")[0] for line in text.splitlines() if "::" in line}
    marked = {
        str(file.relative_to(TESTS.parent)).replace(os.sep, "/")
        for file in TESTS.rglob("test_*.py")
        if file != Path(__file__) and any(mark in file.read_text() for mark in MARKS)
    }
    assert len(marked) > 3
    assert found == marked
    assert "needs hypothesis, which is not installed" in text


def test_a_test_for_a_gpu_runs_on_a_card_and_nowhere_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(pytest.skip.Exception, match="there is none"):
        require_gpu()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(machine, "interpreted", lambda: True)
    with pytest.raises(pytest.fail.Exception, match="set TRITON_INTERPRET=0"):
        require_gpu()
    monkeypatch.setattr(machine, "interpreted", lambda: False)
    require_gpu()
