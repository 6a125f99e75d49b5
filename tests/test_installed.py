"""Installed packages: a broken one is left out with a line, and takes no other with it."""

import sys
from pathlib import Path

import pytest

from nca.checkpoint.find import recipes
from nca.cli.help import topics
from nca.registry.discovery import discover
from nca.registry.installed import COMPLAINTS, entry_points_of, folders_of, listen
from nca.registry.registry import registry


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return what installs a package of these entry points, and the lines that it causes."""
    lines: list[str] = []
    before = dict(COMPLAINTS)
    COMPLAINTS.clear()
    listen(lines.append)

    def make(entry_points: bytes | str, metadata: str = "Name: strange\nVersion: 1.0\n"):
        info = tmp_path / "strange-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}")
        text = entry_points.encode() if isinstance(entry_points, str) else entry_points
        (info / "entry_points.txt").write_bytes(text)
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
        return lines

    yield make
    listen(None)
    COMPLAINTS.clear()
    COMPLAINTS.update(before)


@pytest.mark.parametrize(
    "value", ["package_that_is_gone", "no name::x", "", "json", "os.path", "..", "gone.deeper"]
)
def test_recipes_that_cannot_be_found_take_no_others_with_them(install, value):
    lines = install(f"[nca.recipes]\nx = {value}\n")
    assert "growing" in recipes()
    assert len(lines) == 1
    assert lines[0].startswith("the installed package strange 1.0 is left out: ")
    recipes()
    assert len(lines) == 1


@pytest.mark.parametrize("text", [b"nca.rules\xff", b"[nca.rules\nx", b"[nca.rules]\nno value\n"])
def test_entry_points_that_are_none_are_passed_over(install, text):
    lines = install(text)
    assert "growing" in [point.name for point in entry_points_of("nca.rules")]
    assert "strange" not in [point.package for point in entry_points_of("nca.rules")]
    assert len(lines) <= 1


def test_a_name_that_cannot_be_printed_is_left_out(install):
    lines = install("[nca.rules]\n\x1b]52;c;x = a:b\n")
    assert not [point for point in entry_points_of("nca.rules") if "\x1b" in point.name]
    assert "\x1b" not in "".join(lines)
    assert lines


def test_a_package_without_an_init_offers_its_recipes(install, tmp_path):
    (tmp_path / "loose_recipes").mkdir()
    (tmp_path / "loose_recipes" / "loose.toml").write_text("# Loose.\n")
    lines = install("[nca.recipes]\nx = loose_recipes\n")
    assert recipes()["loose"] == tmp_path / "loose_recipes" / "loose.toml"
    assert lines == []


def test_a_package_without_recipes_says_so(install, tmp_path):
    (tmp_path / "empty_recipes").mkdir()
    assert "growing" in recipes()
    lines = install("[nca.recipes]\nx = empty_recipes\n")
    assert "growing" in recipes()
    assert lines == [
        "the installed package strange 1.0 is left out: empty_recipes has no recipes (*.toml)"
    ]


def test_finding_recipes_executes_nothing(install, tmp_path):
    (tmp_path / "loud_recipes").mkdir()
    (tmp_path / "loud_recipes" / "__init__.py").write_text("raise SystemExit(3)")
    assert folders_of("loud", "loud_recipes") == []
    install("[nca.recipes]\nx = loud_recipes\n")
    assert folders_of("loud", "loud_recipes") == [tmp_path / "loud_recipes"]


def test_a_broken_topic_is_left_out_of_the_list(install, tmp_path, capsys):
    from nca.cli.help import help_command

    (tmp_path / "topical.py").write_bytes(b"\0")
    lines = install("[nca.topics]\nodd = topical_not_there\nodder = topical:x y\n")
    assert {"odd", "odder"} <= set(topics())
    help_command()
    assert "rules" in capsys.readouterr().out
    assert [line.partition(": help ")[2].partition(":")[0] for line in lines] == ["odd", "odder"]


def test_metadata_without_a_name_are_named_by_their_folder(install):
    lines = install("[nca.recipes]\nx = gone\n", metadata="")
    assert "growing" in recipes()
    assert "strange" in lines[0] or "None" in lines[0]
    assert Path(lines[0]).name


KINDS = ("rule", "task", "dataset", "target", "pattern", "importer", "notation")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_declared_is_of_the_kind_of_its_group(kind):
    discover()
    declared = [point.name for point in entry_points_of(f"nca.{kind}s")]
    assert declared
    for name in declared:
        registry.get(kind, name)


def test_records_are_found_by_name():
    assert recipes()["smallest_mnist_98"].parent.name == "records"
