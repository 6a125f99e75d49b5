"""A step in ONNX Runtime is a step in torch, on any grid and under any fire mask."""

import json
from pathlib import Path

import pytest
import torch
from simple import Ask, one_level
from torch.testing import assert_close

from nca import Alive, Automaton, ExportError, Layout, Level, Noise, RuleContext, State
from nca.checkpoint.trained import Trained
from nca.export import onnx as module
from nca.export import write_onnx
from nca.export.example import Begin
from nca.export.onnx_trial import try_model
from nca.registry.registry import registry

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def trained(name: str) -> Trained:
    return Trained.load(name, torch.device("cpu"))


@pytest.fixture(scope="module")
def growing(tmp_path_factory):
    loaded = trained("growing")
    file = tmp_path_factory.mktemp("onnx") / "growing.onnx"
    return loaded, file, write_onnx(loaded, file, 8)


@torch.no_grad()
def test_the_model_steps_as_torch_does_on_another_grid_and_batch(growing):
    loaded, file, _ = growing
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    state = loaded.automaton.rollout(loaded.task.display().first, 12)["body"][:, :, 5:26, 3:30]
    state = State({"body": torch.cat([state, state.roll((4, 9), (2, 3)), state.flip(3)])})
    fire = state.rng.chance("fire/body", loaded.automaton.fire_rate, 1, state.size("body"))
    inputs = {"body": state["body"].numpy(), "fire/body": fire.float().numpy()}
    (after,) = session.run(None, inputs)
    expected = loaded.automaton.step(state)["body"]
    assert expected.ne(state["body"]).any()
    assert_close(torch.from_numpy(after), expected.contiguous(), rtol=1e-5, atol=1e-5)
    (still,) = session.run(None, {**inputs, "fire/body": fire.float().numpy() * 0})
    assert_close(torch.from_numpy(still), loaded.automaton.clear_dead(state)["body"])


def test_the_model_says_what_it_is_and_how_far_it_strays(growing):
    _, file, checked = growing
    model = onnx.load(str(file))
    onnx.checker.check_model(model)
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert checked.greatest < 1e-4
    assert checked.scale > 1
    assert json.loads(notes["checked"]) == checked.to_json()
    assert notes["name"] == "growing"
    assert 'name = "growing"' in notes["recipe"]
    assert [entry.name for entry in model.graph.input] == ["body", "fire/body"]
    assert [entry.name for entry in model.graph.output] == ["body/next"]
    dims = [d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert (dims[0], dims[2], dims[3]) == ("batch", "height", "width")
    assert [entry.version for entry in model.opset_import if not entry.domain] == [module.OPSET]


def test_the_model_does_not_say_where_it_was_made(growing):
    _, file, _ = growing
    assert onnx.load(str(file)).graph.node
    assert str(Path(module.__file__).parent).encode() not in file.read_bytes()
    assert b"stack_trace" not in file.read_bytes()


def test_levels_noise_attention_and_the_dead_go_out_too():
    layout = Layout([Level("low", 2, input=True), Level("mid", 3), Level("top", 2)])
    mid, top = RuleContext(layout, "mid"), RuleContext(layout, "top")
    rules = {
        "mid": [registry.get("rule", name)(mid) for name in ("consensus_step", "bottom_up")],
        "top": [registry.get("rule", "bottom_up")(top, activation="gelu", shown="squashed")],
    }
    alive = Alive("low", 0, 0.5, 1, "frozen")
    automaton = Automaton(layout, rules, fire_rate=0.6, noise=Noise(0.1), alive=alive).eval()
    state = automaton.seed(1, (9, 8), random_seed=3)
    state = state.replace({"low": state.rng.normal("low", 2, (9, 8))})
    step = module.Step(automaton)
    checked = try_model(step, module._model(step, module._example(step, state)), Begin(state), 4)
    assert step.inputs == ["low", "mid", "top", "fire/mid", "fire/top", "noise/mid", "noise/top"]
    assert step.outputs == ["mid/next", "top/next"]
    assert checked.greatest < 1e-5
    assert checked.scale > 0.1


def test_a_rule_without_weights_goes_out_too():
    layout = Layout([Level("body", 1)])
    rule = registry.get("rule", "life")(RuleContext(layout, "body"))
    automaton = Automaton(layout, {"body": [rule]})
    step = module.Step(automaton)
    blinker = torch.zeros(1, 1, 7, 6)
    blinker[0, 0, 3, 1:4] = 1
    model = module._model(step, State({"body": torch.rand(2, 1, 6, 5)}))
    session = runtime.InferenceSession(model.SerializeToString())
    inputs = step.tensors(State({"body": blinker}), 1.0)
    given = {name: t.numpy() for name, t in zip(step.inputs, inputs, strict=True)}
    (after,) = session.run(None, given)
    upright = torch.zeros(1, 1, 7, 6)
    upright[0, 0, 2:5, 2] = 1
    assert torch.equal(torch.from_numpy(after), upright)


def test_memories_are_refused(tmp_path, monkeypatch):
    loaded = trained("growing")
    monkeypatch.setattr(loaded.automaton, "skips", (object(),))
    with pytest.raises(ExportError, match="skip connections remember states"):
        write_onnx(loaded, tmp_path / "model.onnx", 2)
    assert not list(tmp_path.iterdir())


def test_rules_that_roll_dice_are_refused():
    automaton = one_level(Ask()).float()
    with pytest.raises(ExportError, match="draws random numbers of its own"):
        module.Step(automaton)(*module.Step(automaton).tensors(automaton.seed(1, (4, 4)), 1.0))


def test_a_refusal_of_a_rule_is_passed_on_as_it_is():
    automaton = one_level(Ask()).float()
    with pytest.raises(ExportError, match="draws random numbers of its own") as refused:
        module.step_model(automaton, automaton.seed(1, (4, 4)))
    assert refused.value.to_do.startswith("export an automaton whose rules draw none")


def test_a_model_that_computes_something_else_is_not_written(tmp_path, monkeypatch, growing):
    loaded, file, _ = growing

    def wrong(step, state):
        model = onnx.load(str(file))
        weights = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
        weights.raw_data = weights.raw_data[::-1][:4] + weights.raw_data[4:]
        return model

    monkeypatch.setattr(module, "_model", wrong)
    with pytest.raises(ExportError, match="strays from torch by"):
        write_onnx(loaded, tmp_path / "model.onnx", 4)
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match="onnx and onnxscript and onnxruntime are not installed"):
        write_onnx(trained("growing"), tmp_path / "model.onnx", 2)
