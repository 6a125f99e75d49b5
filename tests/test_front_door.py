"""The front door: `import nca` loads nothing, and shows all that is public, and no more."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import nca

ROOT = Path(__file__).parent.parent


def declared() -> dict[str, str]:
    """Return what type checkers are shown: each public name, with where it is said to live."""
    tree = ast.parse((ROOT / "nca/__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    shown = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            public = alias.asname or alias.name
            shown[public] = str(node.module)
    return shown


def test_type_checkers_are_shown_what_there_is():
    homes = {name: module for module, names in nca.NAMES.items() for name in names}
    assert declared() == {**homes, **dict.fromkeys(nca.NAMESPACES, "nca")}


@pytest.mark.parametrize("name", dir(nca))
def test_every_public_name_is_there(name):
    found = getattr(nca, name)
    if name in nca.NAMESPACES:
        assert found is importlib.import_module(f"nca.{name}")
    else:
        assert found is not None


@pytest.mark.parametrize("door", ["display", "losses", "metrics", "program", "stencils"])
def test_a_public_module_shows_all_that_its_source_defines(door):
    shown = importlib.import_module(f"nca.{door}")
    sources = re.findall(r"^from nca[.](\S+) import", (ROOT / f"nca/{door}.py").read_text(), re.M)
    assert sources
    for source in sources:
        path = ROOT / "nca" / f"{source.replace('.', '/')}.py"
        nodes = ast.parse(path.read_text(encoding="utf-8")).body
        kinds = (ast.FunctionDef, ast.ClassDef)
        defined = {node.name for node in nodes if isinstance(node, kinds)}
        assert {name for name in defined if not name.startswith("_")} <= set(shown.__all__)


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'nca' has no attribute 'Automatom'"):
        nca.Automatom  # noqa: B018


def test_importing_the_house_alone_loads_no_torch():
    code = "import sys, nca; print(sorted(m for m in sys.modules if m.split('.')[0] == 'torch'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_importing_every_public_name_loads_no_compiler():
    code = (
        "import sys, nca; [getattr(nca, name) for name in dir(nca)]\n"
        "print(sorted({'torch._dynamo', 'torch._inductor', 'sympy', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_package_is_installed():
    """The list of packages is written by hand: a folder that is not in it reaches nobody."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setup = told["tool"]["setuptools"]
    found = {
        ".".join((name, *file.parent.relative_to(ROOT / folder).parts))
        for name, folder in setup["package-dir"].items()
        for file in (ROOT / folder).rglob("__init__.py")
    }
    assert set(setup["packages"]) == found
