"""Weights of other PyTorch code: layers by their shapes, features however they are laid out."""

import contextlib
from collections.abc import Mapping

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from test_importers import fixture
from torch import Tensor, nn
from torch.testing import assert_close

import nca
from nca.checkpoint.read import read_recipe
from nca.errors import CheckpointError
from nca_plugins.importers.features import mixed
from nca_plugins.importers.importers import growing, self_classifying, texture
from nca_plugins.importers.perceiving import LayoutHint, perceiving_nets

SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
NAMES = [
    ("fc0.weight", "fc0.bias", "fc1.weight"),
    ("module._orig_mod.w1.weight", "module._orig_mod.w1.bias", "module._orig_mod.w2.weight"),
    ("model.dmodel.0.weight", "model.dmodel.0.bias", "model.dmodel.2.weight"),
    ("w1", "b1", "w2"),
    ("z.kernel", "z.bias", "a.kernel"),
]


@pytest.fixture(scope="module")
def lizard() -> dict[str, Tensor]:
    return perceiving_nets(fixture("growing_lizard.safetensors"), LayoutHint(), alive=True)[0]


def by_kernel(weight: Tensor, count: int) -> Tensor:
    return weight.unflatten(1, (-1, count)).transpose(1, 2).flatten(1).contiguous()


def rule_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.rpartition("0.")[2]: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("names", "convolved", "order"),
    [
        (NAMES[0], True, "channel"),
        (NAMES[1], False, "kernel"),
        (NAMES[2], True, "kernel"),
        (NAMES[3], False, "channel"),
        (NAMES[4], True, "channel"),
    ],
    ids=[names[0] for names in NAMES],
)
def test_a_lizard_is_found_under_any_names_in_either_order(
    tmp_path, lizard, names, convolved, order
):
    ends = (..., None, None) if convolved else (...,)
    hidden = lizard["hidden.weight"]
    first = hidden if order == "channel" else by_kernel(hidden, 3)
    weights = (first[ends], lizard["hidden.bias"], lizard["change.weight"][ends])
    torch.save(dict(zip(names, weights, strict=True)), tmp_path / "weights.pth")
    imported = growing(tmp_path / "weights.pth")
    expected = {**lizard, "change.bias": torch.zeros(16)}
    assert_close(rule_of(imported.tensors), expected, rtol=0, atol=0)
    assert imported.overrides == ()
    bias, tried = imported.notes
    assert bias == f"{names[2]} has no bias, so it is zero"
    assert tried.startswith(f"features by {order}: so it grows from a seed, and not with features ")


def test_slopes_that_are_not_divided_are_found_on_a_seed(tmp_path, lizard):
    larger = lizard["hidden.weight"].unflatten(1, (16, 3)) / torch.tensor([1.0, 8, 8])
    save_file({**lizard, "hidden.weight": larger.flatten(1)}, tmp_path / "ours.safetensors")
    renamed = {"a": larger.flatten(1), "b": lizard["change.weight"]}
    save_file(renamed, tmp_path / "theirs.safetensors")
    imported = growing(tmp_path / "theirs.safetensors")
    found = rule_of(imported.tensors)
    assert_close(found["hidden.weight"], lizard["hidden.weight"], rtol=0, atol=1e-6)
    assert "features by channel, slopes 8 times as large: so it grows" in imported.notes[-1]
    # under our own names nothing is tried: there, the file says what they are
    known = rule_of(growing(tmp_path / "ours.safetensors").tensors)
    assert_close(known["hidden.weight"], larger.flatten(1), rtol=0, atol=0)


@pytest.mark.parametrize("slopes", ["yx", "-yx", "x-y", "-x-y"])
def test_slopes_in_another_order_or_direction_are_asked_for(tmp_path, lizard, slopes):
    theirs = lizard["hidden.weight"].unflatten(1, (16, 3)) @ mixed(3, slopes, 1).T
    save_file({"a": theirs.flatten(1), "b": lizard["change.weight"]}, tmp_path / "w.safetensors")
    found = rule_of(growing(tmp_path / "w.safetensors", slopes=slopes).tensors)
    assert_close(found["hidden.weight"], lizard["hidden.weight"], rtol=0, atol=1e-6)


