"""The same recipe and random seed on a GPU: everything there stays there, and draws the same."""

import pytest
import torch

from nca import SILENT, Layout, Level
from nca.checkpoint.read import read_recipe
from nca.engine.rng import CellRNG, HostRNG
from nca.training.gradient_descent import next_batch
from nca.training.loop import train
from nca.training.memory_planner import IterationProbe
from nca.training.run import Run

pytestmark = pytest.mark.gpu

SMALL = (
    "grid.size=[20, 20]",
    "task.side=14",
    "pool.size=16",
    "train.batch=4",
    "train.iterations=4",
    "train.validate_every=2",
    "rollout.steps=[6, 9]",
    "evaluate.steps=[8]",
)


def small_run(tmp_path, device, *more):
    recipe = read_recipe("growing", [*SMALL, *more])
    return Run.start(recipe, tmp_path / device, torch.device(device), None, SILENT)


@pytest.mark.parametrize("draw", ["uniform", "normal", "bits"])
def test_counted_numbers_are_the_same_bits(draw):
    drawn = [
        getattr(CellRNG(2**40 + 7, 3, torch.arange(5, device=device)), draw)(
            "fire", 3, (9, 7)
        ).cpu()
        for device in ("cpu", "cuda")
    ]
    assert drawn[0].equal(drawn[1])


def test_a_state_moves_to_another_device_with_its_sample_numbers():
    state = Layout([Level("body", 2)]).zeros(2, (3,))
    state = state.replace(remembered=({"body": state["body"]},)).to("cuda")
    devices = {state["body"].device, state.remembered[0]["body"].device, state.samples.device}
    assert {device.type for device in devices} == {"cuda"}


def test_orders_are_the_same_on_both():
    assert HostRNG(3, 4).order("pool", 1000).equal(HostRNG(3, 4).order("pool", 1000).cuda().cpu())


def test_a_step_fires_the_same_cells(tmp_path):
    after = []
    for device in ("cpu", "cuda"):
        run = small_run(tmp_path, device)
        torch.nn.init.constant_(run.automaton.rules_of("body")[0].change.bias, 0.1)
        _, batch = next_batch(run, HostRNG(0, 0))
        after.append((run.automaton.step(batch.state)["body"] != batch.state["body"]).cpu())
    assert after[0].any()
    assert after[0].equal(after[1])


def test_training_keeps_everything_on_the_gpu(tmp_path):
    run = small_run(tmp_path, "cuda")
    train(run)
    assert run.iteration == 4
    assert run.pool is not None
    tensors = [*run.modules.state_dict().values(), *run.pool.tensors().values()]
    assert {tensor.device.type for tensor in tensors} == {"cuda"}


def test_a_rollout_on_the_gpu_ends_where_it_does_on_the_cpu(tmp_path):
    ends = []
    for device in ("cpu", "cuda"):
        run = small_run(tmp_path, device)
        rule = run.automaton.rules_of("body")[0]
        with torch.no_grad():
            # the same weights on both, and large enough that standing still would be noticed
            rule.change.weight.copy_(
                torch.linspace(-0.1, 0.1, rule.change.weight.numel()).view_as(rule.change.weight)
            )
        _, batch = next_batch(run, HostRNG(0, 0))
        ends.append(
            (batch.state["body"].cpu(), run.automaton.rollout(batch.state, 8)["body"].cpu())
        )
    (start, ours), (_, theirs) = ends
    moved = (ours - start).abs().max().item()
    assert moved > 0.1
    torch.testing.assert_close(theirs, ours, atol=moved / 100, rtol=0)


def test_a_peak_on_the_gpu_is_what_was_predicted(tmp_path):
    trial = IterationProbe(small_run(tmp_path, "cuda", "rollout.steps=24", "grid.size=[64, 64]"))
    needs = list(trial.needs(timed=True))
    assert needs[0].peak > needs[1].peak > needs[2].peak
    for need in needs:
        assert trial.measure(need.memory).peak == pytest.approx(need.peak, rel=0.15)
