"""Weights as others published them arrive under our names, each number in its place."""

import base64
import json
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.testing import assert_close

from nca.errors import CheckpointError, PluginError
from nca.registry.importer import Imported, import_weights
from nca.registry.registry import register, registry
from nca_plugins.importers import importers
from nca_plugins.importers.importers import SEED_LAYERS, SEED_NETS, seed_glom_nets
from nca_plugins.importers.json_files import read_blobs, read_byte_layers, read_frozen_graph
from nca_plugins.importers.perceiving import LayoutHint, perceiving_nets

FIXTURES = Path(__file__).parents[2] / "shared" / "fixtures"

SELF_CLASSIFYING = {
    "perceive.weight": (80, 20, 3, 3),
    "perceive.bias": (80,),
    "hidden.weight": (80, 80),
    "hidden.bias": (80,),
    "change.weight": (19, 80),
    "change.bias": (19,),
}


def growing_nets(path: Path) -> dict[str, Tensor]:
    return perceiving_nets(path, LayoutHint(), alive=True)[0]


def self_classifying_nets(path: Path) -> dict[str, Tensor]:
    return importers.self_classifying_nets(path)[0]


def fixture(name: str) -> Path:
    path = FIXTURES / name
    if not path.is_file():
        pytest.skip(f"the fixture {name} is not beside this checkout")
    return path


def base64_of(tensor: Tensor) -> str:
    return base64.b64encode(tensor.contiguous().numpy().tobytes()).decode()


def constant(name: str, tensor: Tensor, kind: str = "DT_FLOAT", **other: Any) -> dict[str, Any]:
    axes = [{"size": str(size)} if size else {} for size in tensor.shape]
    content = other or {"tensorContent": base64_of(tensor)}
    value = {"dtype": kind, "tensorShape": {"dim": axes}, **content}
    return {"name": name, "op": "Const", "attr": {"value": {"tensor": value}}}


def graph(*nodes: dict[str, Any]) -> str:
    return json.dumps({"format": "graph-model", "modelTopology": {"node": list(nodes)}})


DECOYS = [
    {"name": "x", "op": "Placeholder", "attr": {}},
    constant("Greater/y", torch.tensor(0.1), floatVal=[0.1]),
    constant("PartitionedCall/mul/y", torch.ones(3, 3)),
    constant("stack", torch.zeros(4), kind="DT_INT32"),
]


def published(weights: dict[str, Tensor], pattern: str) -> str:
    """Return the graph of our weights, with kernels (height, width, in, out)."""
    nodes = []
    for place, (name, tensor) in enumerate(weights.items()):
        kernel = tensor if tensor.ndim != 2 else tensor[:, :, None, None]
        turned = kernel.permute(2, 3, 1, 0) if kernel.ndim == 4 else kernel
        nodes.append(constant(pattern.format(name=name, place=place), turned))
    return graph(DECOYS[0], *nodes, *DECOYS[1:])


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def growing_weights(channels: int = 4, hidden: int = 8) -> dict[str, Tensor]:
    return drawn(
        {
            "hidden.weight": (hidden, 3 * channels),
            "hidden.bias": (hidden,),
            "change.weight": (channels, hidden),
            "change.bias": (channels,),
        }
    )


VARIABLE = "sequential/{name}/ReadVariableOp/resource"
ARGUMENT = "StatefulPartitionedCall/args_{place}"
WRAPPED = "\n  window.GRAPH_URL = f({{type: 1}}, new Blob([`{}`]));\n window.P = [[1.0]];\n"


@pytest.mark.parametrize("pattern", [VARIABLE, ARGUMENT, "layer_{place}"])
@pytest.mark.parametrize("wrapping", ["{}", WRAPPED, "\n  {}"], ids=["json", "js", "spaced"])
def test_a_frozen_graph_gives_its_weights_in_order(tmp_path, pattern, wrapping):
    ours, path = growing_weights(), tmp_path / "graph"
    path.write_text(wrapping.format(published(ours, pattern)))
    kernel, bias, *_ = found = read_frozen_graph(path)
    assert [tuple(t.shape) for t in found] == [(1, 1, 12, 8), (8,), (1, 1, 8, 4), (4,)]
    assert_close(kernel[0, 0].T, ours["hidden.weight"], rtol=0, atol=0)
    assert_close(growing_nets(path), ours, rtol=0, atol=0)
    assert bias.is_contiguous()


