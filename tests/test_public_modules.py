"""A folder of the house is entered through its `__init__`, or by a module that this names."""

import ast
import importlib
import re
from collections import defaultdict
from functools import cache

import pytest
from test_rings import FILES, HOUSE, module_of, modules

FOLDERS = sorted(path.parent.name for path in HOUSE.glob("*/__init__.py"))
PUBLIC = re.compile(r"Public to\s+the\s+other\s+folders:\s+([^.;]*)")


def docstring(folder: str) -> str:
    source = (HOUSE / folder / "__init__.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def named(folder: str) -> set[str]:
    """Return the modules that a folder shows to others, as its docstring has them."""
    found = PUBLIC.search(docstring(folder))
    if found is None:
        return set()
    if found[1].split()[:2] == ["every", "module"]:
        files = {path.stem for path in (HOUSE / folder).glob("*.py")} - {"__init__"}
        return files | {path.parent.name for path in (HOUSE / folder).glob("*/__init__.py")}
    return set(re.findall(r"`(\w+)`", found[1])) - {"__all__"}


def exported(folder: str) -> list[str]:
    """Return what a folder's `__init__` exports, which may bear the name of a module."""
    return getattr(importlib.import_module(f"nca.{folder}"), "__all__", [])


@cache
def entered() -> dict[str, set[str]]:
    """Return of each folder which of its modules others import."""
    found = defaultdict(set)
    for file in FILES:
        mine = module_of(file).split("/")[0]
        for _, module in modules(file):
            folder, *inside = module.split("/")
            if folder != mine and inside and inside[0] not in exported(folder):
                found[folder].add(inside[0])
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_says_what_is_public(folder):
    if folder == "cli":
        return  # nothing imports it
    source = (HOUSE / folder / "__init__.py").read_text(encoding="utf-8")
    assert "__all__ = [" in source or named(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_others_import_only_what_a_folder_shows(folder):
    assert entered()[folder] <= named(folder)


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_folder_shows_exists(folder):
    there = {path.stem for path in (HOUSE / folder).glob("*.py")}
    there |= {path.parent.name for path in (HOUSE / folder).glob("*/__init__.py")}
    assert named(folder) <= there


def test_the_engine_names_every_module_in_its_reading_order():
    text = docstring("engine")
    there = {path.stem for path in (HOUSE / "engine").glob("*.py")} - {"__init__"}
    assert there <= set(re.findall(r"`(\w+)`: ", text))
