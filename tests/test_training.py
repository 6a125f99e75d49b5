"""What an iteration starts from, what it does to the weights, and when training stops."""

import itertools
import math
import re

import pytest
import torch
from observed import Observed
from torch import nn
from torch.testing import assert_close
from training_case import Weighted, begun, weight

from nca import SILENT
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import read_recipe
from nca.engine.rng import HostRNG
from nca.errors import DivergedError, PluginError
from nca.evaluation.finish_run import finish_run
from nca.recipe.tables import Train
from nca.training import loop
from nca.training.ema import EMA, ema_weights
from nca.training.gradient_descent import clip_or_normalise, learning_rate, next_batch
from nca.training.loop import train
from nca.training.monitor import TrainingMonitor
from nca.training.run import Run

SMALL = (
    "grid.size=[12, 12]",
    "task.side=8",
    "train.batch=4",
    "train.iterations=4",
    'pool={size=16, fresh=1, begin=2, order="drawn"}',
)


def test_the_loop_without_a_recipe_trains():
    (code,) = re.findall(r"```python\n(.*?)```", loop.__doc__ or "", re.DOTALL)
    assert 20 <= len([line for line in code.splitlines() if line.strip()]) <= 32
    code, marked = re.subn(
        r"( +)optimiser\.step\(\)\n", r"\g<0>\1losses.append(loss.item())\n", code
    )
    assert marked == 1
    losses: list[float] = []
    torch.manual_seed(0)  # of the first weights
    exec(code, {"losses": losses, "__name__": "loop"})
    assert len(losses) > 20
    assert losses[-1] < 0.6 * losses[0]


def test_all_states_are_fresh_until_the_pool_begins(tmp_path):
    run = Run.start(
        read_recipe("growing", SMALL), tmp_path / "run", torch.device("cpu"), None, SILENT
    )
    assert run.pool is not None
    index = torch.arange(16)
    run.pool.put(index, run.pool.batch.map(lambda tensor: tensor + 1))  # states that have lived
    fresh = []
    for run.iteration in range(4):
        places, batch = next_batch(run, HostRNG(0, run.iteration))
        assert places is not None
        assert len(places.unique()) == 4
        first = run.task.training_batch(HostRNG(0, run.iteration), batch.state.samples)
        same = batch.state["body"] == first.state["body"]
        fresh.append(same.flatten(1).all(dim=1).sum().item())
    assert fresh == [4, 4, 1, 1]


SCHEDULES = {
    "constant": ("", {0: 1, 5: 1, 11: 1}),
    "linear": ("", {0: 1, 3: 3 / 4, 6: 1 / 2, 11: 1 / 12}),
    "linear to a fifth": ("final=0.2", {0: 1, 3: 0.8, 6: 0.6, 9: 0.4}),
    "cosine": (
        "",
        {0: 1, 3: (1 + math.sqrt(1 / 2)) / 2, 4: 3 / 4, 6: 1 / 2, 8: 1 / 4},
    ),
    "cosine to a fifth": ("final=0.2", {0: 1, 4: 0.8, 6: 0.6, 8: 0.4}),
    "drops": ("drops=[4, 8]", {0: 1, 3: 1, 4: 0.1, 7: 0.1, 8: 0.01, 11: 0.01}),
    "drops by half": ("drops=[4, 8] drop_factor=0.5", {3: 1, 4: 0.5, 8: 0.25}),
    "constant, warmed up": ("warmup=3", {0: 1 / 4, 1: 2 / 4, 2: 3 / 4, 3: 1, 11: 1}),
    # what follows the warm-up goes from its end to the end of the run
    "linear, warmed up": ("warmup=4", {0: 1 / 5, 3: 4 / 5, 4: 1, 8: 1 / 2, 10: 1 / 4}),
    "cosine, warmed up": ("warmup=6", {0: 1 / 7, 6: 1, 8: 3 / 4, 9: 1 / 2, 10: 1 / 4}),
    # drops are iterations of the run
    "drops, warmed up": ("warmup=2 drops=[4, 8]", {1: 2 / 3, 2: 1, 4: 0.1, 8: 0.01}),
}
"""Schedules over 12 iterations: their options, and the share of the learning rate by iteration."""


