"""Growing pictures: seeds, genomes, targets of any shape, and cells that know no direction."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from nca import (
    Batch,
    HostRNG,
    Layout,
    Level,
    OptionError,
    TargetError,
    TaskContext,
    to_rgb_on_white,
)
from nca.validation.arguments import options_of
from nca_plugins.image_growth import ImageGrowth


def growth(
    folder: Path = Path(), size: tuple[int, ...] = (12, 12), channels: int = 8, **options: object
) -> ImageGrowth:
    setting = TaskContext(Layout([Level("body", channels)]), size, folder, 3)
    return ImageGrowth(setting, **{"target": "lizard", "side": 8, **options})


def ready(*args: object, **options: object) -> ImageGrowth:
    task = growth(*args, **options)
    task.prepare(torch.device("cpu"))
    return task


def seeds(task: ImageGrowth, count: int = 4) -> Batch:
    return task.training_batch(HostRNG(3, 0), torch.arange(count))


def painted(folder: Path, name: str, width: int, height: int, colour: str) -> str:
    picture = Image.new("RGBA", (width + 2, height + 2))
    picture.paste(colour, (1, 1, width + 1, height + 1))
    picture.crop((1, 1, width + 1, height + 1)).save(folder / name)
    return name


def showing(task: ImageGrowth, pictures: torch.Tensor) -> Batch:
    """Return a batch whose cells already show the pictures."""
    batch = seeds(task, len(pictures))
    body = batch.state["body"].clone()
    body[:, :4] = pictures
    return Batch(batch.state.replace({"body": body}), batch.truth)


def test_a_seed_is_one_cell_without_colour():
    (body,) = seeds(ready(), 1).state["body"]
    assert body[:, 6, 6].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    body[:, 6, 6] = 0
    assert not body.any()


def test_each_target_has_a_gene_of_its_own():
    batch = seeds(ready(target=["lizard", "butterfly", "planarian"]), 5)
    own = batch.truth["genome"]
    assert sorted(own[:3].tolist()) == [0, 1, 2]
    assert own[3:].tolist() == own[:2].tolist()
    assert torch.equal(batch.state["body"][:, 4:7, 6, 6], torch.eye(3)[own])
    assert (batch.state["body"][:, (3, 7), 6, 6] == 1).all()


def test_a_sample_is_judged_by_the_target_that_its_genome_names():
    task = ready(target=["lizard", "butterfly"])
    lizard, butterfly = task.target
    assert not torch.equal(lizard, butterfly)
    right = showing(task, torch.stack([lizard, butterfly]))
    wrong = showing(task, torch.stack([butterfly, lizard]))
    assert task.loss([right.state], right)["squared"].tolist() == [0, 0]
    assert (task.loss([wrong.state], wrong)["squared"] > 0.01).all()
    assert task.measure(wrong.state, wrong)["error"].part.min() > 0.01
    # the truth goes with the state, whatever number a sample gets in a later iteration
    swapped = right.select(torch.tensor([1, 0]))
    assert task.loss([swapped.state], swapped)["squared"].tolist() == [0, 0]


def test_every_sample_is_shown_beside_its_own_target():
    task = ready(target=["lizard", "butterfly"])
    shown = task.targets(seeds(task, 3))
    assert torch.equal(shown, to_rgb_on_white(task.target[torch.tensor([0, 1, 0])]))
    assert ready().targets(seeds(task, 2)).shape == (2, 3, 12, 12)


def test_evaluation_grows_every_target():
    task = ready(target=["lizard", "butterfly"], trials=6)
    chosen = torch.cat([batch.truth["genome"] for batch in task.evaluation_batches("test", 4)])
    assert chosen.bincount().tolist() == [3, 3]


def test_a_list_of_one_target_has_a_genome_too():
    assert seeds(ready(target=["lizard"]), 2).truth["genome"].tolist() == [0, 0]
    assert ready(target=["lizard"]).target.shape == (1, 4, 12, 12)
    assert ready().target.shape == (4, 12, 12)


TOLD = Layout([Level("condition", 2, input=True), Level("body", 8)])
PAIR = {"target": ["lizard", "butterfly"], "condition": "condition"}


def steered(layout: Layout = TOLD, **options: object) -> ImageGrowth:
    task = ImageGrowth(TaskContext(layout, (12, 12), Path(), 3), **{"side": 8, **PAIR, **options})
    task.prepare(torch.device("cpu"))
    return task


def test_a_condition_says_everywhere_what_shall_grow_and_the_seed_does_not():
    batch = seeds(steered(), 4)
    chosen = batch.truth["genome"]
    assert sorted(chosen.tolist()) == [0, 0, 1, 1]
    for state, gene in zip(batch.state["condition"], chosen, strict=True):
        assert (state[gene] == 1).all()
        assert (state[1 - gene] == 0).all()
    assert batch.state["body"][0, :, 6, 6].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_conditions_take_turns_in_an_order_that_is_drawn():
    task = steered()
    firsts = {
        task.training_batch(HostRNG(3, iteration), torch.arange(2)).truth["genome"][0].item()
        for iteration in range(8)
    }
    assert firsts == {0, 1}
    evaluated = [
        b.truth["genome"].tolist() for b in steered(trials=4).evaluation_batches("test", 4)
    ]
    assert evaluated == [[1, 0, 1, 0]]


@pytest.mark.parametrize("options", [PAIR, {"target": PAIR["target"]}])
def test_the_first_of_each_batch_is_not_always_of_one_target(options):
    task = ready(**options) if "condition" not in options else steered()
    drawn = [
        task.training_batch(HostRNG(3, number), torch.arange(4) + 4 * number).truth["genome"]
        for number in range(8)
    ]
    assert {genomes[0].item() for genomes in drawn} == {0, 1}
    assert all(sorted(genomes.tolist()) == [0, 0, 1, 1] for genomes in drawn)


def test_a_check_draws_no_target_of_thousands_of_cells(monkeypatch):
    asked = []

    def drawn(spec, *, side, **more):
        asked.append(side)
        return torch.ones(4, side, side, device="cpu")

    monkeypatch.setattr("nca_plugins.image_growth.load_target", drawn)
    setting = TaskContext(Layout([Level("body", 8)]), (8192, 9000), Path(), 3)
    with torch.device("meta"):
        task = ImageGrowth(setting, target="lizard", side=8192)
    task.check()
    assert asked == [512]


def test_a_blend_is_asked_for_and_judged_by():
    task = steered(blend=[0.25, 0.75], trials=3)
    (batch,) = task.evaluation_batches("test", 3)
    assert batch.state["condition"].mean(dim=(0, 2, 3)).tolist() == [0.25, 0.75]
    mixed = 0.25 * task.target[0] + 0.75 * task.target[1]
    assert torch.equal(task.targets(batch)[0], to_rgb_on_white(mixed))
    assert (seeds(task, 4).state["condition"] % 1 == 0).all(), "training knows no blends"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"condition": "colour"}, 'condition is "colour": name a level with input = true'),
        ({"condition": "body"}, 'condition is "body": name a level with input = true'),
        ({"target": ["lizard"]}, "condition has 2 channels: one for each of the 1 targets"),
        ({"target": "lizard"}, "condition has no effect: give a list of targets"),
        ({"blend": [1.0]}, "blend has 1 shares: one for each of the 2 targets"),
        ({"condition": "", "blend": [1.0, 0.0]}, "blend has no effect: only with a condition"),
    ],
)
def test_a_condition_that_does_not_fit_is_refused(options, says):
    with pytest.raises(OptionError) as refusal:
        steered(**options)
    assert says in [str(fault)[: len(says)] for fault in refusal.value.faults]


def test_a_list_without_targets_is_a_fault_of_the_recipe():
    options = options_of(ImageGrowth)
    assert options.model_validate_json('{"target": ["a"], "side": 8}').target == ("a",)
    with pytest.raises(ValidationError, match="at least 1 item"):
        options.model_validate_json('{"target": [], "side": 8}')


def test_a_genome_needs_channels_behind_alpha():
    with pytest.raises(OptionError, match="it needs 7 channels or more"):
        growth(channels=6, target=["lizard", "butterfly", "planarian"])
    growth(channels=7, target=["lizard", "butterfly", "planarian"])


@pytest.mark.parametrize(("width", "height", "size"), [(10, 4, (5, 12)), (3, 9, (9, 6))])
def test_a_picture_need_not_be_square(tmp_path, width, height, size):
    name = painted(tmp_path, "bar.png", width, height, "red")
    task = ready(tmp_path, size, target=name, side=max(width, height))
    alpha = task.target[3]
    assert alpha.sum() == width * height
    assert (alpha.amax(dim=0).sum(), alpha.amax(dim=1).sum()) == (width, height)
    assert alpha.amax(dim=1).nonzero()[0].item() == (size[0] - height) // 2


@pytest.mark.parametrize("side", [5, 30, 64])
def test_a_picture_of_any_size_is_brought_to_the_side(tmp_path, side):
    task = ready(tmp_path, (70, 70), target=painted(tmp_path, "a.png", 40, 40, "blue"), side=side)
    assert task.target[3].count_nonzero() == side**2


def test_what_would_be_cut_off_is_refused(tmp_path):
    task = growth(tmp_path, (5, 12), target=painted(tmp_path, "a.png", 8, 8, "red"), side=8)
    with pytest.raises(TargetError) as refusal:
        task.prepare(torch.device("cpu"))
    assert str(refusal.value) == (
        "a target of 8 cells does not fit the grid.\n"
        "  where:  target 'a.png', [grid] size = [5, 12]\n"
        "  to do:  give a smaller [task] side, or a greater [grid] size"
    )


def test_a_free_target_must_fit_at_every_angle(tmp_path):
    name = painted(tmp_path, "a.png", 10, 10, "red")
    ready(tmp_path, target=name, side=10)
    with pytest.raises(TargetError, match="fit the grid at every angle: a circle of 11 cells"):
        ready(tmp_path, target=name, side=10, free=True)


def test_a_free_target_may_lie_as_it_likes():
    task = ready(size=(13, 13), free=True, target="lizard", side=8)
    poses = [task.target.rot90(turn, (1, 2)) for turn in range(4)]
    poses += [pose.flip(2) for pose in poses]
    batch = showing(task, torch.stack(poses))
    held = ready(size=(13, 13), target="lizard", side=8)
    assert task.loss([batch.state], batch)["squared"].max() < 1e-6
    assert held.loss([batch.state], batch)["squared"][1:].min() > 0.01


def test_the_points_of_a_seed_stand_on_a_circle_in_three_colours():
    (body,) = seeds(ready(points=3, circle=4.0), 1).state["body"]
    assert body[3].nonzero().tolist() == [[2, 6], [8, 3], [8, 9]]
    assert body[:3, 2, 6].tolist() == [1, 0, 0]
    assert body[:3, 8, 9].tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert body[:3, 8, 3].tolist() == pytest.approx([0, 0, 1], abs=1e-6)
    assert (body[3:, 8, 3] == 1).all()


def test_a_circle_wider_than_the_grid_is_refused():
    with pytest.raises(OptionError, match="circle is 6"):
        growth(points=3, circle=6.0)