def test_signs_and_order_of_slopes_worked_by_hand():
    assert mixed(4, "-yx", 8).tolist() == [[1, 0, 0, 0], [0, 0, -8, 0], [0, 8, 0, 0], [0, 0, 0, 8]]


class Other(nn.Module):
    """As others write it: depthwise kernels of its own, then two convolutions."""

    def __init__(self, kernels: Tensor, channels: int = 16, hidden: int = 128) -> None:
        super().__init__()
        each = kernels.repeat(channels, 1, 1)[:, None]
        self.perceive = nn.Conv2d(channels, len(each), 3, groups=channels, bias=False)
        self.perceive.weight.data = each
        self.update = nn.Sequential(
            nn.Conv2d(len(each), hidden, 1), nn.ReLU(), nn.Conv2d(hidden, channels, 1, bias=False)
        )

    def forward(self, cells: Tensor) -> Tensor:
        padded = nn.functional.pad(cells, (1, 1, 1, 1), mode="circular")
        return self.update(self.perceive(padded))


@pytest.mark.parametrize("laplacian", [False, True])
def test_kernels_in_the_file_say_what_is_perceived(tmp_path, laplacian):
    around = torch.tensor([[1.0, 2, 1], [2, -12, 2], [1, 2, 1]])
    stay = torch.zeros(3, 3)
    stay[1, 1] = 2
    kernels = torch.stack([SOBEL.T, *([around / 3] if laplacian else []), stay, -SOBEL])
    torch.manual_seed(0)
    other = Other(kernels).requires_grad_(False)
    torch.save({"step": 7, "model": other.state_dict()}, tmp_path / "other.pt")
    imported = growing(tmp_path / "other.pt")
    assert imported.overrides == (("levels.body.rules.0.laplacian=true",) if laplacian else ())
    given = (*imported.overrides, "rollout.fire_rate=1.0", "grid.size=[7, 9]")
    automaton = read_recipe(imported.recipe, given).automaton()
    tensors = {name.removeprefix("automaton."): t for name, t in imported.tensors.items()}
    automaton.load_state_dict(tensors)
    cells = torch.rand(2, 16, 7, 9) + 0.5  # all alive
    state = automaton.layout.zeros(2, (7, 9)).replace({"body": cells})
    with torch.no_grad():
        change = automaton.step(state)["body"] - cells
        alive = change.abs().sum(dim=1, keepdim=True) > 0
        assert_close(change, torch.where(alive, other(cells), change), rtol=1e-4, atol=1e-4)
    assert alive.float().mean() > 0.5


def test_kernels_that_are_no_slopes_are_refused_by_name(tmp_path):
    torch.manual_seed(0)
    torch.save(Other(torch.randn(3, 3, 3)).state_dict(), tmp_path / "other.pt")
    with pytest.raises(CheckpointError) as refused:
        growing(tmp_path / "other.pt")
    assert "perceive.weight (3, 3, 3) are no identity, slopes" in refused.value.where


def test_what_stands_out_in_no_way_is_asked_for(tmp_path):
    save_file({"a": torch.zeros(8, 12), "b": torch.zeros(4, 8)}, tmp_path / "zeros.safetensors")
    with pytest.raises(CheckpointError, match="more than one way") as refused:
        growing(tmp_path / "zeros.safetensors")
    assert "features by channel; features by channel, slopes 8 times" in refused.value.where
    assert "--set features=channel, or =kernel" in refused.value.to_do
    imported = growing(tmp_path / "zeros.safetensors", features="kernel", gain=1.0)
    assert imported.overrides == ("levels.body.channels=4", "levels.body.rules.0.hidden=8")


