"""What a page computes of an ONNX graph is what ONNX Runtime computes, and torch."""

import math
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page
from simple import one_level
from test_export_page import assert_steps_agree, opened, read
from torch import Tensor, nn

from nca import (
    Alive,
    Automaton,
    ExportError,
    Layout,
    Level,
    Noise,
    RuleContext,
    State,
    UpdateRule,
    View,
)
from nca.checkpoint.trained import Trained
from nca.export import onnx_json as module
from nca.export import write_html
from nca.export.html import ENGINES
from nca.export.onnx import OPSET
from nca.registry.registry import registry
from nca.tasks.display import Display

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
np = pytest.importorskip("numpy")

KINDS = {1: np.float32, 7: np.float64, 9: np.bool_}
RUN = """([told, inputs]) => {
  const graph = new Graph(told);
  const given = inputs.map(([kind, shape, data]) => tensorOf(shape, KINDS[kind].from(data)));
  graph.run(given);
  return graph.run(given).map((x) => [x.shape, typeOf(x), Array.from(x.data)]);
}"""

random = np.random.default_rng(0)
SMALL = random.normal(size=(2, 3, 4)).astype(np.float32)
OTHER = random.normal(size=(3, 1)).astype(np.float32)
IMAGE = random.normal(size=(1, 4, 5, 6)).astype(np.float32)
ABOVE = np.abs(SMALL) + np.float32(0.1)
HALVES = np.array([-2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 2.6], np.float32)
NUMBERS = np.array([[7, -7, 5], [-5, 3, 2]])
TRUTHS = SMALL > 0


def whole(*numbers: int):
    return np.array(numbers, np.int64)