def options(title: str) -> tuple[str, ...]:
    """Return the overrides of a schedule."""
    kind = title.replace(",", "").split()[0]
    given = (f'schedule="{kind}"', *SCHEDULES[title][0].replace(", ", ",").split())
    return tuple(f"train.{one}" for one in given)


@pytest.mark.parametrize("title", SCHEDULES)
def test_a_schedule_worked_by_hand_is_what_the_optimiser_gets(tmp_path, title, monkeypatch):
    run = begun(tmp_path, "train.iterations=12", *options(title))
    given, heights, step = [], [], run.optimiser.step

    def spy() -> None:
        given.extend(group["lr"] for group in run.optimiser.param_groups)
        step()
        heights.append(weight(run))

    monkeypatch.setattr(run.optimiser, "step", spy)
    train(run)
    assert len(given) == 12
    for at, share in SCHEDULES[title][1].items():
        assert_close(learning_rate(run.table, at), 0.5 * share)
        assert_close(given[at], 0.5 * share)
        # the very update that the rate was meant for has that length
        moved = (heights[at - 1] if at else 0.0) - heights[at]
        assert_close(moved, 0.5 * share, rtol=1e-4, atol=1e-5)
    rows = [row for row in run.log.records() if row["kind"] == "train"]
    assert [row["learning rate"] for row in rows] == [given[9], given[11]]


def gradients(kind: str, *rows: list[float], clip: float = 1.0) -> tuple[float, list[torch.Tensor]]:
    """Return the norm, and what becomes of the gradients; a third weight has none."""
    weights = [nn.Parameter(torch.zeros(len(row), dtype=torch.float64)) for row in rows]
    for one, row in zip(weights, rows, strict=True):
        one.grad = torch.tensor(row, dtype=torch.float64)
    idle = nn.Parameter(torch.zeros(3))
    table = Train(batch=1, iterations=1, learning_rate=1.0, gradient=kind, clip=clip)  # type: ignore[arg-type]
    norm = clip_or_normalise([*weights, idle], table)
    assert idle.grad is None
    return norm.item(), [one.grad for one in weights if one.grad is not None]


@pytest.mark.parametrize(
    ("kind", "clip", "wanted"),
    [
        ("plain", 1.0, [[3, 4], [0, 12]]),
        # each by its own length: 5 and 12
        ("normalised", 1.0, [[0.6, 0.8], [0, 1]]),
        # all by the length of all: 13
        ("clipped", 1.0, [[3 / 13, 4 / 13], [0, 12 / 13]]),
        ("clipped", 6.5, [[1.5, 2], [0, 6]]),
        ("clipped", 26.0, [[3, 4], [0, 12]]),
    ],
)
def test_gradients_are_treated_as_worked_by_hand(kind, clip, wanted):
    norm, treated = gradients(kind, [3, 4], [0, 12], clip=clip)
    assert norm == 13
    for found, row in zip(treated, wanted, strict=True):
        assert_close(found, torch.tensor(row, dtype=torch.float64), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", ["plain", "normalised", "clipped"])
def test_a_gradient_of_nothing_stays_nothing(kind):
    norm, (found, other) = gradients(kind, [0, 0], [0])
    assert norm == 0
    assert not found.any()
    assert not other.any()


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        (("train.gradient=plain",), 3),
        (("train.gradient=normalised",), 1),
        (("train.gradient=clipped",), 1),
        (("train.gradient=clipped", "train.clip=2"), 2),
        (("train.gradient=clipped", "train.clip=6"), 3),
    ],
)
def test_the_optimiser_gets_the_treated_gradient_and_the_log_its_norm_before(
    tmp_path, overrides, wanted, monkeypatch
):
    run = begun(
        tmp_path, "train.learning_rate=1e-3", *overrides, begins=lambda iteration: 3.0
    )  # which is the gradient
    found, step = [], run.optimiser.step

    def spy() -> None:
        found.extend(one.grad.item() for one in run.modules.parameters() if one.grad is not None)
        step()

    monkeypatch.setattr(run.optimiser, "step", spy)
    train(run)
    assert_close(found, [float(wanted)] * 4, rtol=1e-5, atol=0)
    assert [row["gradient norm"] for row in run.log.records()] == [3]


