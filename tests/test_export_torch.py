"""Plain modules of PyTorch: they compute what ours do, and need nothing of ours."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.testing import assert_close

import nca
from nca import ExportError, RuleContext
from nca.checkpoint.trained import Trained
from nca.export import Difference, plain_module
from nca.model.build import describe_trained
from nca.registry.registry import registry

CPU = torch.device("cpu")
SHIPPED = ("growing", "growing_isotropic", "texture", "glom_mnist", "self_classifying_mnist_small")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_module_of_a_shipped_checkpoint_takes_our_steps(name):
    module = plain_module(Trained.load(name, CPU), 6)
    assert isinstance(module.checked, Difference)
    assert module.checked.synchronous <= 1e-4 * module.checked.scale
    assert module.checked.asynchronous <= 1e-4 * module.checked.scale
    assert "the greatest difference from torch after 6 steps" in module.source.replace("\n", " ")


def built(*boundaries: str, radius: int = 1, noise: nca.Noise | None = None, **alive) -> Trained:
    layout = nca.Layout([nca.Level("seen", 2, input=True), nca.Level("body", 5)])
    rules = [
        registry.get("rule", "growing")(RuleContext(layout, "body", 2), hidden=8, laplacian=True),
        registry.get("rule", "self_classifying")(RuleContext(layout, "body", 2), hidden=8),
    ]
    torch.manual_seed(0)
    for rule in rules:
        nn.init.normal_(rule.change.weight, std=0.3)
    automaton = nca.Automaton(
        layout,
        {"body": rules},
        topology=nca.Topology(boundaries if len(boundaries) > 1 else boundaries[0]),
        fire_rate=0.5,
        noise=noise,
        alive=nca.Alive("body", 1, 0.1, radius=radius, **alive) if alive else None,
        step_size=0.5,
    )
    return describe_trained(automaton, name="built", size=(9, 8), steps=4)


@pytest.mark.parametrize(
    "trained",
    [
        built("torus"),
        built("zeros", dead="cleared"),
        built("reflect", "replicate", dead="frozen", radius=2),
        built("torus", "zeros", radius=0, dead="cleared"),
        built("torus", noise=nca.Noise(0.1)),
        built("torus", noise=nca.Noise(0.1, kind="uniform"), dead="cleared"),
    ],
    ids=["torus", "zeros", "mirrors", "mixed", "normal", "uniform"],
)
def test_what_a_recipe_can_say_is_in_the_module(trained):
    module = plain_module(trained, 5)
    assert isinstance(module.checked, Difference)
    assert module.checked.change > 0.01
    assert module.checked.greatest <= 1e-4 * module.checked.scale


def test_a_module_that_differs_is_found(monkeypatch):
    trained = built("torus")
    monkeypatch.setattr("nca.export.torch_source.BENT", {"relu": "F.silu(x)"})
    with pytest.raises(ExportError):
        plain_module(trained, 3)


USED = """
import sys
sys.modules["nca"] = None  # which makes its import fail
from automaton import Automaton
import torch
from safetensors.torch import save_file
automaton = Automaton()
levels = {"body": torch.load("begun.pt", weights_only=True)}
after = automaton(levels, steps=5, fire_rate=1.0)["body"].detach()
save_file({"body": after.contiguous()}, "after.safetensors")
trained = [name for name, weight in automaton.weights.items() if weight.requires_grad]
print(len(trained), len(automaton.weights))
"""


def test_the_module_runs_without_us_and_learns_what_ours_learns(tmp_path):
    model = nca.load("growing", device="cpu")
    folder = model.export(tmp_path / "taken")
    assert sorted(file.name for file in folder.iterdir()) == ["automaton.py", "weights.safetensors"]
    begun = model.rollout(model.seed(2), 20)
    torch.save(begun["body"], folder / "begun.pt")
    ended = subprocess.run(
        [sys.executable, "-c", USED], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "4 5\n", ended.stderr  # kernels are fixed
    after = begun
    with torch.no_grad():
        for _ in range(5):
            after = model.automaton.step(after, fire_rate=1.0)
    assert_close(load_file(folder / "after.safetensors")["body"], after["body"], rtol=0, atol=1e-4)


def test_a_strangers_name_is_not_executed():
    trained = built("torus")
    evil = 'mine""" + __import__("os").abort() + """'
    recipe = replace(trained.recipe, name=evil)
    module = plain_module(replace(trained, recipe=recipe), 2)
    assert "abort()" not in module.source
    compile(module.source, "automaton.py", "exec")


@pytest.mark.parametrize(
    ("name", "why"),
    [("glom_parts", "attends to its neighbours"), ("elementary", "has 1 axis")],
)
def test_what_no_module_does_is_refused_and_nothing_is_written(tmp_path, name, why):
    if name == "glom_parts":
        trained = Trained.load(name, CPU)
    else:
        layout = nca.Layout([nca.Level("body", 1)])
        rule = registry.get("rule", name)(RuleContext(layout, "body", 1))
        automaton = nca.Automaton(layout, {"body": [rule]})
        trained = describe_trained(automaton, name=name, size=(9,), steps=4)
    with pytest.raises(ExportError, match=why):
        plain_module(trained, 2)


def test_skips_are_refused():
    trained = built("torus")
    trained.automaton.skips = (nca.Skip(2, 0.5),)
    with pytest.raises(ExportError, match="temporal skip connections"):
        plain_module(trained, 2)
