"""Levels of different resolution leave as they are: on a page, in ONNX and as a plain module."""

import pytest
import torch
from test_export_onnx_json import found_of, scripts
from test_export_page_data import drawn, tried_in
from torch import Tensor
from torch.testing import assert_close

from nca import (
    Alive,
    Automaton,
    ExportError,
    Layout,
    Level,
    NCAError,
    Noise,
    RuleContext,
    State,
    Topology,
)
from nca.export import onnx as module
from nca.export import plain_module
from nca.export.c_source import stepped
from nca.export.example import lively_state
from nca.export.onnx_step import Step
from nca.export.page_data import check_exportable, page_data
from nca.export.texels import Packer, base64_of, numbers_of
from nca.export.verify import Difference
from nca.model.build import describe_trained
from nca.registry.registry import registry
from nca.types import Boundary, Size
from nca_plugins.glom.attention import Attention

runtime = pytest.importorskip("onnxruntime")
__all__ = ["scripts"]

CLOSE = {"rtol": 1e-4, "atol": 1e-4}
TWO = (
    Level("ground", 3, input=True, refine="bilinear"),
    Level("fine", 5, refine="bilinear"),
    Level("coarse", 6, scale=2, coarsen="stack"),
)
THREE = (
    Level("ground", 2, input=True),
    Level("fine", 5, scale=2, coarsen="stack", refine="bilinear"),
    Level("coarse", 6, scale=8, coarsen="mean"),
)
UPSIDE_DOWN = (
    Level("ground", 2, scale=4, input=True),
    Level("fine", 5, refine="nearest"),
    Level("coarse", 7, scale=2, coarsen="max", refine="bilinear"),
)
CASES: dict[str, tuple[tuple[Level, ...], tuple[Boundary, Boundary], dict[str, object]]] = {
    "two": (TWO, ("torus", "torus"), {"fire_rate": 0.5, "noise": Noise(0.1)}),
    "three": (THREE, ("torus", "reflect"), {"alive": Alive("fine", 1, 0.3)}),
    "living blocks": (TWO, ("zeros", "replicate"), {"alive": Alive("coarse", 1, 0.3)}),
    "frozen": (THREE, ("torus", "torus"), {"alive": Alive("ground", 1, 0.8, 1, "frozen")}),
    "upside down": (UPSIDE_DOWN, ("zeros", "torus"), {"alive": Alive("coarse", 0, 0.2, 2)}),
}
"""Levels, boundaries and conditions, in which every way to read meets every kind of edge."""


def pyramid(case: str, rules_each: int = 4) -> Automaton:
    """Return an automaton in which all levels that change read the others, in so many ways."""
    levels, boundaries, settings = CASES[case]
    layout, topology = Layout(levels), Topology(boundaries)
    rule = lambda name: registry.get("rule", name)  # noqa: E731
    fine, coarse = (RuleContext(layout, name, 2, topology) for name in ("fine", "coarse"))
    rules = {
        "fine": [
            rule("bottom_up")(fine, hidden=6),
            rule("top_down")(fine, hidden=5, activation="gelu", shown="squashed"),
            rule("growing")(fine, hidden=7),
        ],
        "coarse": [
            rule("bottom_up")(coarse, hidden=6, activation="tanh"),
            rule("lateral")(coarse, hidden=6, shown="squashed"),
            rule("fade")(rate=0.3),
        ],
    }
    rules["fine"].append(rule("consensus_step")(fine, attention=Attention(lookahead=0.5)))
    rules["coarse"].append(rule("consensus_step")(coarse, attention=Attention("dot", 0.1)))
    rules = {name: of_level[:rules_each] for name, of_level in rules.items()}
    return drawn(Automaton(layout, rules, topology=topology, step_size=0.1, **settings), 0)


def begun(automaton: Automaton, size: Size, batch: int = 1) -> State:
    state = automaton.layout.zeros(batch, size, random_seed=2**40 + 17)
    return state.replace(
        {n: state.rng.normal(n, t.shape[1], t.shape[2:]) for n, t in state.items()}
    )


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_a_page_steps_a_pyramid_as_torch(page, case):
    automaton = pyramid(case)
    packer, coarsest = Packer(), automaton.layout.coarsest
    state = begun(automaton, (coarsest, 3 * coarsest))
    told = {**page_data(automaton, state, packer), "weights": packer.base64()}
    trial = {"step": 0, "steps": 5, "levels": [base64_of(level) for level in state.values()]}
    trials = [{"all": True, **trial}, {"all": False, **trial}]
    found = tried_in(page, told, {"size": told["size"], "trials": trials})
    expected = (automaton.rollout(state, 5, fire_rate=1.0), automaton.rollout(state, 5))
    for after, levels in zip(expected, found["found"], strict=True):
        for name, text in zip(state, levels, strict=True):
            assert_close(numbers_of(text).view_as(after[name]), after[name].contiguous(), **CLOSE)
            assert automaton.layout[name].input or after[name].ne(state[name]).any(), name


def test_what_is_read_twice_in_one_grid_is_one_texture():
    automaton = pyramid("two")
    told = page_data(automaton, begun(automaton, (4, 4)), Packer())
    ways = [(one["level"], one["way"], one["factor"], one["scale"]) for one in told["readings"]]
    assert ways == [(2, "bilinear", 2, 1), (1, "stack", 2, 2)]
    assert [one["channels"] for one in told["readings"]] == [6, 5 * 4]


