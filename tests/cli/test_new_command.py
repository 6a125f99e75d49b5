"""`nca new`: what it writes works as it is, and nothing that exists is touched."""

import os
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path

import pytest

from nca.cli import new
from nca.errors import StorageError
from nca.registry.starter import package_files, rule_file

SHORT = ("--set", "train.iterations=2", "--set", "rollout.steps=[2, 3]", "--no-picture")

INSTALLED = """
import sys
from nca.cli import main
for words in (["check", "wavy", "--examples", "1"], ["run", "wavy", *sys.argv[1:]]):
    try:
        main(words)
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_rule_keeps_the_laws_and_trains_as_it_is(nca, here):
    made = nca("new", "rule", "ripples")
    assert (made.code, made.out.split()) == (0, ["ripples.py"])
    assert made.err == "next: nca check ripples.py\n"
    checked = nca("check", "ripples.py", "--examples", "1")
    assert (checked.code, checked.err) == (0, "")
    assert "held    sparse" in checked.out
    assert nca("recipes", "check", "ripples.py", "--trust").code == 0
    assert nca("run", "ripples.py", *SHORT).code == 0
    assert (here / "runs" / "ripples-1" / "best.safetensors").is_file()


@pytest.mark.parametrize("name", ["mine", "of_13_letters"])
def test_comments_of_a_new_rule_stand_in_one_column(name):
    _, recipe = rule_file(name).split("format = 1")
    lines = recipe.partition('"""')[0].splitlines()
    assert {line.index("# ") for line in lines if " # " in line} == {31}


def test_the_file_of_a_new_rule_is_its_own_test(nca, here):
    nca("new", "rule", "ripples")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "ripples.py"]
    done = subprocess.run([*command, "-k", "dtype or sparse"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def install(package: Path, site: Path) -> None:
    """Install a package, by pip where there is what builds it, or else by hand."""
    with suppress(PackageNotFoundError):
        if int(version("setuptools").partition(".")[0]) >= 77:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            where = ["--no-build-isolation", "--target", str(site), str(package)]
            subprocess.run([*pip, *where], check=True)
            return
    about = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    shutil.copytree(package / about["name"], site / about["name"])
    info = site / f"{about['name']}-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {about['name']}\nVersion: {about['version']}\n")
    groups = {name: points.items() for name, points in about["entry-points"].items()}
    lines = [[f"[{name}]", *map(" = ".join, points)] for name, points in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(chain.from_iterable(lines)))


def test_a_new_package_installs_and_its_rule_is_known_by_name(nca, here):
    assert nca("new", "package", "wavy").code == 0
    install(here / "wavy", here / "site")
    path = os.pathsep.join([str(here / "site"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-P", "-c", INSTALLED, *SHORT],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "wavy, from wavy 0.1.0" in done.stdout
    assert {path.name for path in here.iterdir()} == {"wavy", "site", "runs"}
    assert (here / "runs" / "wavy-1" / "best.safetensors").is_file()


@pytest.mark.parametrize(("kind", "place"), [("rule", "waves.py"), ("package", "waves")])
def test_nothing_that_exists_is_touched(nca, here, kind, place):
    (here / place).write_text("mine")
    before = files(here)
    result = nca("new", kind, "waves")
    assert (result.code, result.out) == (1, "")
    assert f"{place} is there already" in result.err
    assert files(here) == before


def test_a_link_that_leads_nowhere_is_something_that_exists(nca, here):
    (here / "waves.py").symlink_to(here / "gone")
    assert nca("new", "rule", "waves").code == 1
    assert not (here / "gone").exists()


def test_what_cannot_be_written_whole_is_not_written_at_all(nca, here, monkeypatch):
    whole, count = new.write_whole, iter(range(9))

    def failing(path, content, **more):
        if next(count) == 3:
            raise StorageError("no space.", where=str(path), to_do="make some")
        whole(path, content, **more)

    monkeypatch.setattr(new, "write_whole", failing)
    result = nca("new", "package", "waves", "--out", "far/away")
    assert result.code == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("growing", "is taken"),
        ("random", "there is a module named 'random'"),
        ("torch", "there is a module named 'torch'"),
        ("class", "cannot be called so"),
        ("two words", "cannot be called so"),
        ("../up", "cannot be called so"),
        ("Ripples", "cannot be called so"),
        ("x" * 61, "cannot be called so"),
    ],
)
@pytest.mark.parametrize("kind", ["rule", "package"])
def test_a_name_that_will_not_do_is_refused(nca, here, kind, name, message):
    result = nca("new", kind, name)
    assert (result.code, result.out) == (1, "")
    assert message in result.err
    assert list(here.iterdir()) == []


def test_files_go_where_they_are_asked_to(nca, here):
    assert nca("new", "rule", "waves", "--out", "deep/er").out.split() == ["deep/er/waves.py"]


@pytest.mark.parametrize("name", ["view", "tensor", "units", "a_b_1"])
def test_no_class_hides_what_the_file_imports(name):
    names: dict = {}
    exec(compile(rule_file(name).replace("@register", "#"), name, "exec"), names)
    kind = next(
        one for one in names.values() if getattr(one, "__doc__", "") and "Say in" in one.__doc__
    )
    assert kind.__name__ not in ("View", "Tensor", "Units")
    assert f"{name}.rule:{kind.__name__}" in package_files(name)[f"{name}/pyproject.toml"]