def test_a_constant_that_is_no_variable_is_left_out_where_variables_are_named(tmp_path):
    palette = constant("palette", torch.ones(5))
    (tmp_path / "graph").write_text(graph(palette, constant(VARIABLE, torch.zeros(2)), palette))
    assert [tensor.tolist() for tensor in read_frozen_graph(tmp_path / "graph")] == [[0.0, 0.0]]


def test_text_beyond_any_weights_is_refused_before_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "graph").write_text(graph(constant(VARIABLE, torch.zeros(2))))
    monkeypatch.setattr("nca_plugins.importers.json_files.LARGEST_FILE", 9)
    with pytest.raises(CheckpointError, match="is larger than 9 bytes"):
        read_frozen_graph(tmp_path / "graph")


def test_one_number_stands_for_all_of_a_constant(tmp_path):
    nodes = [
        constant(VARIABLE, torch.empty(3), floatVal=[0.5]),
        constant(VARIABLE, torch.empty(2), floatVal=[1.0, 2.0]),
        constant(VARIABLE, torch.empty(0), floatVal=[0.0]),
    ]
    (tmp_path / "graph").write_text(graph(*nodes))
    found = [tensor.tolist() for tensor in read_frozen_graph(tmp_path / "graph")]
    assert found == [[0.5, 0.5, 0.5], [1.0, 2.0], []]


def in_bytes(weight: Tensor, bias: Tensor) -> dict[str, Any]:
    """Return a layer (out, in) in bytes, as the demonstration of the article stores it."""
    scales = [2 * float(part.abs().max()) for part in (weight, bias)]
    rows = torch.cat([weight.T / scales[0], bias[None] / scales[1]])
    data = ((rows + 0.5) * 255).round().to(torch.uint8)
    return {
        "data_b64": base64_of(data),
        "in_ch": weight.shape[1],
        "out_ch": weight.shape[0],
        "weight_scale": scales[0],
        "bias_scale": scales[1],
        "type": "uint8",
    }


def test_byte_layers_are_decoded_by_hand(tmp_path):
    data = base64.b64encode(bytes([255, 0, 255, 255, 0, 51])).decode()  # two in, one bias; two out
    layer = {"data_b64": data, "in_ch": 2, "out_ch": 2, "type": "uint8"}
    path = tmp_path / "layers.json"
    path.write_text(json.dumps([layer | {"weight_scale": 4, "bias_scale": 10}]))
    ((weight, bias),) = read_byte_layers(path)
    assert_close(weight, torch.tensor([[2.0, 2.0], [-2.0, 2.0]]))
    assert_close(bias, torch.tensor([-5.0, -3.0]))


def as_bytes(ours: dict[str, Tensor]) -> str:
    hidden = ours["hidden.weight"]  # ch0 itself, ch0 dx, ch0 dy, ch1 itself, ...
    by_filter = torch.cat([hidden[:, feature::3] for feature in range(3)], dim=1)
    first = in_bytes(by_filter, ours["hidden.bias"])
    return json.dumps([first, in_bytes(ours["change.weight"], ours["change.bias"])])


def test_bytes_keep_each_feature_with_its_channel(tmp_path):
    ours, path = growing_weights(), tmp_path / "layers.json"
    path.write_text(as_bytes(ours))
    found = growing_nets(path)
    for name, tensor in ours.items():
        quantum = 2 * float(tensor.abs().max()) / 255
        assert_close(found[name], tensor, rtol=0, atol=0.51 * quantum)


def test_the_published_lizard_is_the_same_in_every_form(tmp_path):
    source = fixture("growing_lizard.safetensors")
    ours = growing_nets(source)
    theirs = load_file(source)
    assert list(ours) == ["hidden.weight", "hidden.bias", "change.weight", "change.bias"]
    assert_close(ours, {name: theirs[name] for name in ours}, rtol=0, atol=0)
    (tmp_path / "graph.js").write_text(WRAPPED.format(published(ours, ARGUMENT)))
    assert_close(growing_nets(tmp_path / "graph.js"), ours, rtol=0, atol=0)
    (tmp_path / "bytes.json").write_text(as_bytes(ours))
    for name, tensor in growing_nets(tmp_path / "bytes.json").items():
        assert_close(tensor, ours[name], rtol=0, atol=float(ours[name].abs().max()) / 250)


