"""What commands settle before libraries read it."""

import os
import subprocess
import sys

import pytest

from nca.cli.surroundings import settle_surroundings


@pytest.mark.parametrize(
    ("before", "after"), [(None, ("passive", "2000")), ("active", ("active", "active"))]
)
def test_threads_sleep_while_they_wait_unless_the_user_wants_them_to_spin(
    monkeypatch, before, after
):
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, before or "")
        if before is None:
            monkeypatch.delenv(name)
    settle_surroundings()
    found = os.environ["OMP_WAIT_POLICY"], os.environ["GOMP_SPINCOUNT"]
    assert found == after


def test_a_command_settles_them_before_it_imports_torch(tmp_path):

    (tmp_path / "torch.py").write_text(
        "import os, sys\nsys.stderr.write(f'policy {os.environ.get(\"OMP_WAIT_POLICY\")}\\n')\n"
        "sys.exit(7)\n"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    path = os.pathsep.join([str(tmp_path), kept.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", "import nca.cli; nca.cli.main(['inspect', 'growing'])"]
    done = subprocess.run(
        command, env={**kept, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert "policy passive" in done.stderr
