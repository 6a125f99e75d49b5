"""What commands, and scripts with nca, settle before libraries read it."""

import os
import subprocess
import sys

import pytest

from nca.cli.surroundings import settle_surroundings
from nca.spinning import SPINNING, short_spins


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


def test_nothing_is_settled_for_a_torch_that_is_there_already(monkeypatch):
    for name in SPINNING:
        monkeypatch.delenv(name, raising=False)
    with short_spins():
        assert not os.environ.keys() & SPINNING.keys()


SPINS = "import os; spins = lambda: os.environ.get('GOMP_SPINCOUNT'); "


@pytest.mark.parametrize(
    ("program", "before", "seen"),
    [
        ("import nca; print(spins()); nca.Automaton; print(spins())", None, "None 2000 None"),
        ("from nca import losses; print(spins())", None, "2000 None"),
        ("import torch, nca; nca.Automaton; print(spins())", None, "None None"),
        ("from nca import Automaton; print(spins())", "7", "7 7"),
    ],
)
def test_a_script_settles_them_while_nca_imports_torch(tmp_path, program, before, seen):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.abc, os, sys\n"
        "class Look(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'torch': print(os.environ.get('GOMP_SPINCOUNT'))\n"
        "sys.meta_path.insert(0, Look())\n"
    )
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    kept |= {} if before is None else {"GOMP_SPINCOUNT": before}
    path = os.pathsep.join([str(tmp_path), kept.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", SPINS + program]
    done = subprocess.run(
        command, env={**kept, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == seen.split()
