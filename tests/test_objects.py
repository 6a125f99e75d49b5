"""Scenes of objects are what their truth says, and no loss knows the truth."""

from pathlib import Path

import pytest
import torch

from nca import TORUS, Batch, CellRNG, HostRNG, Layout, Level, NCAError, TaskContext, analysis
from nca.checkpoint.file import Checkpoint
from nca.checkpoint.read import read_recipe
from nca.checkpoint.trained import Trained
from nca.reports.islands import IslandsPlan, measure_islands, verdict
from nca_plugins.objects.blocks import SQUARES, block_masks
from nca_plugins.objects.guesses import k_means, of_equal_colour
from nca_plugins.objects.scenes import PALETTE, RIM, ObjectSettings, draw_objects
from nca_plugins.objects.sprites import KINDS, sprite_masks
from nca_plugins.objects.task import EMPTIED, SPLIT, Objects

LAYOUT = Layout([Level("image", 3, input=True), Level("part", 6), Level("object", 8)])
EVERY_TERM = {"masked": 0.3, "fill": 0.5, "agreement": 0.7, "touching": 0.9}
KINDS_OF_SCENES = [
    ObjectSettings(),
    ObjectSettings(overlap=True, colours="repeated", count=(1, 6)),
    ObjectSettings("sprites", 20, colours="random", overlap=True),
    ObjectSettings("sprites", 24, count=(2, 5)),
]


def made(size=(16, 16), layout=LAYOUT, **options) -> Objects:
    torch.manual_seed(0)
    task = Objects(TaskContext(layout, size, Path()), **{"trials": 12, **options})
    task.prepare(torch.device("cpu"))
    return task


def filled(batch: Batch) -> Batch:
    """Return the batch with something to read at every level."""
    noise = {
        name: batch.state.rng.normal(name, tensor.shape[1], tensor.shape[2:])
        for name, tensor in batch.state.items()
        if name != "image"
    }
    return Batch(batch.state.replace(noise), batch.truth)


def means(task: Objects, batch: Batch) -> dict[str, float]:
    found = task.measure(batch.state, batch)
    return {name: (one.part.sum() / one.whole.sum()).item() for name, one in found.items()}


@pytest.mark.parametrize("settings", KINDS_OF_SCENES)
def test_a_scene_is_the_same_in_any_batch_and_its_objects_keep_off_the_rim(settings):
    numbers = torch.arange(40) * 7 + SPLIT
    whole = draw_objects(settings, 3, numbers)
    for size in (1, 9):
        parts = [draw_objects(settings, 3, part) for part in numbers.split(size)]
        assert torch.cat([part.images for part in parts]).equal(whole.images)
        assert torch.cat([part.objects for part in parts]).equal(whole.objects)
    assert not draw_objects(settings, 4, numbers).images.equal(whole.images)
    assert len(whole.images.flatten(1).unique(dim=0)) == len(numbers)
    side = settings.side
    assert whole.images.shape == (40, 3, side, side)
    inner = torch.nn.functional.pad(torch.ones(side - 2, side - 2), [RIM] * 4).bool()
    assert not whole.objects[:, ~inner].any()
    assert (whole.images.min(), whole.images.max() <= 1) == (0, True)
    counts = analysis.segments_in(whole.objects)
    assert counts.max() <= settings.count[1]
    assert len(counts.unique()) > 1
    if settings.kind == "blocks":
        numbers = torch.arange(1, settings.count[1] + 1)
        areas = whole.objects.flatten(1)[..., None].eq(numbers).sum(dim=1).unique()
        # four squares of 2 x 2, unless another block lies on them
        assert areas.max() == 16
        assert settings.overlap or areas.tolist() == [0, 16]
        assert not settings.overlap or ((areas > 0) & (areas < 16)).any()


@pytest.mark.parametrize("settings", KINDS_OF_SCENES)
def test_truth_and_drawing_agree(settings):
    scenes = draw_objects(settings, 0, torch.arange(40))
    for image, objects in zip(scenes.images, scenes.objects, strict=True):
        seen = [image[:, objects == number] for number in objects.unique()]
        assert not seen[0].any()  # the ground comes first, and is dark
        assert all((one == one[:, :1]).all() for one in seen)
        assert all(one.amax() > 0.5 for one in seen[1:])
        colours = torch.stack([one[:, 0] for one in seen])
        if settings.colours == "distinct":
            assert len(colours.unique(dim=0)) == len(seen)
        if settings.colours != "random":
            assert (torch.cdist(colours[1:], PALETTE).amin(dim=1) < 1e-6).all()