def test_growing_weights_of_a_state_dict_are_read(tmp_path):
    ours = growing_weights(channels=5, hidden=7)
    torch.save({n: t.double() for n, t in ours.items()}, tmp_path / "weights.pt")
    assert_close(growing_nets(tmp_path / "weights.pt"), ours)


@pytest.mark.parametrize("pattern", [VARIABLE, ARGUMENT])
def test_self_classifying_weights_are_the_same_in_every_form(tmp_path, pattern):
    ours = drawn(SELF_CLASSIFYING)
    save_file(ours, tmp_path / "weights.safetensors")
    (tmp_path / "model.json").write_text(published(ours, pattern))
    graph_order = read_frozen_graph(tmp_path / "model.json")
    blobs = json.dumps([base64_of(tensor) for tensor in graph_order])
    others = json.dumps([base64_of(tensor + 1) for tensor in graph_order])
    script = f"window.ADV_WEIGHTS_B64 = {others};\nwindow.WEIGHTS_B64 = {blobs};\n"
    (tmp_path / "data.js").write_text(script)
    for name in ("weights.safetensors", "model.json", "data.js"):
        assert_close(self_classifying_nets(tmp_path / name), ours, rtol=0, atol=0)
    assert graph_order[0].shape == (3, 3, 20, 80)
    assert graph_order[0][2, 0, 7, 11] == ours["perceive.weight"][11, 7, 2, 0]


def pickled(weights: dict[str, Tensor], path: Path, names: dict[str, str], in_zip: bool) -> None:
    """Write one net as a whole module of the class `__main__.model`, which is then forgotten."""
    kind = type("model", (nn.Module,), {"__module__": "__main__"})
    net = kind()
    net.dropout = nn.Dropout(0.1)
    for layer, name in names.items():
        linear = nn.Linear(*reversed(SEED_LAYERS[layer]))
        linear.load_state_dict({part: weights[f"{layer}.{part}"] for part in ("weight", "bias")})
        setattr(net, name, linear)
    net.act = nn.GELU()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch looks for the source of a class of __main__
        patch.setattr(sys.modules["__main__"], "model", kind, raising=False)
        torch.save(net, path, _use_new_zipfile_serialization=in_zip)


def seed_weights() -> dict[str, Tensor]:
    shapes = {}
    for net in SEED_NETS:
        for layer, (out, taken) in SEED_LAYERS.items():
            shapes |= {f"{net}.{layer}.weight": (out, taken), f"{net}.{layer}.bias": (out,)}
    return drawn(shapes)


def write_folder(weights: dict[str, Tensor], folder: Path, names: dict[str, str]) -> None:
    folder.mkdir()
    for place, (net, stem) in enumerate(SEED_NETS.items()):
        own = {k.removeprefix(net + "."): t for k, t in weights.items() if k.startswith(net + ".")}
        suffix = ["", ".pt", ".pth"][place % 3]
        pickled(own, folder / (stem + suffix), names, in_zip=place % 2 == 0)


@pytest.mark.parametrize(
    "names",
    [
        {"q": "Q1", "k": "K1", "v": "V1"},
        {"v": "V1", "k": "K1", "q": "Q1"},
        {"q": "first", "k": "second", "v": "third"},
    ],
    ids=["as published", "registered backwards", "other names"],
)
def test_pickled_nets_of_the_seed_are_told_apart(tmp_path, names):
    ours = seed_weights()
    write_folder(ours, tmp_path / "best_models", names)
    found = seed_glom_nets(tmp_path / "best_models")
    assert list(found) == list(ours)
    assert_close(found, ours, rtol=0, atol=0)


def test_the_published_seed_is_the_same_in_both_forms(tmp_path):
    source = fixture("seed_glom.safetensors")
    ours = seed_glom_nets(source)
    theirs = load_file(source)
    assert ours.keys() == {name for name in theirs if not name.startswith("check.")}
    assert_close(ours, {name: theirs[name] for name in ours}, rtol=0, atol=0)
    write_folder(ours, tmp_path / "nets", {"q": "Q1", "k": "K1", "v": "V1"})
    assert_close(seed_glom_nets(tmp_path / "nets"), ours, rtol=0, atol=0)


