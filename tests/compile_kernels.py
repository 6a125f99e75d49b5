"""Compile the programs of fused steps for cards that are not here, and print what came out.

    python tests/compile_kernels.py [AUTOMATON:PRODUCTS ...] [--card 80 90]

A line of JSON for each program: the automaton, the card, the kind of products, how many times it
uses tensor cores, how many of its products several warps compute again, and what it takes of a
multiprocessor: registers of a thread, bytes of its stack (what registers could not hold) and shared
memory. `recipes:KIND` stands for all recipes whose steps can be fused. Launches go through Triton's
own door up to the point where a device is needed. Another version of Triton is compiled with by
`PYTHONPATH`.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import triton
from triton.backends.compiler import GPUTarget

import nca
import nca.backends.fused
from nca.backends.triton.launch import Launch
from nca.checkpoint.find import benchmarks, recipes
from nca.checkpoint.read import read_recipe
from nca.engine.program import Activation, Term
from nca.registry.discovery import discover
from nca_plugins.glom.attention import Attention
from nca_plugins.glom.mean import ConsensusStep, Fade
from nca_plugins.glom.nets import BottomUp, Lateral
from nca_plugins.growing import Growing
from nca_plugins.self_classifying import SelfClassifying

RECIPES = "recipes"
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
SEEN: set[tuple[str, str, str]] = set()


class Bent(nca.UpdateRule):
    """A rule whose hidden units have another activation."""

    def __init__(self, rule: nca.UpdateRule, activation: Activation) -> None:
        super().__init__()
        self.rule, self.activation, self.reads = rule, activation, rule.reads

    def program(self) -> nca.Program:
        terms = self.rule.program().terms
        return nca.Program(tuple(map(self._bent, terms)))

    def _bent(self, term: Term) -> Term:
        if not isinstance(term, nca.MLPTerm):
            return term
        bent = [
            replace(layer, activation=self.activation) if layer.activation == "relu" else layer
            for layer in term.layers
        ]
        return replace(term, layers=tuple(bent))


def everything(dead: Literal["cleared", "frozen"], nets: int) -> nca.Automaton:
    """Return all that a step can hold, in small: one or two nets and attentions, and a deep net."""
    layout = nca.Layout([nca.Level("image", 1, True), nca.Level("body", 16), nca.Level("top", 9)])
    place = nca.RuleContext(layout, "body")
    both = Lateral(place, hidden=9, shown="squashed"), BottomUp(place, hidden=9)
    deep = Bent(SelfClassifying(place, perceive=9, hidden=9), "gelu")
    alike = ConsensusStep(place, attention=Attention(learned=True, lookahead=0.5, rise=9))
    others = ConsensusStep(place, attention=Attention("dot", itself=False))
    rules = [*both[:nets], deep, Fade(learned=True), *(alike, others)[:nets]]
    return nca.Automaton(
        layout,
        {"body": rules},
        fire_rate=0.5,
        noise=nca.Noise(0.1),
        alive=nca.Alive("image", 0, 0.1, dead=dead),
    )


def late() -> nca.Automaton:
    """Return nets of two levels whose step clears the dead of the one before."""
    layout = nca.Layout([nca.Level("image", 1, True), nca.Level("body", 16), nca.Level("top", 9)])
    body, top = (nca.RuleContext(layout, name) for name in ("body", "top"))
    below = [Lateral(body, hidden=24, shown="squashed"), BottomUp(body, hidden=24)]
    above = [Growing(top, hidden=32), Fade(learned=True)]
    return nca.Automaton(
        layout,
        {"body": below, "top": above},
        fire_rate=0.5,
        noise=nca.Noise(0.1),
        alive=nca.Alive("body", 3, 0.1),
    )


def widest() -> nca.Automaton:
    """Return the most channels that a level may have, whose cells attend to each other."""
    layout = nca.Layout([nca.Level("body", 128)])
    place = nca.RuleContext(layout, "body")
    return nca.Automaton(layout, {"body": [Growing(place, hidden=256), ConsensusStep(place)]})


def attending() -> nca.Automaton:
    """Return as many channels where cells attend to each other, by two levels, and no more."""
    layout = nca.Layout([nca.Level("body", 128), nca.Level("top", 128)])
    attention = Attention(learned=True, lookahead=0.5)
    rule = ConsensusStep(nca.RuleContext(layout, "body"), attention=attention)
    return nca.Automaton(layout, {"body": [rule]})


def tapping(activation: Activation) -> nca.Automaton:
    """Return a net that reads tap by tap, with an activation."""
    layout = nca.Layout([nca.Level("body", 16)])
    rule = Lateral(nca.RuleContext(layout, "body"), hidden=128)
    return nca.Automaton(layout, {"body": [Bent(rule, activation)]}, fire_rate=0.5)


def glom(activation: Activation) -> nca.Automaton:
    """Return many nets with an activation."""
    automaton = benchmark("glom_small")()
    for name, rules in automaton.rules.items():
        automaton.rules[name] = torch.nn.ModuleList([Bent(rule, activation) for rule in rules])
    return automaton


def perceiving(activation: Activation) -> nca.Automaton:
    """Return a net behind stencils with an activation: registers hold hardly more."""
    layout = nca.Layout([nca.Level("body", 16)])
    rule = Growing(nca.RuleContext(layout, "body"), hidden=96)
    return nca.Automaton(layout, {"body": [Bent(rule, activation)]}, fire_rate=0.5)


def deep(channels: int, hidden: int, activation: Activation) -> nca.Automaton:
    """Return a net over two levels with two hidden layers."""
    layout = nca.Layout([nca.Level("image", 1, True), nca.Level("body", channels)])
    rule = SelfClassifying(nca.RuleContext(layout, "body"), perceive=hidden, hidden=hidden)
    return nca.Automaton(layout, {"body": [Bent(rule, activation)]}, fire_rate=0.5)


def benchmark(name: str) -> Callable[[], nca.Automaton]:
    """Return a case of `nca bench`."""
    return lambda: read_recipe(str(benchmarks()[name])).automaton()


AUTOMATA: dict[str, Callable[[], nca.Automaton]] = {
    "cleared": lambda: everything("cleared", 2),
    "frozen": lambda: everything("frozen", 1),
    "late": late,
    "growing": benchmark("growing_72"),
    "texture": benchmark("texture_128"),
    "glom_small": benchmark("glom_small"),
    "glom_large": benchmark("glom_large"),
    "widest": widest,
    "taps_gelu": lambda: tapping("gelu"),
    "taps_silu": lambda: tapping("silu"),
    "stencils_gelu": lambda: perceiving("gelu"),
    "stencils_silu": lambda: perceiving("silu"),
    "glom_gelu": lambda: glom("gelu"),
    "deep": lambda: deep(16, 80, "gelu"),
    "deep_wide": lambda: deep(128, 256, "sine"),
    "attending": attending,
}


def fusible() -> dict[str, Callable[[], nca.Automaton]]:
    """Return the recipes and benchmarks whose steps can be fused."""
    found: dict[str, Callable[[], nca.Automaton]] = {}
    for name, path in {**recipes(), **benchmarks()}.items():
        recipe = read_recipe(str(path))
        automaton = recipe.automaton()
        if nca.why_not_fused(automaton, automaton.seed(1, recipe.tables.grid.size)) is None:
            found[name] = recipe.automaton
    return found


FLOAT32 = {"tf32x3": "none", "exact": "ieee"}
"""Products of float32, and torch's word for them; those of one TF32 are part of three."""