def test_noise_lies_on_the_picture_and_leaves_the_truth():
    plain, noisy = (
        draw_objects(ObjectSettings(noise=noise), 0, torch.arange(64)) for noise in (0.0, 0.2)
    )
    assert noisy.objects.equal(plain.objects)
    assert abs((noisy.images - plain.images).std() - 0.2) < 0.01


def test_blocks_are_the_seven_shapes_of_four_joined_squares():
    assert len({tuple(map(tuple, shape)) for shape in SQUARES.tolist()}) == 7
    masks = block_masks(CellRNG(0, 0, torch.arange(200)), 3, 2, 12, 2)
    first, second = masks.unbind(dim=2)
    assert masks.flatten(3).sum(dim=3).unique().tolist() == [16]
    patches = analysis.patches(first.flatten(0, 1), TORUS)
    assert patches.amax() == 1  # in one piece, and none goes around the torus
    assert not first.equal(second)
    corners = [
        [mask.nonzero().amin(dim=0) for mask in part.flatten(0, 1)] for part in (first, second)
    ]
    moved = [
        (one.roll(tuple((b - a).tolist()), (0, 1)) == other).all()
        for one, other, a, b in zip(
            first.flatten(0, 1), second.flatten(0, 1), *corners, strict=True
        )
    ]
    assert all(moved)  # a block keeps its shape and turn from try to try


def test_sprites_have_the_areas_of_their_shapes():
    masks = sprite_masks(CellRNG(0, 0, torch.arange(300)), 1, 1, 64, (20.0, 20.0))[:, 0, 0]
    areas = masks.flatten(1).sum(dim=1).double() / 20**2
    triangle = 3 * 3**0.5 / 4
    wanted = torch.tensor([3.1416 * 0.81, 1.96, triangle, 3.1416 * 0.75, 2 * 1.08 - 0.36]).double()
    away = (areas[:, None] - wanted).abs()
    assert len(KINDS) == len(wanted)
    assert (away.amin(dim=1) < 0.06).all()
    assert away.argmin(dim=1).unique().tolist() == [0, 1, 2, 3, 4]


def test_islands_are_judged_against_the_objects():
    task = made()
    (batch,) = task.evaluation_batches("test", 12)
    truth = batch.truth["object"]

    def judged(labels):
        level = torch.nn.functional.one_hot(labels, 8).movedim(-1, 1).float()
        found = means(task, Batch(batch.state.replace({"object": level}), batch.truth))
        return found["island ARI"], found["island overlap"]

    assert judged(truth) == (1, 1)
    assert abs(judged((truth > 0).long())[0]) < 0.6  # touching objects become one
    assert judged(torch.zeros_like(truth)) == (0, 0)  # nothing departs from the mean
    noise = torch.randint(8, truth.shape, generator=torch.Generator().manual_seed(0))
    ari, overlap = judged(noise)
    assert abs(ari) < 0.1
    assert overlap < 0.35


def test_without_noise_equal_colours_are_the_objects_and_clusters_of_colours_as_well():
    task = made()
    (batch,) = task.evaluation_batches("test", 12)
    found = means(task, batch)
    assert found["equal colour ARI"] == found["k-means ARI"] == 1
    assert found["equal colour overlap"] == found["k-means overlap"] == 1
    same = made(colours="repeated", count=(6, 6), size=(24, 24), side=24, trials=60)
    (batch,) = same.evaluation_batches("test", 60)
    found = means(same, batch)
    assert 0.5 < found["k-means ARI"] < found["equal colour ARI"] < 1
    assert set(task.guesses(next(iter(task.evaluation_batches("test", 2))))) == {
        "equal colour",
        "k-means",
    }


def test_simple_means_by_hand():
    row = torch.tensor([0.0, 0.0, 0.5, 0.52, 0.0, 0.9, 0.0, 0.5]).expand(1, 1, 3, 8)
    assert of_equal_colour(row)[0, 0].tolist() == [1, 1, 2, 2, 3, 4, 5, 6]
    joined = of_equal_colour(row, tolerance=0.6)
    assert joined[0, 0].tolist() == [1, 1, 1, 1, 1, 2, 1, 1]
    clusters = k_means(row, torch.tensor([3]))[0, 0]
    assert clusters.tolist() == [1, 1, 3, 3, 1, 2, 1, 3]
    two = k_means(row.expand(2, 1, 3, 8), torch.tensor([2, 1]))
    assert two[0, 0].tolist() == [1, 1, 2, 2, 1, 2, 1, 2]
    assert two[1].unique().tolist() == [1]