def test_an_average_worked_by_hand():
    modules = nn.ModuleDict({"one": nn.Linear(1, 1, bias=False, dtype=torch.float64)})
    (only,) = modules.parameters()
    only.data.zero_()
    average = EMA(modules, 0.9)
    found = []
    # decay 1/10, 2/11, 3/12, and 0.9 from where (1 + t) / (10 + t) exceeds it
    for iteration, value in ((0, 1.0), (1, 2.0), (2, 0.0), (1000, 1.45)):
        only.data.fill_(value)
        average.update(iteration)
        found.append(average.tensors["one.weight"].item())
    assert_close(found, [0.9, 1.8, 0.45, 0.55])
    assert only.item() == 1.45


AVERAGE = ("train.average=0.9", "train.iterations=3", "train.validate_every=3")
# the weight goes -0.5, -1, -1.5; its average -0.45, -0.45 - 9/11 * 0.55, -0.9 - 3/4 * 0.6
WEIGHT, MEAN = -1.5, -1.35


@pytest.mark.parametrize(
    ("overrides", "used"), [(AVERAGE, MEAN), (("train.average=0", *AVERAGE[1:]), WEIGHT)]
)
def test_averaged_weights_are_validated_kept_and_evaluated_and_those_of_now_are_trained(
    tmp_path, overrides, used
):
    run = begun(tmp_path, *overrides)
    train(run)
    assert_close(weight(run), WEIGHT)
    if run.ema:
        (mean,) = run.ema.tensors.values()
        assert_close(mean.item(), MEAN)
    (held_out,) = [row for row in run.log.records() if row["kind"] == "held_out"]
    assert_close(held_out["height"], 1 + used, rtol=1e-5, atol=1e-6)
    (row,) = finish_run(run, None)
    assert_close(row.metrics["height"], 1 + used, rtol=1e-5, atol=1e-6)
    name = "automaton.rules.body.0.share"
    for file, wanted in (("best", used), ("last", WEIGHT)):
        tensors = Checkpoint.read(run.folder / f"{file}.safetensors").tensors
        assert_close(tensors[name].item(), wanted, rtol=1e-5, atol=1e-6)


def test_an_average_changes_nothing_in_what_is_trained(tmp_path):
    every = ("train.average=0.9", "train.iterations=6", "train.validate_every=1")
    validated, plain = begun(tmp_path / "a", *every), begun(tmp_path / "b", every[1])
    for run in (validated, plain):
        train(run)
    assert weight(validated) == weight(plain)


def test_the_trained_weights_come_back_even_from_an_evaluation_that_fails(tmp_path):
    run = begun(tmp_path, "train.average=0.9", "train.iterations=3")
    train(run)
    seen = []

    def evaluation() -> None:
        with ema_weights(run.ema):
            seen.append(weight(run))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evaluation()
    assert_close([*seen, weight(run)], [MEAN, WEIGHT])
    assert run.ema
    assert_close(run.ema.tensors["automaton.rules.body.0.share"].item(), MEAN)


@pytest.mark.parametrize("undefined", [math.nan, math.inf])
def test_the_best_so_far_is_always_a_number(tmp_path, undefined):
    run = begun(
        tmp_path,
        "train.learning_rate=1e-9",
        "train.validate_every=1",
        tried=[undefined, 3.0, 2.0, undefined],
    )
    train(run)
    best = Checkpoint.read(run.folder / "best.safetensors")
    assert best.iteration == 2
    assert_close([run.best, best.best], [3.0, 3.0])
    found = [row["height"] for row in run.log.records() if row["kind"] == "held_out"]
    assert (found[0], found[3]) == (None, None)


