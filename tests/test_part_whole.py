"""The part-whole task trains on scenes, and no term of its loss knows where their parts are."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from nca import Batch, HostRNG, Layout, Level, NCAError, ShapeError, TaskContext
from nca_plugins.part_whole.drawing import scenes
from nca_plugins.part_whole.scenes import CLASSES, Settings
from nca_plugins.part_whole.task import EMPTIED, PartWhole
from nca_plugins.part_whole.terms import DOUBT, Touching, ink_between
from nca_plugins.part_whole.truth import parts_of

LAYOUT = Layout(
    [Level("image", 4, input=True), Level("part", 6), Level("object", 8), Level("scene", 8)]
)
EVERY_TERM = {
    "deep": {"part": 0.1, "object": 0.2},
    "masked": 0.3,
    "fill": 0.5,
    "agreement": 0.7,
    "touching": 0.9,
}
CPU = torch.device("cpu")


def made(size=(16, 16), layout=LAYOUT, **options) -> PartWhole:
    torch.manual_seed(0)
    options = {"patch": 2, "scenes": 24, "trials": 12, **options}
    task = PartWhole(TaskContext(layout, size, Path()), **options)
    task.prepare(CPU)
    return task


def filled(batch: Batch) -> Batch:
    """Return the batch with something to read at every level."""
    noise = {
        name: batch.state.rng.normal(name, tensor.shape[1], tensor.shape[2:])
        for name, tensor in batch.state.items()
        if name != "image"
    }
    return Batch(batch.state.replace(noise), batch.truth)


def test_draw_gives_a_sample_the_same_scene_in_any_batch():
    task = made(masked=0.2)
    whole = task.training_batch(HostRNG(5, 0), torch.arange(24))
    for size in (1, 6):
        parts = [task.training_batch(HostRNG(5, 0), s) for s in torch.arange(24).split(size)]
        joined = Batch.cat(parts)
        assert joined.state["image"].equal(whole.state["image"])
        assert all(joined.truth[name].equal(truth) for name, truth in whole.truth.items())


def test_every_epoch_shows_every_scene_once():
    task = made()
    first, second = (
        task.training_batch(HostRNG(0, 0), torch.arange(24) + start).truth["pixels"].flatten(1)
        for start in (0, 24)
    )
    assert not first.equal(second)
    assert len(first.unique(dim=0)) == 24
    assert first.unique(dim=0).equal(second.unique(dim=0))


def test_splits_share_no_scene_and_trials_come_in_any_batch():
    task = made()
    seen = {"train": task.training_batch(HostRNG(0, 0), torch.arange(24)).truth["pixels"]}
    for split in ("held_out", "test"):
        seen[split] = torch.cat([b.truth["pixels"] for b in task.evaluation_batches(split, 5)])
        (together,) = task.evaluation_batches(split, 12)
        assert together.truth["pixels"].equal(seen[split])
        assert together.state.samples.equal(-1 - torch.arange(12))
    pictures = torch.cat([*seen.values()]).flatten(1)
    assert len(pictures) == 24 + 12 + 12
    assert len(pictures.unique(dim=0)) == len(pictures)


def test_a_cell_belongs_to_the_part_of_most_of_its_ink():
    task = made()
    parts = torch.zeros(1, 32, 32, dtype=torch.uint8)
    parts[0, :2, :2] = torch.tensor([[7, 7], [2, 0]])
    parts[0, 31, 31] = 3
    labels = parts_of(parts, 10, task.pixels)
    assert labels[0, 0, 0] == 7
    assert labels[0, 15, 15] == 3
    assert labels.count_nonzero() == 2
    coarse = made(size=(8, 8), layout=Layout([Level("image", 16), Level("top", 4)]), patch=4)
    assert parts_of(parts, 10, coarse.pixels)[0, 7, 7] == 0  # one pixel of sixteen is no quarter


def test_the_truth_of_cells_agrees_with_itself():
    task = made(patch=1, layout=Layout([Level("image", 1), Level("top", 4)]), size=(32, 32))
    (batch,) = task.evaluation_batches("held_out", 12)
    drawn = scenes(Settings(), 0, (1 << 24) + torch.arange(12))
    assert batch.state["image"][:, 0].mul(255).round().to(torch.uint8).equal(drawn.images)
    segments = task.segments(batch)
    assert segments["part"].equal(drawn.parts.long())
    assert segments["part"].dtype == segments["whole"].dtype == torch.int64
    assert (segments["whole"] > 0).equal(segments["part"] > 0)
    for sample in range(12):
        for whole in segments["whole"][sample].unique():
            named = batch.truth["class"][sample][segments["whole"][sample] == whole].unique()
            wanted = drawn.classes[sample, whole - 1] if whole else 0
            assert named.tolist() == [int(wanted)]


def test_a_grid_that_is_too_large_has_background_around_the_scene():
    (small,), (large,) = (
        made().evaluation_batches("test", 12),
        made(size=(20, 18)).evaluation_batches("test", 12),
    )
    for name, tensor in small.truth.items():
        assert large.truth[name][..., 2:18, 1:17].equal(tensor), name
        assert not large.truth[name][..., :2, :].any()


def test_masking_empties_its_share_and_only_in_training():
    task, plain = made(masked=0.3, scenes=256), made(scenes=256)
    for split in ("held_out", "test"):
        (shown,), (whole,) = task.evaluation_batches(split, 12), plain.evaluation_batches(split, 12)
        assert shown.state["image"].equal(whole.state["image"])
        assert not shown.truth["hidden"].any()
    samples = torch.arange(256)
    emptied, whole = (t.training_batch(HostRNG(0, 3), samples) for t in (task, plain))
    hidden = emptied.truth["hidden"]
    assert 0.25 < hidden.double().mean() < 0.35
    image = emptied.state["image"]
    assert image.movedim(1, -1)[hidden].eq(EMPTIED).all()
    assert image.movedim(1, -1)[~hidden].equal(whole.state["image"].movedim(1, -1)[~hidden])
    assert emptied.truth["pixels"].equal(whole.state["image"])
    assert not task.training_batch(HostRNG(0, 4), samples).truth["hidden"].equal(hidden)


def test_other_scenes_are_drawn_from_another_random_seed_and_the_run_has_no_say():
    def shown(**options):
        (batch,) = made(**options).evaluation_batches("test", 12)
        return batch.truth["pixels"]

    assert shown(drawn_from=1).equal(shown(drawn_from=1))
    assert not shown(drawn_from=1).equal(shown())


def test_categories_mean_the_same_in_all_scenes():
    (batch,) = made().evaluation_batches("test", 12)
    kinds = made().categories(batch)
    part, ink = batch.truth["part"], batch.truth["part"] > 0
    assert sorted(kinds["kind of part"].unique().tolist()) == [0, 1, 2, 3, 4, 5]
    assert kinds["kind of part"][part == 7].unique().tolist() == [2]  # the second of another whole
    assert (kinds["class of whole"] > 0).equal(ink)


def test_shifts_change_the_test_scenes_alone():
    plain = made()
    for shift in ("rotated", "crowded", "ambiguous", "noisy"):
        task = made(shift=shift)
        (learnt,), (same,) = (
            task.evaluation_batches("held_out", 12),
            plain.evaluation_batches("held_out", 12),
        )
        assert learnt.state["image"].equal(same.state["image"])
        (test,), (usual,) = (
            task.evaluation_batches("test", 12),
            plain.evaluation_batches("test", 12),
        )
        assert not test.state["image"].equal(usual.state["image"])
        wholes = test.truth["whole"].flatten(1).amax(dim=1)
        assert (wholes == 3).all() if shift == "crowded" else wholes.max() == 2
        assert test.truth["part"].equal(usual.truth["part"]) is (shift == "noisy")
        if shift == "noisy":
            error = test.state["image"] - usual.state["image"]
            assert error.std().isclose(torch.tensor(0.3), atol=0.01)
            assert test.truth["pixels"].equal(usual.state["image"])


def test_losses_are_finite_and_their_gradient_reaches_every_head():
    for strangers in ("places", "images"):
        task = made(**EVERY_TERM, strangers=strangers)
        batch = filled(task.training_batch(HostRNG(0, 0), torch.arange(8)))
        terms = task.loss([batch.state, batch.state], batch)
        names = ["naming", "naming at part", "naming at object", "fill", "agreement", "touching"]
        assert list(terms) == names
        for name, term in terms.items():
            assert term.shape == (8,), name
            assert term.isfinite().all(), name
            assert (term > 0).all(), name
        torch.stack([*terms.values()]).sum().backward()
        for name, weight in task.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.abs().sum() > 0, name


def test_no_loss_knows_parts_or_wholes():
    task = made(**EVERY_TERM)
    batch = filled(task.training_batch(HostRNG(0, 0), torch.arange(8)))
    truth = dict(batch.truth)
    for name in ("part", "whole"):
        shuffled = truth[name].flatten().roll(77).view_as(truth[name])
        assert not shuffled.equal(truth[name])
        truth[name] = shuffled
    told, wanted = (
        task.loss([batch.state], Batch(batch.state, truth)),
        task.loss([batch.state], batch),
    )
    for name, term in wanted.items():
        assert told[name].equal(term), name


def test_a_weight_multiplies_its_term():
    single, double = made(**EVERY_TERM), made(**{**EVERY_TERM, "fill": 1.0, "agreement": 1.4})
    batch = filled(single.training_batch(HostRNG(0, 0), torch.arange(8)))
    once, twice = (task.loss([batch.state], batch) for task in (single, double))
    for name, term in once.items():
        factor = 2 if name in ("fill", "agreement") else 1
        torch.testing.assert_close(twice[name], factor * term)


def test_agreement_teaches_what_foretells_and_not_the_consensus():
    task = made(agreement=1.0, agreement_level="object")
    batch = filled(task.training_batch(HostRNG(0, 0), torch.arange(8)))
    levels = {n: t.clone().requires_grad_() for n, t in batch.state.items()}
    task.loss([batch.state.replace(levels)], batch)["agreement"].sum().backward()
    assert levels["object"].grad is None
    for name in ("part", "scene"):
        grad = levels[name].grad
        assert grad is not None
        assert (grad != 0).any()
        assert not grad.movedim(1, -1)[batch.truth["class"] == 0].any()


def test_levels_that_foretell_each_other_agree_and_constant_ones_do_not():
    task = made(agreement=1.0, agreement_level="object")
    assert task.agreement is not None
    with torch.no_grad():
        task.agreement.heads["scene"].weight.copy_(torch.eye(8))
        task.agreement.heads["part"].weight.copy_(torch.eye(8, 6))
    batch = filled(task.training_batch(HostRNG(0, 0), torch.arange(8)))
    own = batch.state["object"].clone()
    own[:, 6:] = 0
    knowing = batch.state.replace({"object": own, "scene": own, "part": own[:, :6]})
    constant = knowing.map(lambda tensor: torch.ones_like(tensor))
    strange = batch.state.replace({"object": own.roll(1, 0)})
    told, flat, far = (
        task.loss([s], batch)["agreement"].mean() for s in (knowing, constant, strange)
    )
    assert told < 0.5 < flat < far
    # all alike: one guess among the cells that are compared
    assert 0.9 * 4.16 < flat < 4.17


def test_ink_between_cells_is_that_of_the_darker_of_two_pixels_face_to_face():
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 4, 4:8] = torch.tensor([1.0, 0.5, 0.75, 0.25])  # the upper row of two cells
    image[0, 0, 3, 5] = 0.125  # above the first of them
    between = ink_between(made().pixels.cut(image), 2)
    down, across = between[0]
    assert across.nonzero().tolist() == [[2, 2]]
    assert across[2, 2] == 0.5
    assert down.nonzero().tolist() == [[1, 2]]
    assert down[1, 2] == 0.125


def test_cells_that_touch_agree_where_ink_runs_from_one_to_the_other():
    level, everywhere = Level("part", 2), torch.ones(1, 8, 8, dtype=torch.bool)
    halves = torch.zeros(1, 2, 8, 8)
    halves[:, 0, :, :4] = halves[:, 1, :, 4:] = 1
    state = Layout([level]).zeros(1, (8, 8)).replace({"part": halves})
    within = torch.ones(1, 2, 8, 8)
    within[:, 1, :, [3, 7]] = 0  # across the two borders of the halves
    across = 1 - within
    few = everywhere.clone()
    few[:, :, 4:] = False
    agreeing = Touching(level, temperature=0.1, apart=0)
    assert agreeing(state, everywhere, within).abs() < 0.01
    torch.testing.assert_close(
        agreeing(state, everywhere, across).item(), -math.log(DOUBT), atol=0.01, rtol=0
    )
    assert agreeing(state, few, across) == 0  # the other cell does not count
    assert agreeing(state, everywhere, 0 * across) == 0
    against = Touching(level, temperature=0.1, apart=4)
    # rows 4 away, and of the columns those 4 away, which are of the other kind
    same = 4
    torch.testing.assert_close(
        against(state, everywhere, within).item(), math.log1p(same), atol=0.1, rtol=0
    )
    one_kind = state.replace({"part": halves.mean(dim=(2, 3), keepdim=True) + 0 * halves})
    assert against(one_kind, everywhere, within) > against(state, everywhere, within)


def test_metrics_count_wholes_by_the_vote_of_their_cells():
    task = made(wholes=(2, 2))
    (batch,) = task.evaluation_batches("held_out", 12)
    with torch.no_grad():
        task.naming.head.weight.copy_(torch.eye(CLASSES + 1, 8))
        task.naming.head.bias.zero_()
    labels, whole = batch.truth["class"], batch.truth["whole"]

    def shares(said):
        level = torch.nn.functional.one_hot(said, 8).movedim(-1, 1).float()
        found = task.measure(batch.state.replace({"scene": level}), batch)
        return {n: (s.part.sum() / s.whole.sum()).item() for n, s in found.items()}

    assert set(shares(labels).values()) == {1.0}
    half = shares(torch.where(whole == 1, labels, 0))
    assert half["wholes right"] == 0.5
    assert half["background right"] == 1
    assert 0.3 < half["cells right"] < 0.7
    assert set(shares((labels > 0) * (labels % CLASSES + 1)).values()) == {0.0, 1.0}
    assert set(shares(torch.zeros_like(labels)).values()) == {0.0, 1.0}


def test_a_picture_is_as_large_as_the_grid_and_shows_background_grey():
    task = made()
    (batch,) = task.evaluation_batches("test", 12)
    with torch.no_grad():
        task.naming.head.weight.zero_()
        task.naming.head.bias.copy_(torch.tensor([1.0] + [0.0] * CLASSES))
    picture = task.picture(batch.state)
    assert picture.shape == (12, 3, 16, 16)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.amax(dim=1).equal(picture.amin(dim=1))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"wholes": (2, 1)}, "wholes is [2, 1]."),
        ({"side": 30, "patch": 4}, "side does not fit patch = 4; image is a level of 4"),
        ({"deep": {"middle": 1.0}}, "[deep] middle is no such level."),
        ({"fill": 1.0, "fill_level": "middle"}, "there is no level 'middle'."),
        ({"rotation": (0.5, 0.1)}, "rotation is [0.5, 0.1]."),
        ({"agreement": 1.0, "agreement_level": "image"}, "there is no level 'image'."),
        ({"agreement": 1.0, "read": "image"}, 'read is "image".'),
    ],
)
def test_what_cannot_work_is_refused(options, fault):
    with pytest.raises(NCAError) as caught:
        made(**options)
    assert fault in str(caught.value)


def test_agreement_needs_two_levels_that_are_written_to():
    with pytest.raises(ShapeError, match='there is no level beside "top"'):
        made(layout=Layout([Level("image", 4, input=True), Level("top", 4)]), agreement=1.0)


def test_settings_stay_as_they_are_when_the_test_shifts():
    task = made(shift="noisy", removal=0.1)
    assert task.settings["train"] == Settings(removal=0.1)
    assert task.settings["test"] == replace(task.settings["train"], noise=0.3)
