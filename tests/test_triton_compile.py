"""The programs of fused steps compile for cards that are not here.

The few that hold all that a step can hold compile in every run of the tests. Those of whole
automata take minutes, and are asked for, with any Triton that a supported torch brings:

    pytest tests/test_triton_compile.py --triton installed --triton 3.5.0

So are those of all recipes, for sm_90a, whose registers have to hold all that they compute.

With `--triton 3.5.0:80`, some of them compile for one card, and for the other the few alone: a
fault of an automaton shows with one pair, one of a version or of a card with what a step can hold.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("triton")

SCRIPT = Path(__file__).parent / "compile_kernels.py"
NETS = {"step_levels", "hidden_gradients", "field_gradients", "first_gradients"}
OTHERS = {"clear_dead", "squash_levels"}
TARGETS = {80: "sm_80", 90: "sm_90a"}
FEW = ("cleared", "frozen")
"""All that a step can hold, in small."""
LAYERS = ("taps_gelu", "taps_silu", "stencils_gelu", "stencils_silu", "deep", "deep_wide")
"""Activations that take most registers, and several hidden layers."""
WHOLE = (
    *("growing", "late", "texture", "glom_small", "glom_large", "widest", "attending"),
    "glom_gelu",
    *LAYERS,
)
SOME = {
    80: ("growing", "late", "texture", "glom_small", "deep", "attending"),
    90: ("growing", "glom_large", "widest", "stencils_gelu"),
}
"""What compiles for a card where one card is asked for."""
SPLIT = ("growing", "texture", "taps_gelu", "deep")
"""What compiles with products of float32 by tf32x3, too."""


SUMS = {"hidden_gradients", "first_gradients"}
RECIPES = {
    *("growing", "growing_evolved", "texture"),
    *("glom_mnist", "glom_mnist_large", "glom_parts", "self_classifying_mnist"),
}
"""Some of the recipes whose steps can be fused."""


def kinds(name: str) -> tuple[str, ...]:
    """Return the kinds of products with which an automaton compiles."""
    return ("reduced", "exact", "tf32x3") if name in SPLIT else ("reduced", "exact")


def compiled(cache: Path, *arguments: str, triton: Path | None = None) -> list[dict[str, Any]]:
    """Return what each program came to, with the Triton of a folder if one is given."""
    kept = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    paths = [str(triton)] if triton else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    kept |= {"TRITON_CACHE_DIR": str(cache), "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, str(SCRIPT), *arguments]
    done = subprocess.run(command, env=kept, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_tensor_cores_are_used(lines: list[dict[str, Any]]) -> None:
    for line in lines:
        assert line["target"] == TARGETS[line["card"]], line
        # exact products use no tensor core, for there is none of float32; what is handed on by nets
        # that perceive through stencils is multiplied with no matrix, and neither attention nor
        # other programs multiply any
        may = line["products"] in ("reduced", "tf32x3")
        must = may and line["program"] != "field_gradients" and line["automaton"] != "attending"
        assert must <= (line["tensor_cores"] > 0) <= may, line


def test_all_that_a_step_can_hold_compiles_for_a_card(tmp_path):
    lines = compiled(tmp_path, "cleared:reduced", "frozen:exact", "--card", "90")
    assert_tensor_cores_are_used(lines)
    found = {(line["program"], line["products"]) for line in lines}
    nets = {(name, products) for name in NETS for products in ("reduced", "exact")}
    assert found == nets | {(name, "none") for name in OTHERS}
    assert {line["stack"] for line in lines} == {0}


@contextmanager
def fetched(version: str) -> Iterator[Path | None]:
    """Provide the folder of a Triton, or None for the installed one; skip where there is none."""
    if version == "installed" or Path(version).is_dir():
        yield None if version == "installed" else Path(version)
        return
    with tempfile.TemporaryDirectory(prefix="nca-triton-") as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
        done = subprocess.run([*pip, f"triton=={version}"], capture_output=True, text=True)
        if done.returncode:
            *_, reason = done.stderr.splitlines() or [""]
            pytest.skip(f"Triton {version} cannot be fetched: {reason}")
        yield Path(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Compile with each Triton that is asked for."""
    if "version" in metafunc.fixturenames:
        skip = pytest.mark.skip(reason="takes minutes: ask with --triton installed, or a version")
        asked = metafunc.config.getoption("--triton")
        metafunc.parametrize("version", asked or [pytest.param("none", marks=skip)])


def test_the_programs_of_all_automata_compile_with_the_tritons_asked_for(version, tmp_path):
    version, card = re.fullmatch(r"(.*?)(?::(80|90))?", version).groups()
    some = {int(card): SOME[int(card)]} if card else dict.fromkeys(TARGETS, WHOLE)
    wanted = {each: (*FEW, *some.get(each, ())) for each in TARGETS}
    lines = []
    with fetched(version) as folder:
        for each, names in wanted.items():
            steps = [f"{name}:{kind}" for name in names for kind in kinds(name)]
            lines += compiled(tmp_path, *steps, "--card", str(each), triton=folder)
    if version[0].isdigit():
        assert {line["triton"] for line in lines} == {version}
    assert_tensor_cores_are_used(lines)
    # registers hold everything, on older cards but for a few numbers
    for line in lines:
        assert line["stack"] <= (64 if line["card"] == 80 else 0), line
    found = {(line["automaton"], line["products"], line["card"]) for line in lines}
    assert {each for _, _, each in found} == TARGETS.keys()
    for each, names in some.items():
        assert {(name, kind, each) for name in names for kind in kinds(name)} <= found
    for line in lines:
        print(json.dumps(line))


# products of bfloat16, and those that float32 takes where torch's switch is not set
@pytest.mark.parametrize("products", ["reduced", "tf32x3"])
def test_registers_hold_what_the_programs_of_all_recipes_compute(version, products, tmp_path):
    version, card = re.fullmatch(r"(.*?)(?::(80|90))?", version).groups()
    if card == "80":
        pytest.skip("what older cards hold is not promised")
    with fetched(version) as folder:
        lines = compiled(tmp_path, f"recipes:{products}", "--card", "90", triton=folder)
    assert {line["automaton"] for line in lines} >= RECIPES
    assert_tensor_cores_are_used(lines)
    for line in lines:
        assert line["stack"] == 0, line
        # of fewer than 64 hidden units, some warps sum up the gradients of weights again
        assert line["repeated"] == 0 or line["program"] in SUMS, line
