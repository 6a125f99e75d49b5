"""Weights of the published self-classifying architecture arrive each in its own place."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nca import State
from nca.checkpoint.trained import Trained

# height, width, in, out, as TensorFlow keeps kernels; a bias after each
SHAPES = [(3, 3, 20, 80), (80,), (1, 1, 80, 80), (80,), (1, 1, 80, 19), (19,)]
QUIET = ("rollout.noise=0", "rollout.fire_rate=1.0")


def constant(number: int, tensor: Tensor) -> dict[str, Any]:
    """Write one variable as a frozen graph does."""
    content = base64.b64encode(tensor.numpy().astype("<f4").tobytes()).decode()
    axes = [{"size": str(side)} for side in tensor.shape]
    value = {"dtype": "DT_FLOAT", "tensorShape": {"dim": axes}, "tensorContent": content}
    name = f"StatefulPartitionedCall/sequential_{number}/ReadVariableOp/resource"
    return {"name": name, "op": "Const", "attr": {"value": {"tensor": value}}}


def reference(kernels: list[Tensor], state: Tensor) -> Tensor:
    """Compute the change of `(B, 20, H, W)` as published: three convolutions, two relus."""
    for number, (kernel, bias) in enumerate(zip(kernels[::2], kernels[1::2], strict=True)):
        radius = kernel.shape[0] // 2
        # away from the edges their zeros and our torus are the same
        state = F.conv2d(state, kernel.permute(3, 2, 0, 1), bias, padding=radius)
        state = F.relu(state) if number < 2 else state
    return state


@pytest.fixture(scope="module")
def kernels() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [0.1 * torch.randn(shape, generator=generator) for shape in SHAPES]


@pytest.fixture(scope="module")
def arrived(
    kernels: list[Tensor],
    brought_in: Callable[..., Trained],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    source = tmp_path_factory.mktemp("graph") / "model.json"
    nodes = [constant(number, tensor) for number, tensor in enumerate(kernels)]
    source.write_text(json.dumps({"format": "graph-model", "modelTopology": {"node": nodes}}))
    return brought_in("self-classifying", source, *QUIET)


def test_the_recipe_has_the_published_number_of_parameters(arrived: Trained) -> None:
    assert arrived.recipe.name == "self_classifying_mnist"
    assert sum(p.numel() for p in arrived.automaton.parameters()) == 22_499


@torch.no_grad()
def test_three_steps_are_the_published_architectures(
    arrived: Trained, kernels: list[Tensor]
) -> None:
    generator = torch.Generator().manual_seed(1)
    image = torch.zeros(2, 1, 28, 28)
    image[..., 6:22, 8:20] = torch.rand(2, 1, 16, 12, generator=generator)
    living = image > 0.1
    cells = living * torch.randn(2, 19, 28, 28, generator=generator)
    state, wanted = State({"image": image, "cells": cells}), cells

    for _ in range(3):
        wanted = wanted + living * reference(kernels, torch.cat([image, wanted], dim=1))
    after = arrived.automaton.rollout(state, 3)

    assert (wanted - cells).abs().max() > 0.1, "the reference stood still"
    assert_close(after["cells"], wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(after["image"], image)