def every_way() -> Automaton:
    """Return five levels of three scales that are read in all five ways, by few rules to trace."""
    levels = (
        Level("ground", 2, input=True),
        Level("low", 3, refine="nearest"),
        Level("mid", 4, scale=2, coarsen="stack", refine="bilinear"),
        Level("top", 5, scale=8, coarsen="mean"),
        Level("peak", 3, scale=8, coarsen="max"),
    )
    layout, topology = Layout(levels), Topology(("torus", "reflect"))
    rules = {}
    for name, reads in {
        "low": "top_down",
        "mid": "bottom_up top_down",
        "top": "bottom_up",
        "peak": "bottom_up",
    }.items():
        context = RuleContext(layout, name, 2, topology)
        rules[name] = [registry.get("rule", rule)(context, hidden=4) for rule in reads.split()]
    alive = Alive("mid", 1, 0.1)
    return drawn(Automaton(layout, rules, topology=topology, alive=alive), 0)


@torch.no_grad()
def test_one_model_steps_a_pyramid_on_every_grid_that_coarse_cells_divide(request):
    automaton = every_way()
    step, coarsest = Step(automaton), automaton.layout.coarsest
    model = module._model(step, module._example(step, begun(automaton, (coarsest, coarsest))))
    sides = {
        entry.name: [side.dim_param for side in entry.type.tensor_type.shape.dim][2:]
        for entry in model.graph.input
    }
    assert sides["fire/top"] == sides["top"] == ["height", "width"]
    assert sides["fire/peak"] == sides["peak"] == ["height", "width"]
    assert sides["mid"] == ["4*height", "4*width"]
    assert sides["ground"] == ["8*height", "8*width"]
    session = runtime.InferenceSession(model.SerializeToString())
    for batch, sides in ((1, (1, 1)), (3, (1, 4)), (2, (5, 2)), (1, (3, 3))):
        state = begun(automaton, tuple(coarsest * side for side in sides), batch)
        for _ in range(3):
            given = zip(step.inputs, step.tensors(state, 0.5), strict=True)
            inputs = {name: tensor.numpy() for name, tensor in given}
            found = session.run(None, inputs)
            after = automaton.step(state, fire_rate=0.5)
            for name, level in zip(step.changes, found, strict=True):
                assert_close(torch.from_numpy(level), after[name].contiguous(), **CLOSE)
            state = after
    seen = found_of(request.getfixturevalue("scripts"), model, inputs)
    for (shape, _, numbers), level in zip(seen, found, strict=True):
        assert_close(torch.tensor(numbers).view(shape), torch.from_numpy(level), **CLOSE)


@torch.no_grad()
def test_a_model_of_three_axes_steps_a_pyramid():
    layout = Layout(THREE[:2])
    rule = registry.get("rule", "bottom_up")(RuleContext(layout, "fine", 3), hidden=4)
    automaton = drawn(Automaton(layout, {"fine": [rule]}), 0)
    step = Step(automaton)
    model = module._model(step, module._example(step, begun(automaton, (2, 2, 2))))
    session = runtime.InferenceSession(model.SerializeToString())
    state = begun(automaton, (4, 2, 6))
    given = zip(step.inputs, step.tensors(state, 0.5), strict=True)
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in given})
    expected = automaton.step(state, fire_rate=0.5)["fine"].contiguous()
    assert_close(torch.from_numpy(found), expected, **CLOSE)


@pytest.mark.parametrize("case", CASES)
def test_a_plain_module_steps_a_pyramid_as_torch(case):
    automaton = pyramid(case, 3)
    side = 4 * automaton.layout.coarsest
    trained = describe_trained(automaton, name="pyramid", size=(side, side), steps=4)
    written = plain_module(trained, 4)
    assert isinstance(written.checked, Difference)
    assert written.checked.change > 0.01
    assert written.checked.greatest <= 1e-4 * max(written.checked.scale, 1)


@torch.no_grad()
def test_a_lively_state_is_moved_by_cells_of_the_coarsest_level():
    automaton = pyramid("two", 3)
    state = begun(automaton, (4, 6))
    found = lively_state(automaton, state, 0)
    moves: list[Tensor] = []
    for down in range(2):
        for across in range(3):
            levels = {
                n: t.roll((-2 * down // state.scale(n), -2 * across // state.scale(n)), (2, 3))
                for n, t in state.items()
            }
            moves.append(torch.tensor(found.state == state.replace(levels)))
    assert torch.stack(moves).any()


def test_a_page_draws_on_cells_of_the_grid():
    check_exportable(pyramid("two"), 2, "ground")
    with pytest.raises(ExportError, match='one draws on "ground", a level of scale 4, and a page'):
        check_exportable(pyramid("upside down"), 2, "ground")


def test_tables_in_a_pyramid_are_no_c_program():
    with pytest.raises(ExportError, match="be written of this automaton: its levels differ in sca"):
        stepped(pyramid("three"), 2)


def test_a_grid_that_coarse_cells_do_not_divide_is_refused():
    automaton = pyramid("two")
    with pytest.raises(NCAError, match=r"is \[5, 6\]  let each side be a multiple of 2"):
        describe_trained(automaton, name="pyramid", size=(5, 6), steps=4)