def test_splits_share_no_scene_and_masking_is_for_training_alone():
    task = made(masked=0.3)
    batch = task.training_batch(HostRNG(5, 0), torch.arange(64))
    seen = {"train": batch.truth["colours"]}
    for split in ("held_out", "test"):
        batches = list(task.evaluation_batches(split, 5))
        assert not any(one.truth["hidden"].any() for one in batches)
        seen[split] = torch.cat([one.truth["colours"] for one in batches])
        (together,) = task.evaluation_batches(split, 12)
        assert together.state["image"].equal(seen[split])
    every = torch.cat([*seen.values()]).flatten(1)
    assert len(every.unique(dim=0)) == len(every) == 64 + 24
    hidden, image = batch.truth["hidden"], batch.state["image"]
    assert 0.22 < hidden.double().mean() < 0.38
    assert image.movedim(1, -1)[hidden].eq(EMPTIED).all()
    assert image.movedim(1, -1)[~hidden].equal(seen["train"].movedim(1, -1)[~hidden])


def test_losses_reach_every_weight_and_know_no_object():
    task = made(**EVERY_TERM)
    batch = filled(task.training_batch(HostRNG(0, 0), torch.arange(8)))
    terms = task.loss([batch.state, batch.state], batch)
    assert list(terms) == ["fill", "agreement", "touching"]
    assert all(
        one.shape == (8,) and one.isfinite().all() and (one > 0).all() for one in terms.values()
    )
    torch.stack([*terms.values()]).sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in task.parameters())
    blind = {**batch.truth, "object": batch.truth["object"].roll(3, 1)}
    for name, term in task.loss([batch.state, batch.state], Batch(batch.state, blind)).items():
        assert term.equal(terms[name]), name


def test_a_larger_grid_is_dark_around_the_scene_and_a_picture_has_no_objects():
    (small,), (large,) = (
        made().evaluation_batches("test", 12),
        made(size=(20, 18)).evaluation_batches("test", 12),
    )
    assert large.truth["object"][:, 2:18, 1:17].equal(small.truth["object"])
    assert not large.state["image"][..., :2, :].any()
    task = made()
    covered = task.apply_picture(small, torch.ones(4, 16, 16), "input")
    assert covered.state["image"].eq(1).all()
    assert not covered.truth["object"].any()
    assert task.picture(small.state).shape == (12, 3, 16, 16)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"count": (3, 2)}, "count is [3, 2]."),
        ({"kind": "sprites", "radius": (5.0, 2.0)}, "radius is [5.0, 2.0]."),
        ({"unit": 4}, "blocks of unit = 4 take at least 18 pixels"),
        ({"kind": "sprites", "radius": (3.0, 8.0)}, "sprites of radius 8 take at least 18 pixels"),
        ({"side": 20}, "size is [16, 16]"),
        ({"read": "image"}, 'read is "image".'),
        ({"read": "top"}, "there is no level 'top'."),
        ({"kind": "faces"}, "kind"),
        ({"count": (0, 3)}, "count"),
    ],
)
def test_what_cannot_work_is_refused(options, fault):
    with pytest.raises(NCAError) as caught:
        made(**options)
    assert fault in str(caught.value)


def test_more_options_are_refused_by_their_types():
    with pytest.raises(NCAError, match="channels"):
        made(layout=Layout([Level("image", 4, input=True), Level("object", 4)]))


def test_the_report_on_islands_sets_them_beside_simple_means_and_the_untrained():
    recipe = read_recipe("objects_blocks", ["task.trials=6", "task.noise=0"])
    modules = recipe.automaton().eval(), recipe.task().eval()
    trained = Trained(Path("x"), Checkpoint("x", ""), recipe, *modules, torch.device("cpu"))
    trained.prepare(None)
    found = measure_islands(trained, IslandsPlan(2, samples=6, followed=1, shifts=1))
    for how in ("ARI", "NMI", "overlap"):
        for name in ("equal colour", "k-means"):
            assert (found.own.figures["truth", "object", name, f"islands: {how}"] == 1).all()
    (finding,) = (one for one in verdict(found) if one.subject == "object")
    assert "Without any automaton: patches of the foreground " in finding.words
    assert "equal colour 1, k-means 1." in finding.words
    assert ", places of the foreground " in finding.words
    assert finding.words.count("; untrained part ") == 2
    assert finding.answer != "yes"
    assert "guesses" not in {name[0] for name in found.groups["shuffled"].figures}


def test_untrained_weights_are_those_of_the_random_seed():
    recipe = read_recipe("objects_blocks", ["task.trials=2"])
    modules = recipe.automaton(), recipe.task()
    for weight in modules[0].parameters():
        torch.nn.init.constant_(weight, 0.5)
    trained = Trained(Path("x"), Checkpoint("x", ""), recipe, *modules, torch.device("cpu"))
    first, wanted = trained.untrained(), recipe.automaton().state_dict()
    assert all(tensor.equal(wanted[n]) for n, tensor in first.automaton.state_dict().items())
    assert not first.automaton.training
    assert first.recipe is recipe