def test_imported_weights_own_their_memory(tmp_path):
    shared = torch.zeros(10)
    ours = seed_weights() | {f"{net}.{layer}.bias": shared for net in SEED_NETS for layer in "qkv"}
    torch.save(OrderedDict(ours), tmp_path / "tied.pt")
    found = seed_glom_nets(tmp_path / "tied.pt")
    found["top_down.0.q.bias"][0] = 1
    assert found["top_down.1.q.bias"][0] == 0
    save_file(found, tmp_path / "again.safetensors")  # which refuses shared memory


def test_a_folder_without_a_net_or_with_two_is_refused(tmp_path):
    write_folder(seed_weights(), tmp_path / "nets", {"q": "Q1", "k": "K1", "v": "V1"})
    (tmp_path / "nets" / "layer_att_model1.bak").touch()
    with pytest.raises(CheckpointError, match="does not hold") as error:
        seed_glom_nets(tmp_path / "nets")
    assert "2 files named layer_att_model1, with any suffix; expected one" in error.value.where
    for path in (tmp_path / "nets").glob("layer_att_model1*"):
        path.unlink()
    with pytest.raises(CheckpointError) as error:
        seed_glom_nets(tmp_path / "nets")
    assert "0 files named layer_att_model1" in error.value.where


WRONG = {
    "missing": (lambda w: w.pop("hidden.weight"), "no 2 layers (1x1, 1x1) that follow one another"),
    "shape": (lambda w: w.update({"hidden.weight": torch.ones(8, 15)}), "'hidden.weight' (8, 15)"),
    "axes": (lambda w: w.update({"change.weight": torch.ones(4)}), "'change.weight' (4,)"),
    "type": (
        lambda w: w.update({"change.bias": torch.ones(4).int()}),
        "'change.bias' is torch.int32, not floating",
    ),
    "nan": (lambda w: w["change.bias"].fill_(torch.nan), "'change.bias' is not finite"),
    "overflow": (
        lambda w: w.update({"change.bias": torch.full((4,), 1e99, dtype=torch.float64)}),
        "'change.bias' is not finite",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_weights_that_do_not_fit_are_refused_with_what_was_found(tmp_path, fault):
    spoil, told = WRONG[fault]
    weights = growing_weights()
    spoil(weights)
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match="does not hold the weights") as error:
        growing_nets(tmp_path / "weights.safetensors")
    assert told in error.value.where


ALONE = constant(VARIABLE, torch.ones(2))
LAYER = in_bytes(torch.ones(2, 3), torch.ones(2))
BAD_TEXT = {
    "not an object": ("[1]", read_frozen_graph, "holds no JSON of the right kind"),
    "not a graph": ('{"a": 1}', read_frozen_graph, "it has no modelTopology.node"),
    "no weights": (graph(*DECOYS), read_frozen_graph, "without weights"),
    "negative": (graph(ALONE).replace('"2"', '"-2"'), read_frozen_graph, "negative size"),
    "too long": (graph(ALONE).replace('"2"', '"3"'), read_frozen_graph, "damaged (RuntimeError)"),
    "digits": (graph(ALONE).replace('"2"', "9" * 9999), read_frozen_graph, "damaged (ValueError)"),
    "bomb": (
        graph(*[constant(VARIABLE, torch.zeros(1 << 20), floatVal=[0])] * 9),
        read_frozen_graph,
        "asks for far more numbers than it has",
    ),
    "two for three": (
        graph(constant(VARIABLE, torch.zeros(3), floatVal=[1, 2])),
        read_frozen_graph,
        "damaged (RuntimeError)",
    ),
    "not base64": (graph(ALONE).replace("AAC", "A*C"), read_frozen_graph, "damaged (Error)"),
    "deep": ('{"a":' * 100_000, read_frozen_graph, "damaged (RecursionError)"),
    "graph for layers": (graph(ALONE), read_byte_layers, "holds no JSON of the right kind"),
    "no layers": ("[]", read_byte_layers, "holds no layers of the type uint8"),
    "other layers": (
        json.dumps([LAYER | {"type": "float"}]),
        read_byte_layers,
        "holds no layers of the type uint8",
    ),
    "few bytes": (
        json.dumps([LAYER | {"out_ch": 3}]),
        read_byte_layers,
        "has 8 bytes for a layer of 4 times 3",
    ),
    "odd blob": ('WEIGHTS_B64 = ["AAA="]', read_weights := lambda p: read_blobs(p, "WEIGHTS_B64"),
                 "damaged (ValueError)"),
    "other blobs": ('window.ADV_WEIGHTS_B64 = ["AAAA"]', read_weights, "assigns no list to"),
    "no blobs": ("window.WEIGHTS_B64 = []", read_weights, "assigns an empty list"),
    "one layer": (json.dumps([LAYER]), growing_nets, "does not hold the weights"),
    "two of six": (graph(ALONE, ALONE), self_classifying_nets, "does not hold the weights"),
    "four of six": (published(growing_weights(), VARIABLE), self_classifying_nets, "not hold"),
    "blobs of one": ('WEIGHTS_B64 = ["AAAAAA=="]', self_classifying_nets, "not hold the weights"),
    "graph for seed": (graph(ALONE), seed_glom_nets, "is neither a safetensors file nor"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TEXT)
def test_text_without_the_weights_is_refused_with_a_reason(tmp_path, name):
    text, read, reason = BAD_TEXT[name]
    (tmp_path / "text").write_text(text)
    with pytest.raises(CheckpointError) as error:
        read(tmp_path / "text")
    assert reason in error.value.what
    assert "\n" not in error.value.what


IMPORTS = [seed_glom_nets, growing_nets, self_classifying_nets]
READERS = [*IMPORTS, read_frozen_graph, read_byte_layers, read_weights]


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_is_missing_or_noise_is_refused(tmp_path, read):
    (tmp_path / "noise").write_bytes(b"\xff\xfe\xfd" * 9)
    for name in ("missing", "noise"):
        with pytest.raises(CheckpointError) as error:
            read(tmp_path / name)
        assert error.value.where.startswith(str(tmp_path / name))


@pytest.mark.parametrize("read", READERS)
def test_text_cut_short_anywhere_is_one_clear_error(tmp_path, read):
    ours = growing_weights(channels=1, hidden=1)
    path = tmp_path / "text"
    for text in (published(ours, VARIABLE), as_bytes(ours), 'window.WEIGHTS_B64 = ["AAAAAA=="]'):
        for length in range(0, len(text), 1 + len(text) // 300):
            path.write_text(text[:length])
            with pytest.raises(CheckpointError):
                read(path)


ATOMS = st.sampled_from(["Const", "DT_FLOAT", "uint8", "AAAA", "", -1, 0, 1, 2.5, None, True])
KEYS = st.sampled_from(
    ["modelTopology", "node", "op", "name", "attr", "value", "tensor", "dtype", "tensorShape",
     "dim", "size", "tensorContent", "floatVal", "data_b64", "in_ch", "out_ch", "type"]
)  # fmt: skip
JSON = st.recursive(ATOMS, lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=4))
TENSORS = st.fixed_dictionaries({"dtype": st.just("DT_FLOAT"), "tensorShape": JSON}, optional={
    "tensorContent": JSON, "floatVal": JSON})  # fmt: skip
GRAPHS = st.lists(TENSORS, max_size=2).map(
    lambda tensors: {"modelTopology": {"node": [
        {"op": "Const", "name": VARIABLE, "attr": {"value": {"tensor": t}}} for t in tensors
    ]}}
)  # fmt: skip


@given(thing=JSON | GRAPHS, head=st.sampled_from(["", "window.WEIGHTS_B64 = ", "x = `"]))
def test_any_json_gives_weights_or_one_clear_error(tmp_path_factory, thing, head):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(head + json.dumps(thing))
    for read in IMPORTS:
        with pytest.raises(CheckpointError):
            read(path)
    for read in READERS[3:]:
        try:
            read(path)
        except CheckpointError as error:
            assert "\n" not in error.what  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    "given", [(3, {}), ("growing", None), ("growing", {"x": 3}), ("growing", {}, "x")]
)
def test_what_no_importer_returns_is_no_import(given):
    with pytest.raises(PluginError, match=r"this is no nca.Imported"):
        Imported(*given)


def test_an_importer_that_returns_something_else_is_named(tmp_path):
    with registry.preserved():
        register.importer("careless")(lambda path: None)
        with pytest.raises(PluginError, match=r"'careless' returns NoneType, not nca.Imported"):
            import_weights("careless", tmp_path)
