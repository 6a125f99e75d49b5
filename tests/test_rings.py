"""The house has rings, and a module imports only from its own ring or from lower ones.

Read off the source: what is imported inside a function counts as well.
"""

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import nca

ROOT = Path(__file__).parent.parent
HOUSE, PLUGINS = ROOT / "nca", ROOT / "plugins"

RINGS = (
    "errors types progress spinning suggest validation registry/registry",
    "engine/capacity engine/state engine/layout engine/topology engine/convolve engine/stencils "
    "engine/window engine/resample engine/rng engine/rim engine/thumbnail engine/to_device "
    "backends/triton distributed/block_halo distributed/halo distributed/pieces "
    "distributed/shares distributed/sharding",
    "engine/context engine/needs engine/view engine/step_inputs engine/rule engine/program "
    "engine/run_program engine/discrete engine/run_discrete engine/perception backends/lowering",
    "engine backends distributed/block_stepper distributed/sharded "
    "tasks/batch tasks/pool tasks/damage tasks/losses tasks/metrics",
    "files lock signals device jsonl recipe checkpoint registry data tasks streaming render "
    "analysis display losses metrics program stencils",
    "training evaluation reports sweep bench export play testing distributed",
    "cli model __main__",
)
"""What stands in each ring, by the path of a module or of its folder; the longest path counts."""

RING_OF = {path: ring for ring, paths in enumerate(RINGS) for path in paths.split()}

CLOCKS_AND_FILES = {"time", "datetime", "pathlib", "io", "tempfile", "shutil", "logging"}
PUBLIC = {"nca", *(f"nca.{name}" for name in nca.NAMESPACES)}
"""Modules that plugins may import from."""

NAMES_OF_RECIPES = re.compile("glom|growing|mnist|self_classifying|lizard", re.IGNORECASE)


def ring_of(module: str) -> int:
    """Return the ring of a module, `engine/view`; 9 where none is given."""
    parts = module.split("/")
    paths = ("/".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((RING_OF[path] for path in paths if path in RING_OF), 9)


def module_of(path: Path) -> str:
    """Return the module that a file is: `engine/view`, or its folder for an `__init__`."""
    inside = path.relative_to(HOUSE).with_suffix("")
    return (inside.parent if inside.name == "__init__" else inside).as_posix()


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Return all that a file is made of."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, module and name of each import; for `import a.b` the name is empty."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: imports are absolute here"
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)


def modules(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and module of each import from `nca`; the module is empty for `nca` itself."""
    for line, module, name in imports(path):
        house, *inside = module.split(".")
        if house == "nca":
            deeper = HOUSE.joinpath(*inside, name)
            if name and (deeper.is_dir() or deeper.with_suffix(".py").is_file()):
                inside.append(name)
            yield line, "/".join(inside)


FILES = sorted(path for path in HOUSE.rglob("*.py") if path != HOUSE / "__init__.py")
INNER = [path for path in FILES if ring_of(module_of(path)) <= 3]


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def by_folder(paths: Iterable[Path]) -> pytest.MarkDecorator:
    """Test the modules of each folder together: they are many, and each takes a moment."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(shown(path.parent), []).append(path)
    return pytest.mark.parametrize("paths", found.values(), ids=found)


@by_folder(FILES)
def test_a_module_stands_in_a_ring(paths):
    without = [shown(path) for path in paths if ring_of(module_of(path)) == 9]
    assert not without, "give it a ring in RINGS above, and mind the imports"


@by_folder(FILES)
def test_a_module_imports_from_its_own_ring_and_lower_ones(paths):
    outward = [
        f"{shown(path)}, line {line}: {module or 'nca itself'}"
        for path in paths
        for line, module in modules(path)
        # what `nca` itself offers comes from rings up to 4
        if (ring_of(module) if module else 5) > ring_of(module_of(path))
    ]
    assert not outward


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module_of(path): {module for _, module in modules(path)} - {"", module_of(path)}
        for path in FILES
    }
    TopologicalSorter(graph).prepare()  # which raises a CycleError that names the circle


def test_the_front_door_shows_nothing_above_ring_four_but_whole_automata():
    found = {module for _, module in modules(HOUSE / "__init__.py")}
    # what loads and trains, as the command line does
    whole = {module for module in found if module.startswith("model/")}
    assert whole
    assert max(map(ring_of, found - whole)) <= 4


@by_folder(FILES)
def test_the_house_never_imports_its_plugins_or_recipes(paths):
    strangers = {"nca_plugins", "nca_recipes", "plugins", "recipes"}
    for path in paths:
        found = [name for _, name, _ in imports(path) if name.split(".")[0] in strangers]
        assert not found, shown(path)


@by_folder(INNER)
def test_inner_rings_open_no_file_print_nothing_and_read_no_clock(paths):
    for path in paths:
        used = {module.split(".")[0] for _, module, _ in imports(path)}
        assert not used & CLOCKS_AND_FILES, shown(path)
        calls = [node.func for node in nodes(path) if isinstance(node, ast.Call)]
        names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in calls}
        assert not names & {"open", "print", "input", "read_text", "write_text"}, shown(path)


@by_folder(INNER)
def test_inner_rings_take_no_device_but_from_the_state(paths):
    every = [node for path in paths for node in nodes(path)]
    functions = [node for node in every if isinstance(node, ast.FunctionDef)]
    asking = {
        f.name
        for f in functions
        if "device" in {argument.arg for argument in (*f.args.args, *f.args.kwonlyargs)}
    }
    # a state has to come from somewhere, and to fit there; a compiler's key goes to the samples,
    # and what is made on the host to where it is needed
    assert asking <= {"zeros", "key_tensor", "to_device", "capacity", "refuse_beyond", "widest"}


@by_folder(FILES)
def test_the_house_does_not_know_the_names_of_recipes(paths):
    for path in paths:
        if module_of(path).startswith("data/"):
            continue  # the hint for an unknown data set may name one
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [line.strip() for line in lines if NAMES_OF_RECIPES.search(line)]
        if module_of(path).startswith("cli"):
            found = [line for line in found if not re.search(r"nca \w+|[Ee]xample", line)]
        assert not found, shown(path)


@by_folder(sorted(PLUGINS.rglob("*.py")))
def test_plugins_import_public_namespaces_alone(paths):
    for path in paths:
        foreign = [
            f"line {line}: {module}"
            for line, module, _ in imports(path)
            if module.split(".")[0] == "nca" and module not in PUBLIC
        ]
        assert not foreign, shown(path)
        names = {name for _, module, name in imports(path) if module == "nca"}
        assert names <= {"", *dir(nca)}, shown(path)


def test_the_words_that_are_looked_for_are_found_where_they_belong():
    assert NAMES_OF_RECIPES.search((PLUGINS / "growing.py").read_text(encoding="utf-8"))
    assert INNER
    assert "tasks/damage" in {module for _, module in modules(HOUSE / "tasks/pool.py")}