class Nowhere:
    """What Triton asks of a driver before it compiles."""

    def __init__(self, card: int) -> None:
        self.card = card

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.card, 32)

    def get_current_device(self) -> int:
        return self.card  # any number, by which Triton keeps apart what it has compiled

    def get_current_stream(self, device: int) -> int:
        return 0


def compile_only(label: dict[str, Any], launch: Launch, *given: Any) -> None:
    """Compile a program in place of launching it, and print what it takes."""
    program, constants = launch.program, launch.constants
    options = {**constants, **launch.options}
    made = program.run(*given, grid=launch.grid, warmup=True, **options)
    seen = label["automaton"], program.__name__, made.hash
    if seen in SEEN:
        return
    SEEN.add(seen)
    text = made.asm["ptx"]
    target = re.search(r"\.target (\w+)", text)
    line = {
        "triton": triton.__version__,
        "program": program.__name__,
        **label,
        "products": constants.get("PRODUCTS", "none"),
        "target": target and target[1],
        "tensor_cores": len(re.findall(r"wgmma\.mma_async|mma\.sync", text)),
        "repeated": repeated(made.asm["ttgir"]),
        "warps": made.metadata.num_warps,
        "shared": made.metadata.shared,
        **usage(made.asm["cubin"]),
    }
    print(json.dumps(line), flush=True)


def repeated(text: str) -> int:
    """Return how many products several warps compute, each of them the same numbers."""
    layouts = {
        name: tuple(map(int, sizes))
        for name, *sizes in re.findall(
            r"(#\w+) = .*nvidia_mma<.*warpsPerCTA = \[(\d+), (\d+)\], "
            r"instrShape = \[(\d+), (\d+)",
            text,
        )
    }
    found = re.findall(r"(?:warp_group_dot|tt\.dot) .*-> tensor<(\d+)x(\d+)xf32, (#\w+)>", text)
    many = 0
    for rows, columns, name in found:
        if name in layouts:
            down, right, high, wide = layouts[name]
            many += down * high > int(rows) or right * wide > int(columns)
    return many


def usage(binary: bytes) -> dict[str, int]:
    """Return the registers of a thread, and the bytes of its stack."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "program.cubin"
        file.write_bytes(binary)
        command = [str(TOOLS / "cuobjdump"), "-res-usage", str(file)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {
        name: int(found[1])
        for name, word in (("registers", "REG"), ("stack", "STACK"))
        if (found := re.search(rf"{word}:(\d+)", text))
    }


def compile_step(automaton: nca.Automaton, label: dict[str, Any], *, reduced: bool) -> None:
    """Compile what one step and its gradient launch."""
    Launch.__call__ = lambda launch, *given: compile_only(label, launch, *given)
    automaton.fused = True
    state = automaton.seed(2, (5, 7))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=reduced):
        end = automaton.step(state.map(torch.Tensor.requires_grad_))
    torch.stack([level.sum() for level in end.values()]).sum().backward()


def main(arguments: list[str]) -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    every = [f"{name}:{kind}" for name in AUTOMATA for kind in ("reduced", *FLOAT32)]
    asked.add_argument("steps", nargs="*", default=every, metavar="AUTOMATON:PRODUCTS")
    asked.add_argument("--card", nargs="+", type=int, default=[80, 90])
    given = asked.parse_args(arguments)
    torch.set_num_threads(1)
    discover()
    nca.backends.fused.interpreted = lambda: True  # let the host pass for a device
    for card in given.card:
        triton.runtime.driver.set_active(Nowhere(card))
        for asked_name, _, products in (step.partition(":") for step in given.steps):
            torch.backends.cuda.matmul.fp32_precision = FLOAT32.get(products, "none")
            known = fusible() if asked_name == RECIPES else {asked_name: AUTOMATA[asked_name]}
            for name, made in known.items():
                label = {"automaton": name, "card": card}
                compile_step(made(), label, reduced=products == "reduced")


if __name__ == "__main__":
    main(sys.argv[1:])
