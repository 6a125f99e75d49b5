"""What a page has to know of an automaton to run it: numbers and names, ready for JSON.

Legend: C channel, H height, W width.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from nca.engine.automaton import Automaton
from nca.engine.context import RuleContext
from nca.engine.discrete import GatesTerm, TableTerm
from nca.engine.program import (
    AttentionTerm,
    Correlation,
    DecayTerm,
    Location,
    MLPTerm,
    NotDeclared,
    Program,
    Squash,
    Standardise,
    Stencils,
    Term,
)
from nca.engine.rng import number_of
from nca.engine.rule import UpdateRule
from nca.engine.state import State
from nca.errors import ExportError
from nca.export.page_bits import bits_of
from nca.export.readings import ResampledLevels
from nca.export.texels import Packer, base64_of, perceived_order

MOST_COLUMNS, MOST_GATES = 1 << 20, 2048
"""Of a table and of a network of gates that a page is given."""

SPARSE = 0.25
"""Up to this share of cells, a first state is written cell by cell."""


def page_data(
    automaton: Automaton, first: State, packer: Packer, graph: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return all that a page needs to let steps pass as the automaton does.

    Args:
        automaton: With its weights, as it shall run.
        first: One sample: the grid's size, and where all begins.
        packer: Gets the weights.
        graph: What computes a step (`nca.export.onnx_json`); without, what the rules say they do.

    Raises:
        ExportError: The automaton does something that the page cannot do; all of it is named.
    """
    size, readings = first.grid_size, ResampledLevels(automaton.layout)
    programs = {name: [] for name in automaton.layout} if graph else _programs(automaton)
    names = list(automaton.layout)
    bits = {} if graph else bits_of(automaton, first)
    levels = []
    for name, level in automaton.layout.items():
        context = RuleContext(automaton.layout, name, len(size), automaton.topology)
        terms = [_term(term, context, readings, packer) for said in programs[name] for term in said]
        levels.append(
            {
                "name": name,
                "channels": level.channels,
                "scale": level.scale,
                "input": level.input,
                "terms": terms,
                "bits": bits.get(name),
                "first": sparse(first[name][0]),
                "fire": number_of(f"fire/{name}"),
                "noise": _streams(automaton, name),
            }
        )
    alive, noise = automaton.alive, automaton.noise
    seed = first.random_seed
    return {
        "size": list(size),
        "boundaries": list(automaton.topology.of(len(size))),
        "fireRate": automaton.fire_rate,
        "stepSize": automaton.step_size,
        "noise": {"scale": noise.scale} if noise and _noisy(automaton) else None,
        "alive": {**asdict(alive), "level": names.index(alive.level)} if alive else None,
        "levels": levels,
        "readings": readings.to_json(),
        "randomSeed": [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF],
        "sample": int(first.samples[0]) & 0xFFFFFFFF,
        "step": first.step,
        "graph": graph,
    }


def sparse(level: Tensor) -> dict[str, Any] | None:
    """Return `(C, H, W)` as None if it is empty, cell by cell if little is there, or whole."""
    rows = level.detach().cpu().flatten(1).T  # (cells, C)
    cells = rows.ne(0).any(dim=1).nonzero().squeeze(1)
    if not len(cells):
        return None
    if len(cells) <= SPARSE * len(rows):
        return {"cells": cells.tolist(), "numbers": base64_of(rows[cells])}
    return {"cells": None, "numbers": base64_of(rows)}


def _noisy(automaton: Automaton) -> bool:
    noise = automaton.noise
    return bool(noise and noise.scale and noise.when == "always")


def _streams(automaton: Automaton, name: str) -> list[int]:
    """Return the numbers of the streams that the noise of a level is drawn from."""
    if not _noisy(automaton) or automaton.layout[name].input or automaton.noise is None:
        return []
    stream = f"noise/{name}"
    parts = [f"{stream}/{third}" for third in "abc"]
    return [number_of(part) for part in (parts if automaton.noise.kind == "normal" else [stream])]


def check_exportable(automaton: Automaton, axes: int, drawn_on: str = "") -> None:
    """Refuse what no page can run, whatever computes its steps.

    Args:
        automaton: What is exported.
        axes: Of its grid.
        drawn_on: The level that a person may draw on, if there is one.

    Raises:
        ExportError: The grid has other than two axes, one draws on a coarse level, or skips
            remember states.
    """
    if axes != 2:
        raise _unfit(f"its grid has {axes} axes, and a page shows two", "--to onnx")
    if drawn_on and (scale := automaton.layout[drawn_on].scale) > 1:
        why = f'one draws on "{drawn_on}", a level of scale {scale}, and a page draws on cells'
        raise _unfit(f"{why} of the grid", "--to onnx")
    if automaton.skips:
        raise ExportError(
            "its temporal skip connections remember states, which a page does not.",
            where="[rollout] skips",
            to_do="watch it in torch, with nca play, or train it without skips",
        )


def _programs(automaton: Automaton) -> dict[str, list[tuple]]:
    found: dict[str, list[tuple]] = {}
    faults = []
    for name in automaton.layout:
        found[name] = []
        for rule in automaton.rules_of(name):
            program = rule.declared_program()
            obstacle = _obstacle(program)
            if obstacle:
                faults.append(f'{_said(rule)} of level "{name}" {obstacle}')
            elif isinstance(program, Program):
                found[name].append(program.terms)
    if faults:
        raise _unfit("; ".join(dict.fromkeys(faults)), "--engine onnx")
    return found


def _unfit(why: str, other: str) -> ExportError:
    return ExportError(
        f"no page can be made of this automaton: {why}.",
        where="rules and conditions of the recipe",
        to_do=f"export it with {other} instead",
    )


