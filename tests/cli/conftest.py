"""A command line that tests can call, and a run that was trained with it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import PLUGIN, RECIPE

from nca.cli import main
from nca.registry.registry import registry


@dataclass(frozen=True)
class Result:
    """What a command leaves: its exit code, and what it wrote where."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def nca(capsys, monkeypatch) -> Command:
    """Run `nca` in this process, 80 characters wide."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Result(int(end.value.code or 0), told.out, told.err)

    return run


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """An empty working folder with the tiny recipe and its plugin."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.toml").write_text(RECIPE)
    (folder / "blobs.py").write_text(PLUGIN)
    told = ["tiny.toml", "--plugin", "blobs.py", "--out", "done", "--device", "cpu"]
    with pytest.MonkeyPatch.context() as patch, registry.preserved():
        patch.chdir(folder)
        with pytest.raises(SystemExit) as end:
            main(["run", *told])
    assert end.value.code in (0, None)
    return folder / "done"


@pytest.fixture
def done(here, trained_once) -> Path:
    """A copy of a finished run, in the working folder."""
    shutil.copytree(trained_once, here / "done")
    return Path("done")