# the sum over 16 cells of 3e38 leaves float32
@pytest.mark.parametrize(("lost", "loss"), [(math.nan, "nan"), (3e38, "inf")])
def test_a_loss_that_is_no_number_ends_training_before_anything_is_saved(tmp_path, lost, loss):
    run = begun(
        tmp_path,
        "train.iterations=40",
        "train.save_every=4",
        "train.learning_rate=0.01",
        begins=lambda iteration: lost if iteration >= 11 else 1.0,
    )
    observed = Observed()
    with pytest.raises(DivergedError) as caught:
        train(run, observed)
    assert str(caught.value) == (
        f"the loss is {loss}: the states or weights have left the finite numbers.\n"
        "  where:  iterations 9 to 12\n"
        '  to do:  lower [train] learning_rate, or set gradient = "normalised" or "clipped"; '
        "last.safetensors is from before, iteration 8"
    )
    last = Checkpoint.read(run.folder / "last.safetensors")
    assert last.iteration == 8
    share = last.tensors["automaton.rules.body.0.share"].item()
    assert_close(share, -0.08, rtol=1e-4, atol=0)
    assert [row["iteration"] for row in observed.rows] == [4, 8]
    assert all(math.isfinite(record["loss"]) for record in run.log.records())


ALIVE = 'rollout.alive={ level = "body", channel = 0, above = 0.1 }'
SLOW = "train.learning_rate=1e-9"
DEAD = "every cell of the batch is dead, so that nothing can be learnt from it"
HUGE = 'a lower learning_rate, gradient = "normalised" or fewer steps may help'


def test_a_loss_without_a_gradient_is_refused(tmp_path, monkeypatch):
    run = begun(tmp_path)
    monkeypatch.setattr(Weighted, "forward", lambda self, view: view.own * self.share.item())
    with pytest.raises(PluginError, match="the loss depends on no weight"):
        train(run)


def test_training_stops_after_a_hundred_iterations_in_which_all_are_dead(tmp_path):
    run = begun(
        tmp_path,
        SLOW,
        ALIVE,
        "train.iterations=1000",
        "train.save_every=50",
        begins=lambda iteration: 0.0 if iteration >= 15 else 1.0,
    )
    observed = Observed()
    with pytest.raises(DivergedError) as caught:
        train(run, observed)
    assert observed.notes == [f"iteration 20: {DEAD}"]
    assert str(caught.value) == (
        "every cell of every batch has been dead for 100 iterations.\n"
        "  where:  since iteration 20\n"
        "  to do:  train without [pool] first, lower [train] learning_rate, or try another "
        "random_seed"
    )
    assert run.iteration == 120
    assert Checkpoint.read(run.folder / "last.safetensors").iteration == 100


def test_one_batch_that_lives_begins_the_count_anew(tmp_path):
    run = begun(
        tmp_path,
        SLOW,
        ALIVE,
        "train.iterations=150",
        begins=lambda iteration: 1.0 if iteration == 59 else 0.0,
    )
    observed = Observed()
    train(run, observed)
    assert observed.notes == [f"iteration 10: {DEAD}", f"iteration 70: {DEAD}"]


def test_where_no_cell_can_die_none_is_dead(tmp_path):
    run = begun(tmp_path, SLOW, "train.iterations=150", begins=lambda iteration: 0.0)
    observed = Observed()
    train(run, observed)
    assert not observed.notes


def test_states_that_explode_are_noticed_once_and_again_after_they_have_recovered(tmp_path):
    heights = [999.0, 2000.0, -3000.0, 4e5, 1.0, 5000.0, 6000.0]
    run = begun(tmp_path, SLOW, "train.iterations=70", begins=lambda at: heights[at // 10])
    observed = Observed()
    train(run, observed)
    assert observed.notes == [
        f"iteration 20: states explode, up to 2e+03; {HUGE}",
        f"iteration 60: states explode, up to 5e+03; {HUGE}",
    ]


@pytest.mark.parametrize(
    ("seconds", "notes"),
    [(1.0, []), (90.0, ["2,000 iterations are left, which take about 2 days"])],
)
def test_what_takes_days_is_said_at_the_second_iteration(tmp_path, monkeypatch, seconds, notes):
    run = begun(tmp_path, "train.iterations=2000")
    clock = itertools.count(0.0, seconds)
    monkeypatch.setattr("nca.training.monitor.time.perf_counter", lambda: next(clock))
    observed = Observed()
    monitor = TrainingMonitor(run, observed)
    for _ in range(3):
        monitor.take({"loss": torch.zeros(1)}, torch.zeros(1), run.automaton.seed(1, (4, 4)))
    assert observed.notes == notes
