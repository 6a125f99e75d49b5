"""An export in which one thing is wrong is not written, whatever computes it."""

import copy
import functools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from page_case import trained
from playwright.sync_api import Page as Tab
from torch import Tensor

from nca import ExportError
from nca.checkpoint.trained import Trained
from nca.export import html, write_onnx
from nca.export import onnx as onnx_module
from nca.export.texels import base64_of, numbers_of
from nca.export.verify import Difference

Plan = dict[str, Any]
STEPS = 8


def changed(text: str, change: Callable[[Tensor], None]) -> str:
    numbers = numbers_of(text).clone()
    change(numbers)
    return base64_of(numbers)


def one_weight(plan: Plan) -> None:
    def change(numbers: Tensor) -> None:
        numbers[numbers.abs().gt(0.05).nonzero()[137]] *= 1.5

    if plan["graph"]:
        model = plan["graph"]["model"]
        model["numbers"] = changed(model["numbers"], change)
    else:
        plan["weights"] = changed(plan["weights"], change)


def stencil_sign(plan: Plan) -> None:
    if not plan["graph"]:
        stencils = plan["levels"][0]["terms"][0]["sights"][0]["stencils"]
        stencils[1] = [-number for number in stencils[1]]
        return
    model = plan["graph"]["model"]
    kernels = [c for c in model["constants"] if c[1] == "number" and c[2][-2:] == [3, 3]]
    assert kernels, "the stencils are not where they were"
    place, count = kernels[-1][3], torch.Size(kernels[-1][2]).numel()

    def change(numbers: Tensor) -> None:
        numbers[place : place + count] *= -1

    model["numbers"] = changed(model["numbers"], change)


def fire_rate(plan: Plan) -> None:
    plan["fireRate"] += 0.1


def boundary(plan: Plan) -> None:
    if not plan["graph"]:
        plan["boundaries"] = ["torus", "zeros"]
        return
    nodes = plan["graph"]["model"]["nodes"]
    (first, *_) = [node for node in nodes if node[0] == "Mod"]
    first[0] = "Min"


def alive_mask(plan: Plan) -> None:
    if plan["graph"]:
        node = next(node for node in plan["graph"]["model"]["nodes"] if node[0] == "Greater")
        node[0] = "Less"
    else:
        plan["alive"]["radius"] = 2


WRONG = {
    wrong.__name__: wrong for wrong in (one_weight, stencil_sign, fire_rate, boundary, alive_mask)
}


@pytest.fixture
def run_here(page: Tab, monkeypatch) -> None:
    """Let the tab of the test run the trials, in place of a browser that is started for each."""

    def answer(browser: str, text: str) -> Any:
        page.goto("about:blank")  # or names of the page before would stand in the way
        page.set_content(text)
        return json.loads(page.locator("#answer").text_content() or "")

    monkeypatch.setattr(html, "find_browser", lambda: "here")
    monkeypatch.setattr(html, "version_of", lambda browser: browser)
    monkeypatch.setattr(html, "answer", answer)


@pytest.fixture(scope="module")
def growing() -> Trained:
    return trained("growing")


@pytest.fixture(scope="module")
def honest(growing) -> Callable[[html.Engine], html.Page]:
    """The right page of an engine, made once; each test has a copy to spoil."""
    made = functools.cache(lambda engine: html.make_page(growing, STEPS, engine))
    return lambda engine: replace(made(engine), data=copy.deepcopy(made(engine).data))


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("engine", ["webgl", "onnx"])
def test_a_page_that_is_wrong_in_one_thing_is_not_written(
    run_here, growing, honest, tmp_path, monkeypatch, engine, wrong
):
    if engine == "onnx":
        pytest.importorskip("onnxscript")
    written = honest(engine)
    monkeypatch.setattr(html, "make_page", lambda *given: written)
    if wrong == "one_weight":  # once for each engine, what is right is written
        found = html.write_html(growing, tmp_path / "right.html", STEPS, engine=engine)
        assert isinstance(found, Difference)
        (tmp_path / "right.html").unlink()
    WRONG[wrong](written.data)
    with pytest.raises(ExportError, match="strays from torch"):
        html.write_html(growing, tmp_path / "page.html", STEPS, engine=engine)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def lizard_model(growing):
    pytest.importorskip("onnxruntime")
    display = growing.task.display()
    return onnx_module.step_model(growing.automaton, display.first)


def wrong_weight(model: Any) -> None:
    weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    numbers = torch.frombuffer(bytearray(weights.raw_data), dtype=torch.float32)
    numbers[numbers.abs().gt(0.05).nonzero()[137]] *= 1.5
    weights.raw_data = numbers.numpy().tobytes()


def no_lap(model: Any) -> None:
    node = next(node for node in model.graph.node if node.op_type == "Mod")
    node.op_type = "Min"
    del node.attribute[:]


def wrong_dead(model: Any) -> None:
    next(node for node in model.graph.node if node.op_type == "Greater").op_type = "Less"


def wrong_stencil(model: Any) -> None:
    for tensor in [*model.graph.initializer]:
        if list(tensor.dims[-2:]) == [3, 3]:
            numbers = torch.frombuffer(bytearray(tensor.raw_data), dtype=torch.float32)
            tensor.raw_data = numbers.neg().numpy().tobytes()
            return
    raise AssertionError("the stencils are not where they were")


@pytest.mark.parametrize("wrong", [wrong_weight, no_lap, wrong_dead, wrong_stencil])
def test_a_model_that_is_wrong_in_one_thing_is_not_written(
    growing, lizard_model, tmp_path, monkeypatch, wrong
):
    step, honest = lizard_model
    model = type(honest)()
    model.CopyFrom(honest)
    wrong(model)
    monkeypatch.setattr(onnx_module, "step_model", lambda *given: (step, model))
    with pytest.raises(ExportError, match=r"strays from torch|does not run on a grid"):
        write_onnx(growing, tmp_path / "model.onnx", STEPS)
    assert not list(tmp_path.iterdir())
