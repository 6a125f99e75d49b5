"""Nothing in an iteration of training makes the host wait for a device.

torch's meta device holds no numbers: whatever would have to wait for one cannot be had there.
Copies from the host can; of these only such count as harmless that need not be waited for.
`test_triton_gpu.py` asks the same of a card.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nca import SILENT, Recipe, to_device
from nca.training.gradient_descent import GradientDescent
from nca.training.learner import Learner

META = torch.device("meta")

RECIPES = {
    "growing_conditional": [],
    "texture": ["grid.size=[16, 16]", "task.side=16"],
    "segmentation": [],
    "objects_blocks": [],
    "glom_parts": [],
    "glom_parts_touching": [],
    "logic_life": [],
    "logic_checkerboard": [],
}
"""What tasks there are beside classification, and how they are made small."""


class WaitError(RuntimeError):
    """The host would wait for the device."""


class _Copies(TorchDispatchMode):
    """Refuses copies from the host that the host would wait for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.name() == "aten::_to_copy":
            source, target, free = args[0], kwargs.get("device"), kwargs.get("non_blocking")
        elif func.name() == "aten::copy_":
            source, target = args[1], args[0].device
            free = kwargs.get("non_blocking") or args[2:] == (True,)
        else:
            return func(*args, **kwargs)
        if source.device.type == "cpu" and target == META and not free:
            raise WaitError(f"{func.name()} of {tuple(source.shape)} numbers")
        return func(*args, **kwargs)


@contextmanager
def nothing_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Raise where the host would wait for the meta device."""
    made = torch.tensor

    def tensor(numbers: Any, **options: Any) -> torch.Tensor:
        if options.get("device") == META:
            raise WaitError(f"torch.tensor({numbers}, device=...)")
        return made(numbers, **options)

    with monkeypatch.context() as patch, _Copies():
        patch.setattr(torch, "tensor", tensor)
        yield


@pytest.fixture(autouse=True)
def _meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the meta device pass for one to train on, and check no numbers before the first step."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    monkeypatch.setattr("nca.training.learner.check_rules", lambda *_: None)
    monkeypatch.setattr(
        "nca.training.learner.make_optimiser", lambda _, weights: torch.optim.SGD(weights, 0.1)
    )


def iterate(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, *, prepared_on_host: bool) -> None:
    """Train for two iterations on the meta device."""
    if prepared_on_host:  # its images are sorted and counted once, and then go to the device
        prepare = type(recipe.task()).prepare

        def prepared(task: Any, device: torch.device, *others: Any) -> None:
            prepare(task, torch.device("cpu"), *others)
            for held in (task.images, task.labels):
                held.update({split: tensor.to(device) for split, tensor in held.items()})

        monkeypatch.setattr(type(recipe.task()), "prepare", prepared)
    learner = Learner.build(recipe, META, None, SILENT)
    descent = GradientDescent(learner)
    with nothing_waits(monkeypatch):
        for _ in range(2):
            update = descent.look()
            descent.move(update)
            learner.iteration += 1
    assert update.loss.device == META


@pytest.mark.parametrize("name", RECIPES)
def test_an_iteration_waits_for_no_device(name, monkeypatch):
    file = Path(__file__).parents[1] / "recipes" / f"{name}.toml"
    overrides = ['train.precision="float32"', *RECIPES[name]]
    recipe = Recipe.parse(file.read_text(), name=name, folder=file.parent, overrides=overrides)
    iterate(recipe, monkeypatch, prepared_on_host=False)


def test_nor_does_one_of_classification_with_a_pool_in_the_order_of_its_loss(monkeypatch, tmp_path):
    tiny.known(tmp_path)
    text = tiny.RECIPE.replace("size = 8\n", "size = 8\nfresh = 1\ndamaged = 1\nswapped = 1\n")
    recipe = Recipe.parse(text, name="tiny", folder=tmp_path)
    iterate(recipe, monkeypatch, prepared_on_host=True)


@pytest.mark.parametrize(
    "wait",
    [
        lambda there, here: there.sum().item(),
        lambda there, here: bool(there.any()),
        lambda there, here: there.tolist(),
        lambda there, here: there.cpu(),
        lambda there, here: there.nonzero(),
        lambda there, here: there[there > 0],
        lambda there, here: there.unique(),
        lambda there, here: here.to(META),
        lambda there, here: there.copy_(here),
        lambda there, here: torch.tensor([1.0], device=META),
    ],
)
def test_what_waits_is_found_out(wait, monkeypatch):
    with nothing_waits(monkeypatch):
        to_device(torch.ones(3), META)
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait(torch.ones(3, device=META), torch.ones(3))