CASES = {
    **{
        name: (name, [SMALL], {})
        for name in (
            *("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "Identity", "Neg", "Reciprocal", "Relu"),
            *("Sigmoid", "Sign", "Sin", "Softplus", "Tanh", "Elu", "LeakyRelu", "Gelu", "Size"),
            *("Shape", "IsNaN", "Flatten", "Transpose", "Softmax", "LogSoftmax", "ReduceSum"),
            *("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2"),
            *("ReduceSumSquare", "ReduceLogSumExp", "ArgMax", "ArgMin"),
        )
    },
    **{
        f"{name} stretched": (name, [SMALL, OTHER], {})
        for name in (
            *("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Greater", "GreaterOrEqual", "Less"),
            *("LessOrEqual", "Equal"),
        )
    },
    **{f"{n} of truths": (n, [TRUTHS, ~TRUTHS[:1]], {}) for n in ("And", "Or", "Xor")},
    "Not": ("Not", [TRUTHS], {}),
    "Sqrt": ("Sqrt", [ABOVE], {}),
    "Log": ("Log", [ABOVE], {}),
    "Pow": ("Pow", [ABOVE, OTHER], {}),
    "Round": ("Round", [HALVES], {}),
    "Max of three": ("Max", [SMALL, OTHER, SMALL[:1] * -1], {}),
    "Max of one": ("Max", [SMALL], {}),
    "Div of whole numbers": ("Div", [NUMBERS, whole(2, 2, -2)], {}),
    "Mod of whole numbers": ("Mod", [NUMBERS, whole(3, 3, -3)], {}),
    "Mod as C": ("Mod", [SMALL, np.float32(0.3)], {"fmod": 1}),
    "Elu, steeper": ("Elu", [SMALL], {"alpha": 2.0}),
    "LeakyRelu, steeper": ("LeakyRelu", [SMALL], {"alpha": 0.3}),
    "Gelu, roughly": ("Gelu", [SMALL], {"approximate": "tanh"}),
    "Clip": ("Clip", [SMALL, np.float32(-0.5), np.float32(0.5)], {}),
    "Clip below": ("Clip", [SMALL, None, np.float32(0.5)], {}),
    "Where": ("Where", [TRUTHS, SMALL, OTHER], {}),
    "Cast to whole numbers": ("Cast", [SMALL * 9], {"to": 7}),
    "Cast to truths": ("Cast", [NUMBERS - 3], {"to": 9}),
    "Cast to numbers": ("Cast", [TRUTHS], {"to": 1}),
    "CastLike": ("CastLike", [NUMBERS, SMALL], {}),
    "ReduceSum of some": ("ReduceSum", [SMALL, whole(0, -1)], {"keepdims": 0}),
    "ReduceMean of none": ("ReduceMean", [SMALL, whole()], {"noop_with_empty_axes": 1}),
    "ReduceMax of the middle": ("ReduceMax", [SMALL, whole(1)], {}),
    "ArgMax along the last": ("ArgMax", [SMALL], {"axis": -1, "keepdims": 0}),
    "Softmax along the middle": ("Softmax", [SMALL * 30], {"axis": 1}),
    "LogSoftmax along the first": ("LogSoftmax", [SMALL * 30], {"axis": 0}),
    "LayerNormalization": (
        "LayerNormalization",
        [SMALL, SMALL[0, 0] + 1, SMALL[1, 1]],
        {"axis": -1, "epsilon": 1e-3},
    ),
    "LayerNormalization of two axes": ("LayerNormalization", [SMALL, SMALL[0]], {"axis": 1}),
    "MatMul": ("MatMul", [SMALL, random.normal(size=(4, 7)).astype(np.float32)], {}),
    "MatMul by batch": ("MatMul", [IMAGE, IMAGE[:, :1].transpose(0, 1, 3, 2)], {}),
    "MatMul with a vector": ("MatMul", [SMALL, SMALL[0, 0]], {}),
    "MatMul of a vector": ("MatMul", [OTHER[:, 0], SMALL], {}),
    "Gemm": ("Gemm", [SMALL[0], SMALL[1], OTHER[:, 0]], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    "Gemm, the other turned": ("Gemm", [SMALL[0], SMALL[1]], {"transA": 1}),
    "Conv": ("Conv", [IMAGE, IMAGE[0, :, :3, :3][None].repeat(5, 0), SMALL.ravel()[:5]], {}),
    "Conv, padded and apart": (
        "Conv",
        [IMAGE, random.normal(size=(2, 4, 3, 2)).astype(np.float32)],
        {"pads": [1, 2, 0, 1], "strides": [2, 1], "dilations": [1, 2]},
    ),
    "Conv by channel": (
        "Conv",
        [IMAGE.repeat(2, 0), random.normal(size=(8, 1, 3, 3)).astype(np.float32)],
        {"group": 4, "pads": [1, 1, 1, 1]},
    ),
    "MaxPool": ("MaxPool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "MaxPool, halving": ("MaxPool", [IMAGE], {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "AveragePool": ("AveragePool", [IMAGE], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "AveragePool with its margin": (
        "AveragePool",
        [IMAGE],
        {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1},
    ),
    "Shape in part": ("Shape", [IMAGE], {"start": 1, "end": -1}),
    "Reshape": ("Reshape", [SMALL, whole(0, -1, 2)], {}),
    "Squeeze": ("Squeeze", [IMAGE], {}),
    "Squeeze the last": ("Squeeze", [OTHER, whole(-1)], {}),
    "Unsqueeze": ("Unsqueeze", [OTHER, whole(0, -1)], {}),
    "Flatten further": ("Flatten", [IMAGE], {"axis": 2}),
    "Transpose around": ("Transpose", [IMAGE], {"perm": [2, 0, 3, 1]}),
    "Expand": ("Expand", [OTHER, whole(2, 1, 4)], {}),
    "Tile": ("Tile", [OTHER, whole(2, 3)], {}),
    "Pad": ("Pad", [SMALL, whole(0, 1, 2, 1, 0, 1), np.float32(7)], {}),
    "Pad around": ("Pad", [SMALL, whole(0, 1, 2, 0, 2, 1)], {"mode": "wrap"}),
    "Pad mirrored": ("Pad", [SMALL, whole(0, 1, 2, 0, 2, 1)], {"mode": "reflect"}),
    "Pad with the edge": (
        "Pad",
        [SMALL, whole(2, 3), None, whole(-1)],
        {"mode": "edge"},
    ),
    "Slice": ("Slice", [IMAGE, whole(1, -4), whole(4, 2**62), whole(1, -1), whole(2, 1)], {}),
    "Slice backwards": ("Slice", [IMAGE, whole(-1), whole(-(2**62)), whole(2), whole(-1)], {}),
    "Slice of the first axes": ("Slice", [SMALL, whole(0, 1), whole(1, 3)], {}),
    "Slice of nothing": ("Slice", [SMALL, whole(3), whole(1), whole(2)], {}),
    "Concat": ("Concat", [SMALL, SMALL[:, :1], SMALL[:, 1:]], {"axis": 1}),
    "Concat of the last": ("Concat", [SMALL, SMALL[..., :1]], {"axis": -1}),
    "Split": ("Split", [IMAGE, whole(1, 3)], {"axis": 1}, 2),
    "Split evenly": ("Split", [IMAGE], {"axis": 3, "num_outputs": 4}, 4),
    "Gather": ("Gather", [SMALL, np.array([[0, -1], [2, 2]])], {"axis": 1}),
    "Gather one": ("Gather", [IMAGE, np.int64(2)], {"axis": 3}),
    "GatherElements": ("GatherElements", [SMALL, np.array([[[0, -1]]] * 2)], {"axis": 2}),
    "GatherND": ("GatherND", [SMALL, np.array([[0, 1], [1, -1]])], {}),
    "GatherND by batch": ("GatherND", [SMALL, np.array([[[2], [0]]] * 2)], {"batch_dims": 1}),
    "ConstantOfShape": (
        "ConstantOfShape",
        [whole(2, 3)],
        {"value": onnx.helper.make_tensor("value", 7, [1], [5])},
    ),
    "ConstantOfShape of nothing said": ("ConstantOfShape", [whole(2)], {}),
    "Range": ("Range", [np.int64(9), np.int64(-2), np.int64(-3)], {}),
}


def model_of(nodes, inputs, outputs):
    """Return a model of a few nodes whose inputs are given by name, and its outputs' names."""
    types = {"float32": 1, "int64": 7, "bool": 9}
    graph = onnx.helper.make_graph(
        nodes,
        "case",
        [
            onnx.helper.make_tensor_value_info(name, types[str(given.dtype)], given.shape)
            for name, given in inputs.items()
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)


def expected_of(model, inputs):
    session = runtime.InferenceSession(model.SerializeToString())
    return session.run(None, inputs)


@pytest.fixture(scope="module")
def scripts(browser):
    """A page that knows the operations and shows nothing."""
    page = browser.new_page()
    text = files("nca.export").joinpath("web")
    for name in ("rng.js", *ENGINES["onnx"]):
        page.add_script_tag(content=text.joinpath(name).read_text(encoding="utf-8"))
    yield page
    page.close()


def found_of(page, model, inputs):
    given = [
        [module.KINDS[str(x.dtype)], list(x.shape), x.reshape(-1).tolist()] for x in inputs.values()
    ]
    return page.evaluate(RUN, [module.onnx_to_json(model), given])


def assert_same(page, model, inputs):
    found, expected = found_of(page, model, inputs), expected_of(model, inputs)
    assert len(found) == len(expected)
    for (shape, kind, data), wanted in zip(found, expected, strict=True):
        assert tuple(shape) == wanted.shape
        assert KINDS[kind] == (np.float64 if wanted.dtype == np.int64 else wanted.dtype)
        given = np.array(data, np.float64).reshape(shape)
        np.testing.assert_allclose(given, wanted.astype(np.float64), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_operation_gives_what_it_gives_in_the_runtime(scripts, case):
    name, given, attributes, *more = case
    count = more[0] if more else 1
    inputs = {f"x{n}": np.asarray(x) for n, x in enumerate(given) if x is not None}
    names = [f"x{n}" if x is not None else "" for n, x in enumerate(given)]
    outputs = [f"y{n}" for n in range(count)]
    node = onnx.helper.make_node(name, names, outputs, **attributes)
    assert_same(scripts, model_of([node], inputs, outputs), inputs)


@pytest.mark.parametrize(
    ("sides", "keep"), [(None, 1), (None, 0), (whole(1, 3), 1), (np.int64(3), 1)]
)
def test_sequences_are_taken_apart(scripts, sides, keep):
    make = onnx.helper.make_node
    inputs = {"x": IMAGE, "at": np.asarray(np.int64(-1))}
    if sides is not None:
        inputs["sides"] = np.asarray(sides)
    names = ["x"] if sides is None else ["x", "sides"]
    parts = make("SplitToSequence", names, ["parts"], axis=1, keepdims=keep)
    nodes = [parts, make("SequenceAt", ["parts", "at"], ["y"])]
    assert_same(scripts, model_of(nodes, inputs, ["y"]), inputs)


def test_every_operation_that_is_named_is_there_and_compared(scripts):
    assert set(scripts.evaluate("Object.keys(OPERATIONS)")) == module.OPERATIONS
    compared = {case[0] for case in CASES.values()} | {"SplitToSequence", "SequenceAt"}
    assert compared == module.OPERATIONS


def test_what_heeds_shapes_alone_is_computed_once(scripts):
    make = onnx.helper.make_node
    nodes = [
        make("Shape", ["x"], ["shape"]),
        make("Constant", [], ["two"], value_ints=[2]),
        make("Mul", ["shape", "two"], ["double"]),
        make("Expand", ["y", "double"], ["stretched"]),
        make("Neg", ["stretched"], ["z"]),
    ]
    inputs = {"x": SMALL, "y": np.ones((1, 1, 1), np.float32)}
    model = model_of(nodes, inputs, ["z"])
    assert_same(scripts, model, inputs)
    moving = scripts.evaluate(
        """(told) => {
          const graph = new Graph(told);
          graph.run([tensorOf([2, 3, 4], new Float32Array(24)), tensorOf([1, 1, 1], [1])]);
          return graph.moving.map(([name]) => name);
        }""",
        module.onnx_to_json(model),
    )
    assert moving == ["Expand", "Neg"]
    # and for other numbers of the same shapes the same graph gives other numbers
    again = {**inputs, "y": np.full((1, 1, 1), 3, np.float32)}
    assert_same(scripts, model, again)


def test_what_cannot_be_computed_is_named():
    make = onnx.helper.make_node
    nodes = [make("Det", ["x"], ["y"]), make("Atan", ["y"], ["z"]), make("Mish", ["z"], ["w"])]
    with pytest.raises(ExportError, match=r"Atan, Det, Mish of its ONNX graph are none of what"):
        module.onnx_to_json(model_of(nodes, {"x": IMAGE}, ["w"]))
    double = make("Constant", [], ["y"], value=onnx.numpy_helper.from_array(np.ones(2)))
    with pytest.raises(ExportError, match="its step has numbers of float64"):
        module.onnx_to_json(model_of([double, make("Neg", ["y"], ["z"])], {"x": IMAGE}, ["z"]))
    endless = make("LeakyRelu", ["x"], ["y"], alpha=math.inf)
    with pytest.raises(ExportError, match="LeakyRelu of its ONNX graph has a number that is not"):
        module.onnx_to_json(model_of([endless], {"x": IMAGE}, ["y"]))


class Wave(UpdateRule):
    """A rule of one's own that says nothing of what it computes."""

    reads = ("own",)

    def __init__(self, place: RuleContext) -> None:
        super().__init__()
        count = place.own.channels
        self.mixed = nn.Linear(2 * count, count)
        self.norm = nn.LayerNorm(count)

    def forward(self, view: View) -> Tensor:
        most = torch.stack(list(view.shifted(view.own))).amax(0)
        both = torch.cat([view.own, most.erf()], 1).movedim(1, -1)
        return 0.2 * self.norm(self.mixed(both)).softmax(-1).movedim(-1, 1).sin()


def turned_into(automaton: Automaton, drawn: State) -> Trained:
    """Return a lizard's checkpoint that runs another automaton of one level."""
    loaded = Trained.load("growing", torch.device("cpu"))

    class Shown:
        headline, better = "error", "less"

        def display(self):
            return Display(drawn)

    return replace(loaded, automaton=automaton.float().eval(), task=Shown())


@torch.no_grad()
def assert_a_page_agrees(page: Page, trained: Trained, file: Path, size: tuple[int, int]) -> State:
    checked = write_html(trained, file, 4, engine="onnx")
    assert checked is not None
    assert checked.engine.startswith("ONNX, float32, Chrom")
    assert checked.greatest < 1e-5
    opened(page, file)
    return assert_steps_agree(page, trained.automaton, size, 5)


def test_a_rule_that_says_nothing_runs_with_noise_and_chance_on_any_grid(page, tmp_path):
    torch.manual_seed(0)
    place = RuleContext(Layout([Level("body", 5)]), "body")
    alive = Alive("body", 0, 0.1, 1)
    automaton = one_level(
        Wave(place), channels=5, fire_rate=0.6, noise=Noise(0.05), alive=alive, step_size=0.5
    )
    state = automaton.seed(1, (8, 10), random_seed=2**40 + 7)
    state = state.replace({"body": state.rng.uniform("body", 5, (8, 10))})
    file = tmp_path / "wave.html"
    with pytest.raises(ExportError, match="--engine onnx instead"):
        write_html(turned_into(automaton, state), file, 4, check=False)
    assert_a_page_agrees(page, turned_into(automaton, state), file, (8, 10))
    page.locator("#size").select_option(index=1)
    assert_steps_agree(page, automaton, (16, 20), 3)
    page.evaluate("nca.apply([8, 10], [8, 10])")
    cut = read(page, automaton, (16, 20))
    assert cut["body"][0, :, 8, 10].eq(0).all()
    assert_steps_agree(page, automaton, (16, 20), 2)
    page.evaluate("nca.reset()")
    assert_steps_agree(page, automaton, (16, 20), 2)


def test_life_runs_in_a_page(page, tmp_path):
    rule = registry.get("rule", "life")(RuleContext(Layout([Level("body", 1)]), "body"))
    automaton = one_level(rule)
    glider = torch.zeros(1, 1, 8, 9)
    glider[0, 0, (0, 1, 2, 2, 2), (1, 2, 0, 1, 2)] = 1
    trained = turned_into(automaton, State({"body": glider}))
    after = assert_a_page_agrees(page, trained, tmp_path / "life.html", (8, 9))
    assert after["body"].sum() == 5
    assert not torch.equal(after["body"], glider)


@torch.no_grad()
def test_a_trained_automaton_that_draws_runs_as_a_graph_too(page, tmp_path):
    loaded = Trained.load("glom_parts", torch.device("cpu"))
    file = tmp_path / "parts.html"
    assert write_html(loaded, file, 4, check=False, engine="onnx") is None
    opened(page, file)
    page.evaluate("nca.choose('draw')")
    page.evaluate("nca.apply([5, 5], [9, 9])")
    after = assert_steps_agree(page, loaded.automaton, (16, 16), 4)
    assert after["image"].ne(0).any()
    assert page.evaluate("nca.stage.engine.graph.moving.length") < 500


def test_a_page_of_a_graph_says_what_it_cannot(tmp_path):
    cube = one_level(Wave(RuleContext(Layout([Level("body", 2)]), "body", 3)), channels=2).float()
    trained = turned_into(cube, cube.seed(1, (5, 5, 5)))
    with pytest.raises(ExportError, match="its grid has 3 axes, and a page shows two"):
        write_html(trained, tmp_path / "cube.html", 2, engine="onnx")
    assert not list(tmp_path.iterdir())


def test_a_page_of_a_graph_needs_onnx(tmp_path, monkeypatch):
    loaded = Trained.load("growing", torch.device("cpu"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match="onnx and onnxscript are not installed"):
        write_html(loaded, tmp_path / "page.html", 2, engine="onnx")
    assert not list(tmp_path.iterdir())