def test_of_several_networks_one_is_asked_for(tmp_path, lizard):
    nets = {
        f"{part}.{name}": tensor + number
        for number, part in enumerate(("online", "ema"))
        for name, tensor in lizard.items()
    }
    moments = {"optimizer.state.0.exp_avg": lizard["hidden.weight"]}
    torch.save({**nets, **moments}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="more than one network") as refused:
        growing(tmp_path / "run.pt")
    both = "online.hidden.weight, online.change.weight or ema.hidden.weight, ema.change.weight"
    assert refused.value.where.endswith(both)
    assert refused.value.to_do == "say where the names of yours start: --set part=PREFIX"
    imported = growing(tmp_path / "run.pt", part="online.", features="channel", gain=1.0)
    assert_close(rule_of(imported.tensors), lizard, rtol=0, atol=0)


def test_what_is_not_used_is_said(tmp_path, lizard):
    torch.save({**lizard, "angle": torch.zeros(1), "seen": torch.ones(3)}, tmp_path / "w.pt")
    assert growing(tmp_path / "w.pt").notes == ("not used: 'angle', 'seen'",)


@pytest.mark.parametrize("order", ["channel", "kernel"])
def test_a_texture_of_the_notebook_is_found(tmp_path, order):
    shipped = nca.load("texture", device="cpu").automaton.state_dict()
    ours = {name.removeprefix("rules.body.0."): tensor for name, tensor in shipped.items()}
    plain = (ours["hidden.weight"].unflatten(1, (12, 4)) / torch.tensor([1.0, 8, 8, 8])).flatten(1)
    plain = plain if order == "channel" else by_kernel(plain, 4)
    weights = {"w1.weight": plain[..., None, None], "w1.bias": ours["hidden.bias"]}
    torch.save({**weights, "w2.weight": ours["change.weight"][..., None, None]}, tmp_path / "w.pt")
    imported = texture(tmp_path / "w.pt")
    found = rule_of(imported.tensors)
    assert (imported.recipe, imported.overrides) == ("texture", ())
    assert_close(found["hidden.weight"], ours["hidden.weight"], rtol=0, atol=1e-6)
    assert f"features by {order}, slopes 8 times as large: so it grows" in imported.notes[-1]


def test_a_classifier_is_found_by_its_shapes(tmp_path):
    torch.manual_seed(0)
    other = nn.Sequential(nn.Conv2d(13, 24, 3), nn.Conv2d(24, 24, 1), nn.Conv2d(24, 12, 1))
    torch.save({f"module.{n}": t for n, t in other.state_dict().items()}, tmp_path / "w.pt")
    imported = self_classifying(tmp_path / "w.pt")
    assert imported.overrides == (
        "levels.cells.channels=12",
        "levels.cells.rules.0.perceive=24",
        "levels.cells.rules.0.hidden=24",
    )
    first, second, third = other
    expected = {
        "perceive.weight": first.weight,
        "perceive.bias": first.bias,
        "hidden.weight": second.weight[..., 0, 0],
        "hidden.bias": second.bias,
        "change.weight": third.weight[..., 0, 0],
        "change.bias": third.bias,
    }
    assert_close(rule_of(imported.tensors), {n: t.detach() for n, t in expected.items()})
    automaton = read_recipe(imported.recipe, imported.overrides).automaton()
    tensors = {name.removeprefix("automaton."): t for name, t in imported.tensors.items()}
    assert not automaton.load_state_dict(tensors).missing_keys


@given(data=st.data())
def test_any_tensors_are_layers_or_one_clear_error(tmp_path_factory, data):
    shapes = st.lists(st.integers(0, 5), max_size=4)
    given_shapes = data.draw(st.dictionaries(st.text(max_size=8), shapes, max_size=6))
    path = tmp_path_factory.mktemp("any") / "weights.pt"
    torch.save({name: torch.zeros(shape) for name, shape in given_shapes.items()}, path)
    for importer in (growing, texture, self_classifying):
        with contextlib.suppress(CheckpointError):
            importer(path)
