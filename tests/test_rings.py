"""The house has rings, and a module imports only from its own ring or from lower ones.

Read off the source: what is imported inside a function counts as well.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE, PLUGINS = ROOT / "nca", ROOT / "plugins"

RINGS = (
    {"errors", "registry", "suggest", "types", "options", "validation", "checked"},
    {"topology", "stencils", "state", "noise", "batch", "kernels", "window", "halo", "parts"},
    {"perception", "rule", "view", "scene", "listed", "program", "formula"},
    {
        "automaton", "conditions", "pool", "damage", "objectives", "metrics", "settling", "start",
        "video", "memory", "proof", "fusion", "spread", "compiled",
    },
    {
        "tables", "faults", "toml_lines", "overrides", "recipe", "schema", "library",
        "plugins", "checkpoint", "trained", "data", "pictures", "palette", "portrait", "task",
        "importing", "render", "analysis", "gauge", "animation", "vast", "wall",
        "files", "device", "jsonl",
    },
    {
        "training", "evaluation", "run", "report", "reports", "board", "sweep", "export",
        "planning", "payoff", "bench", "staging", "lab", "crew", "log",
        "lesson", "footage",
    },
    {"cli", "__main__"},
)  # fmt: skip
RING_OF = {module: ring for ring, modules in enumerate(RINGS) for module in modules}

CLOCKS_AND_FILES = {"time", "datetime", "pathlib", "io", "tempfile", "shutil", "logging"}
NAMES_OF_RECIPES = re.compile("glom|growing|mnist|self_classifying|lizard", re.IGNORECASE)


def module_of(path: Path) -> str:
    """Return the room that a file belongs to: its folder's, or its own, name."""
    return path.relative_to(HOUSE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of each import; for `import a.b` the name is empty."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: imports are absolute here"
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def rooms(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and room of each import from `nca`; the room is empty for `nca` itself."""
    for line, module, name in imports(path):
        house, *inside = module.split(".")
        if house == "nca":
            is_room = (HOUSE / name).is_dir() or (HOUSE / f"{name}.py").is_file()
            yield line, (inside or [name if name and is_room else ""])[0]


FILES = sorted(path for path in HOUSE.rglob("*.py") if path != HOUSE / "__init__.py")
INNER = [path for path in FILES if RING_OF.get(module_of(path), 9) <= 3]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_module_stands_in_a_ring(path):
    assert module_of(path) in RING_OF, "give it a ring in tests/test_rings.py, and mind the imports"


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_a_module_imports_from_its_own_ring_and_lower_ones(path):
    ring = RING_OF.get(module_of(path), 6)
    outward = [
        f"line {line}: {room or 'nca itself'}"
        for line, room in rooms(path)
        # what `nca` itself offers comes from rings up to 4
        if (RING_OF.get(room, 6) if room else 5) > ring
    ]
    assert not outward


def test_the_front_door_shows_nothing_above_ring_four():
    found = {room for _, room in rooms(HOUSE / "__init__.py")}
    assert found
    assert max(RING_OF[room] for room in found) <= 4


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_the_house_never_imports_its_plugins_or_recipes(path):
    strangers = {"nca_plugins", "nca_recipes", "plugins", "recipes"}
    assert not [name for _, name, _ in imports(path) if name.split(".")[0] in strangers]


@pytest.mark.parametrize("path", INNER, ids=shown)
def test_inner_rings_open_no_file_print_nothing_and_read_no_clock(path):
    used = {module.split(".")[0] for _, module, _ in imports(path)}
    assert not used & CLOCKS_AND_FILES
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
    assert not names & {"open", "print", "input", "read_text", "write_text"}


@pytest.mark.parametrize("path", INNER, ids=shown)
def test_inner_rings_take_no_device_but_from_the_state(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    asking = {
        f.name
        for f in functions
        if "device" in {argument.arg for argument in (*f.args.args, *f.args.kwonlyargs)}
    }
    # a state has to come from somewhere, and a compiler's key goes where the samples are
    assert asking <= {"zeros", "key_tensor"}


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_the_house_does_not_know_the_names_of_recipes(path):
    if module_of(path) == "data":
        return  # the hint for an unknown data set may name one
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [line.strip() for line in lines if NAMES_OF_RECIPES.search(line)]
    if module_of(path) == "cli":
        found = [line for line in found if not re.search(r"nca \w+|[Ee]xample", line)]
    assert not found


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=shown)
def test_plugins_import_public_names_of_the_inner_house(path):
    for line, module, name in imports(path):
        if module.split(".")[0] == "nca":
            parts = [*module.split("."), name]
            assert not [part for part in parts if part.startswith("_")], f"line {line}"
    for line, room in rooms(path):
        assert not room or RING_OF[room] <= 4, f"line {line} imports {room}"


def test_the_words_that_are_looked_for_are_found_where_they_belong():
    assert NAMES_OF_RECIPES.search((PLUGINS / "growing.py").read_text(encoding="utf-8"))
    assert INNER
    assert [room for _, room in rooms(HOUSE / "pool.py") if room == "damage"]
