"""Automata written by hand, as one would without this engine, to hold it against.

`python tests/straightforward.py 5 FILE.json` times them beside the engine, in one process and on
one thread, five rounds, by the processor's time: growing by plain PyTorch with `torch.compile` of
the step, and the first GLOM notebook by nine rolls and a concatenation, then eight nets. They are
ways like those of `nca bench`.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nca import RuleContext, State
from nca.bench import BACKENDS, Backend, BenchPlan, BenchReport, bench, cases
from nca.bench.backends import PLAIN, Rollout
from nca.bench.timing import Clock
from nca.cli.bench_table import show_machine, show_measured
from nca.engine.automaton import Automaton
from nca.registry.discovery import discover
from nca_plugins.glom.seed import SCALE, SeedGlom
from nca_plugins.growing import Growing

ENGINE = next(way for way in BACKENDS if way.name == "engine")
BFLOAT16 = next(way for way in BACKENDS if way.name == "bfloat16")

NETS = '[{ name = "seed_glom", source = "below", dropout = 0.0 }, '
NETS += '{ name = "seed_glom", source = "own", dropout = 0.0 }'
ABOVE = ', { name = "seed_glom", source = "above", dropout = 0.0 }'
NOTEBOOK = [
    f"levels.1.rules={NETS}{ABOVE}]",
    f"levels.2.rules={NETS}{ABOVE}]",
    f"levels.3.rules={NETS}]",
]
"""What makes a recipe of four levels the notebook's."""

ROLLS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


def growing(automaton: Automaton, compiled: bool) -> Rollout:
    """Return a rollout of the paper's automaton in plain PyTorch, channels last."""
    (rule,) = automaton.rules_of("body")
    assert isinstance(rule, Growing)
    life, rate = automaton.alive, automaton.fire_rate
    channel, above = (life.channel, life.above) if life else (0, 0.0)
    stencils = rule.perception.kernels
    channels = rule.perception.channels

    def alive(body: Tensor) -> Tensor:
        mature = F.pad(body[:, channel : channel + 1], (1, 1, 1, 1), mode="circular")
        return F.max_pool2d(mature, 3, stride=1) > above

    def step(body: Tensor) -> Tensor:
        kernels = stencils.repeat(channels, 1, 1).unsqueeze(1)
        before = alive(body) if life else None
        padded = F.pad(body, (1, 1, 1, 1), mode="circular")
        seen = F.conv2d(padded, kernels, groups=channels)
        hidden = F.relu(F.conv2d(seen, rule.hidden.weight[..., None, None], rule.hidden.bias))
        change = F.conv2d(hidden, rule.change.weight[..., None, None], rule.change.bias)
        if rate < 1:
            change = change * (torch.rand_like(change[:, :1]) < rate)
        body = body + change
        return body if before is None else body * (before & alive(body))

    advance = torch.compile(step) if compiled else step

    def rollout(state: State, steps: int) -> State:
        body = state["body"].clone(memory_format=torch.channels_last)
        if torch.is_grad_enabled():
            body.requires_grad_()  # or the first step would be compiled apart
        for _ in range(steps):
            body = advance(body)
        return state.replace({"body": body}, step=state.step + steps)

    return rollout


def notebook(automaton: Automaton, dropout: float = 0.0) -> Rollout:
    """Return a rollout as the notebook has it: all levels in one tensor, rolled nine times.

    Its attention, overwritten before anything read it, is left out. An automaton of other nets is
    given the notebook's first.

    Args:
        automaton: Of four levels.
        dropout: Of each net's three layers, in training; the notebook has 0.1.
    """
    names = list(automaton.layout)
    if not all(isinstance(rule, SeedGlom) for n in automaton.rules for rule in rules(automaton, n)):
        for name in names[1:]:
            place = RuleContext(automaton.layout, name)
            sources = ("below", "own", "above")[: 2 if name == names[-1] else 3]
            nets = [SeedGlom(place, source=source, dropout=0.0) for source in sources]
            automaton.rules[name] = nn.ModuleList(nets)

    def drop(tensor: Tensor) -> Tensor:
        return F.dropout(tensor, dropout, automaton.training)

    def told(net: SeedGlom, seen: Tensor) -> Tensor:
        q = torch.tanh(net.q(drop(seen)))
        k = torch.tanh(net.k(drop(q))) + q
        return SCALE * (torch.tanh(net.v(drop(k))) + q + k)

    def rollout(state: State, steps: int) -> State:
        grid = torch.stack([level.movedim(1, -1) for level in state.values()], dim=3)
        for _ in range(steps):
            # (B, H, W, L, 9 C)
            seen = torch.cat([torch.roll(grid, roll, dims=(1, 2)) for roll in ROLLS], dim=4)
            change = [torch.zeros_like(grid[:, :, :, 0])]
            for number, name in enumerate(names[1:], start=1):
                nets = rules(automaton, name)
                offsets = [{"below": -1, "own": 0, "above": 1}[net.source] for net in nets]
                pairs = zip(nets, offsets, strict=True)
                change.append(sum(told(n, seen[:, :, :, number + o]) for n, o in pairs))  # pyright: ignore
            grid = grid + torch.stack(change, dim=3)
        levels = {name: grid[:, :, :, n].movedim(-1, 1) for n, name in enumerate(names)}
        return state.replace(levels, step=state.step + steps)

    return rollout


def rules(automaton: Automaton, name: str) -> list[SeedGlom]:
    return list(automaton.rules_of(name))  # pyright: ignore[reportReturnType]


BY_HAND = Backend("by hand", "plain PyTorch, channels last", lambda a: growing(a, False))
COMPILED = Backend(
    "by hand, compiled", "the same, compiled", lambda a: growing(a, True), compiles=True
)
WHOLE = replace(PLAIN, name="whole grid")
ROLLED = Backend("notebook", "nine rolls and a concatenation, eight nets", notebook)
DROPPED = Backend("its dropout", "the same with the notebook's dropout", lambda a: notebook(a, 0.1))


TRIALS = (
    (
        "the notebook, beside the same nets",
        "glom_small",
        [*NOTEBOOK, "rollout.steps=3"],
        (ROLLED, DROPPED),
    ),
    ("the notebook, beside nets of two layers", "glom_small", ["rollout.steps=3"], (ROLLED,)),
    ("by hand, compiled", "growing_72", ["rollout.steps=64"], (COMPILED, BY_HAND, WHOLE)),
)
"""What stands in the place of plain; the case; its overrides; and the ways, that one first."""


def main(repeats: int, overrides: Sequence[str] = ()) -> Iterator[BenchReport]:
    """Time what is written by hand, in the place of "plain", beside the engine."""
    for title, name, own, (reference, *others) in TRIALS:
        print(f"plain is {title}")
        plain = replace(reference, name=PLAIN.name)
        chosen = [plain, *others, ENGINE, BFLOAT16]
        asked = cases([name], torch.device("cpu"), [*own, *overrides])
        plan = BenchPlan(asked, chosen, repeats, 1e6, Clock(torch.device("cpu"), by_work=True))
        report = bench(plan)
        show_measured(report.measured[0])
        show_machine(report)
        yield report


if __name__ == "__main__":
    discover()
    torch.set_num_threads(1)
    told = []
    for report in main(int(sys.argv[1])):
        told.append(report.to_json())
        Path(sys.argv[2]).write_text(json.dumps(told, indent=2))