def _said(rule: UpdateRule) -> str:
    return f"rule {type(rule).__name__}"


def _term(
    term: Term, context: RuleContext, readings: ResampledLevels, packer: Packer
) -> dict[str, Any]:
    if isinstance(term, DecayTerm):
        return {"kind": "decay", "rate": torch.as_tensor(term.rate).item()}
    if isinstance(term, AttentionTerm):
        weights = term.weights
        return {
            "kind": "consensus",
            "rate": torch.as_tensor(term.rate).item(),
            "sharpness": torch.as_tensor(weights.sharpness).item(),
            "cosine": weights.cosine,
            "levels": [readings.place(context, name) for name in weights.levels],
            "factors": weights.factors,
            "radius": weights.radius,
            "itself": weights.itself,
            "tiny": weights.tiny,
        }
    if isinstance(term, TableTerm):
        return _table(term, packer)
    if isinstance(term, GatesTerm):
        return _gates(term)
    assert isinstance(term, MLPTerm)  # `_obstacle` has found the others
    return _net(term, context, readings, packer)


def _table(term: TableTerm, packer: Packer) -> dict[str, Any]:
    """Return a table of successors: neighbours, one to a texel, and successors, four to one."""
    seen = [(dx, dy, by, 0) for (dy, dx), by in zip(term.offsets, term.weights, strict=True)]
    successors = term.successors.flatten().float()
    filled = torch.cat([successors, successors.new_zeros(-len(successors) % 4)])
    return {
        "kind": "table",
        "seen": packer.add(torch.tensor(seen, dtype=torch.float32)),
        "count": len(seen),
        "states": term.states,
        "columns": term.successors.shape[1],
        "counted": list(term.counted),
        "successors": packer.add(filled),
        "radius": term.radius,
    }


def _gates(term: GatesTerm) -> dict[str, Any]:
    """Return a network of logic gates: what each reads, and its factors."""
    layers = term.layers
    return {
        "kind": "gates",
        "offsets": [list(offset) for offset in term.offsets],
        "first": [wire for layer in layers for wire in layer.first.tolist()],
        "second": [wire for layer in layers for wire in layer.second.tolist()],
        "factors": [row for layer in layers for row in layer.factors.detach().tolist()],
        "radius": term.radius,
    }


def _net(
    term: MLPTerm, context: RuleContext, readings: ResampledLevels, packer: Packer
) -> dict[str, Any]:
    perceptions = [one for one in term.perceptions if not isinstance(one, Location)]
    first = perceptions[0]
    if len(perceptions) > 1 and any(isinstance(one, Stencils) for one in perceptions):
        raise ExportError(
            "a net adds what stencils perceive to what something else does.",
            where=f'level "{context.name}"',
            to_do="give each a net of its own, or export it with --to onnx",
        )
    order = perceived_order(first) if isinstance(first, Stencils) else None
    width = first.features if order is None else len(order)
    biases = [one.bias for one in perceptions if isinstance(one, Correlation)]
    biases = [bias for bias in biases if bias is not None]
    layers = []
    for number, layer in enumerate(term.layers):
        layers.append(
            {
                "at": packer.layer(layer, order if number == 0 else None),
                "bias": packer.bias(layer.bias, len(layer.weight)),
                "outputs": len(layer.weight),
                "activation": layer.activation,
            }
        )
    return {
        "kind": "net",
        "width": width,
        "sights": [_perception(one, context, readings, packer) for one in perceptions],
        "bias": packer.bias(torch.stack(biases).sum(dim=0) if biases else None, width),
        "layers": layers,
    }


def _perception(
    perception: Correlation | Stencils,
    context: RuleContext,
    readings: ResampledLevels,
    packer: Packer,
) -> dict[str, Any]:
    level = readings.place(context, perception.level)
    if isinstance(perception, Correlation):
        squash = perception.cell_map
        return {
            "kind": "correlation",
            "level": level,
            "kernel": list(perception.weight.shape[2:]),
            "bound": squash.bound if isinstance(squash, Squash) else None,
            "at": packer.correlation(perception),
        }
    return {
        "kind": "stencils",
        "level": level,
        "kernel": list(perception.kernels.shape[1:]),
        "stencils": perception.kernels.flatten(1).tolist(),
        "slopes": perception.slopes,
        "length": perception.length,
    }


def _obstacle(program: Program | NotDeclared) -> str | None:
    """Return what of a program no page can do, as the end of a sentence, or None."""
    if isinstance(program, NotDeclared):
        return program.why
    for term in program.terms:
        if isinstance(term, TableTerm) and sum(term.weights) > MOST_COLUMNS:
            return f"tells more than {MOST_COLUMNS:,} neighbourhoods apart, which no page can do"
        if isinstance(term, GatesTerm) and term.gates > MOST_GATES:
            return f"has more than {MOST_GATES:,} logic gates, which no page can do"
        if isinstance(term, AttentionTerm) and term.weights.rise:
            return "sharpens its attention step by step, which no page can do"
        for one in term.perceptions if isinstance(term, MLPTerm) else ():
            if isinstance(one, Location):
                return "knows where its cells are, which no page can do"
            if isinstance(one, Correlation) and one.attention:
                return "scales its neighbours by attention, which no page can do"
            if isinstance(one, Correlation) and isinstance(one.cell_map, Standardise):
                return "standardises each cell's channels, which no page can do"
        if isinstance(term, MLPTerm) and any(layer.dropout for layer in term.layers):
            return "drops hidden units by chance in training, which no page can do"
    return None
