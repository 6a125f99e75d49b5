"""One model of a step is right on every grid: any side, radius and boundary, up to three axes."""

import pytest
import torch
from test_export_onnx_json import found_of, scripts
from torch import Tensor, nn

from nca import Alive, Automaton, Layout, Level, Noise, State, Topology, UpdateRule, View
from nca.export import onnx as module
from nca.export.onnx_step import Step
from nca.types import Boundary, Size

runtime = pytest.importorskip("onnxruntime")
__all__ = ["scripts"]

GRIDS: dict[int, list[Size]] = {
    1: [(1,), (2,), (3,), (39,), (40,), (41,), (128,)],
    2: [(1, 1), (1, 7), (6, 1), (2, 3), (39, 40), (41, 5), (3, 128)],
    3: [(1, 1, 1), (1, 2, 5), (4, 1, 3), (5, 6, 7)],
}


class Everything(UpdateRule):
    """Ask its view for neighbours in every way there is."""

    def __init__(self, radius: int, axes: int) -> None:
        super().__init__()
        side = (2 * radius + 1,) * axes
        self.radius = radius
        self.weight = nn.Parameter(torch.randn(2, 2, *side) / side[0])
        self.kernels = torch.randn(2, *side) / side[0]

    def forward(self, view: View) -> Tensor:
        own = view.own
        near = view.neighbours(own).amax(1)
        moved = view.topology.shift(own, (self.radius + 1,) * (own.ndim - 2))
        seen = view.stencils(own, self.kernels)
        return 0.1 * (view.correlate(own, self.weight) + seen[:, 1:3] + near + moved).tanh()


def automaton(axes: int, radius: int, topology: Topology) -> Automaton:
    torch.manual_seed(radius)
    return Automaton(
        Layout([Level("body", 2)]),
        {"body": [Everything(radius, axes)]},
        topology=topology,
        fire_rate=0.5,
        alive=Alive("body", 0, 0.9, radius),
        noise=Noise(0.05),
    ).eval()


CASES: list[tuple[int, int, tuple[Boundary, ...]]] = [
    (1, 9, ("torus",)),
    (2, 1, ("replicate", "zeros")),
    (2, 9, ("torus", "reflect")),
    (3, 2, ("torus", "reflect", "zeros")),
]


@pytest.mark.parametrize(("axes", "radius", "boundaries"), CASES)
@torch.no_grad()
def test_a_model_steps_as_torch_on_every_grid(request, axes, radius, boundaries):
    stepping = automaton(axes, radius, Topology(boundaries))
    step = Step(stepping)
    model = module._model(step, module._example(step, stepping.seed(1, (4,) * axes)))
    session = runtime.InferenceSession(model.SerializeToString())
    for batch, size in ((batch, size) for size in GRIDS[axes] for batch in (1, 3)):
        state = stepping.seed(batch, size, random_seed=5)
        state = state.replace({"body": state.rng.uniform("body", 2, size)})
        inputs = {
            name: given.numpy()
            for name, given in zip(step.inputs, step.tensors(state, 0.5), strict=True)
        }
        expected = stepping.step(state)["body"]
        assert expected.ne(state["body"]).any()
        (found,) = session.run(None, inputs)
        assert (torch.from_numpy(found) - expected).abs().max() < 1e-5, size
        if axes == 2 and batch == 1:
            ((shape, _, numbers),) = found_of(request.getfixturevalue("scripts"), model, inputs)
            away = torch.tensor(numbers).view(shape) - expected
            assert away.abs().max() < 1e-5, f"in a page, {size}"


def test_a_step_that_asks_for_neighbours_is_the_plain_step():
    stepping = automaton(3, 2, Topology(("torus", "reflect", "zeros")))
    state = State({"body": torch.rand(2, 2, 3, 1, 4)})
    with torch.no_grad():
        (found,) = Step(stepping)(*Step(stepping).tensors(state, 0.5))
        torch.testing.assert_close(found, stepping.step(state)["body"])
