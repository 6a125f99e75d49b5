"""Scenes of ellipses are what they claim to be, whoever asks for them in whatever order."""

import math

import pytest
import torch

from nca_plugins.part_whole.drawing import scenes, type_of, whole_of
from nca_plugins.part_whole.gallery import Gallery
from nca_plugins.part_whole.scenes import (
    APART,
    CLASSES,
    PARTS,
    REACH,
    Settings,
    arrange,
    arrangements,
)

NUMBERS = torch.arange(200)
CROWDED = Settings().shifted("crowded")


def drawn(settings=Settings(), numbers=NUMBERS):  # noqa: B008 - frozen
    return scenes(settings, 0, numbers)


def turns(settings):
    """Return the turn of each whole, found again in where its parts are."""
    found = arrange(settings, 0, NUMBERS)
    high = settings.wholes[1]
    there = found.classes > 0
    centres = found.centres.unflatten(1, (high, PARTS))[there]
    centres = centres - centres.mean(dim=1, keepdim=True)
    own = arrangements()[0][found.classes[there] - 1]
    own = own - own.mean(dim=1, keepdim=True)
    matrix = torch.linalg.lstsq(own, centres).solution.mT
    torch.testing.assert_close(own @ matrix.mT, centres)
    # a matrix is a turn after scale and shear, and what becomes of (1, 0) shows the turn alone
    return torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]).abs()


def test_a_scene_depends_on_its_number_alone():
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    for settings in (Settings(), Settings(ambiguity=0.5, removal=0.5), CROWDED):
        together, shuffled = drawn(settings), drawn(settings, order)
        for name, tensor in vars(together).items():
            assert getattr(shuffled, name).equal(tensor[order]), name
        alone = drawn(settings, torch.tensor([7]))
        assert alone.images[0].equal(together.images[7])
    assert len(together.images.flatten(1).unique(dim=0)) == 200


def test_another_random_seed_gives_other_scenes():
    assert not scenes(Settings(), 1, NUMBERS[:8]).images.equal(drawn(numbers=NUMBERS[:8]).images)


def test_a_gallery_gives_what_is_drawn_whatever_was_asked_before():
    gallery = Gallery(Settings(), 0, 100, 50, torch.device("cpu"))
    for index in (torch.tensor([3]), torch.tensor([9, 3, 3, 0]), torch.arange(50)):
        given, wanted = gallery.scenes(index), drawn(numbers=100 + index)
        for name, tensor in vars(wanted).items():
            assert getattr(given, name).equal(tensor), name


def test_classes_are_arrangements_of_the_same_parts():
    centres, angles = arrangements()
    assert centres.shape == (CLASSES, PARTS, 2)
    assert centres.abs().max() <= REACH
    gaps = torch.cdist(centres, centres) + 9 * torch.eye(PARTS)
    assert gaps.min() >= APART
    assert angles.min() >= 0
    assert angles.max() < math.pi
    between = torch.cdist(centres.flatten(1), centres.flatten(1)) + 9 * torch.eye(CLASSES)
    assert between.min() > APART


@pytest.mark.parametrize("settings", [Settings(), CROWDED], ids=["as learnt", "crowded"])
def test_every_whole_shows_each_part_once(settings):
    shown = drawn(settings)
    parts = shown.parts.long()
    for whole in range(1, settings.wholes[1] + 1):
        there = shown.classes[:, whole - 1] > 0
        for kind in range(1, PARTS + 1):
            mask = (whole_of(parts) == whole) & (type_of(parts) == kind)
            assert mask.flatten(1).any(dim=1).equal(there)
            assert (parts[mask] == PARTS * (whole - 1) + kind).all()


def test_labels_agree_with_each_other_and_with_the_picture():
    shown = drawn()
    parts = shown.parts.long()
    assert (type_of(parts) > 0).equal(parts > 0)
    assert (whole_of(parts) > 0).equal(parts > 0)
    assert shown.images[parts > 0].min() >= 0.25 * 153 - 1
    # a pixel outside is covered by less than a quarter
    assert shown.images[parts == 0].max() < 0.25 * 255
    assert parts.max() == 2 * PARTS


def test_the_wholes_of_a_scene_are_of_different_classes():
    classes = drawn(CROWDED).classes.long()
    assert set(classes.unique().tolist()) == set(range(1, CLASSES + 1))
    assert all(len(row.unique()) == 3 for row in classes)
    count = (drawn().classes > 0).sum(dim=1)
    assert 0.4 < (count == 2).double().mean() < 0.6
    assert set(count.tolist()) == {1, 2}


@pytest.mark.parametrize("settings", [Settings(wholes=(1, 2)), CROWDED, Settings(wholes=(4, 4))])
def test_boxes_hold_their_wholes_and_do_not_overlap(settings):
    ellipses = arrange(settings, 0, NUMBERS)
    there = ellipses.classes > 0
    least, most = ellipses.boxes.unbind(dim=2)
    assert least[there].min() >= -1 - 1e-9
    assert most[there].max() <= 1 + 1e-9
    reach = ellipses.shapes.square().sum(dim=-1).sqrt()
    whole = torch.arange(settings.wholes[1]).repeat_interleave(PARTS)
    inside = (ellipses.centres - reach >= least[:, whole] - 1e-9) & (
        ellipses.centres + reach <= most[:, whole] + 1e-9
    )
    assert inside.all(dim=2)[ellipses.present].all()
    for one in range(settings.wholes[1]):
        for other in range(one):
            beside = (least[:, one] >= most[:, other] - 1e-9).any(dim=1)
            beside |= (most[:, one] <= least[:, other] + 1e-9).any(dim=1)
            assert beside[there[:, one] & there[:, other]].all()


def test_parts_touch_in_most_scenes():
    parts = drawn().parts.long()
    touch = torch.zeros(len(parts), dtype=torch.bool)
    for one, other in ((parts[:, 1:], parts[:, :-1]), (parts[..., 1:], parts[..., :-1])):
        same_whole = (whole_of(one) == whole_of(other)) & (one > 0)
        touch |= (same_whole & (one != other)).flatten(1).any(dim=1)
    assert touch.double().mean() >= 0.8


def test_ambiguity_changes_parts_but_not_their_places():
    plain, strayed = (arrange(Settings(ambiguity=a), 0, NUMBERS) for a in (0.0, 0.8))
    assert plain.centres.equal(strayed.centres)
    assert plain.boxes.equal(strayed.boxes)
    assert not plain.shapes.isclose(strayed.shapes).all(dim=(2, 3)).any()
    areas = strayed.shapes.det() / plain.shapes.det()
    assert areas.min() >= 0.25 - 1e-9
    assert areas.max() <= 4 + 1e-9


def test_removal_takes_at_most_one_part_of_a_whole():
    settings = Settings(removal=0.2)
    lacking, full = arrange(settings, 0, torch.arange(1000)), arrange(Settings(), 0, NUMBERS)
    there = lacking.classes > 0
    parts = lacking.present.unflatten(1, (2, PARTS))[there]
    assert set(parts.sum(dim=1).tolist()) == {PARTS - 1, PARTS}
    assert 0.16 < (parts.sum(dim=1) == PARTS - 1).double().mean() < 0.24
    assert (~parts).any(dim=0).all()
    assert full.centres.equal(lacking.centres[:200])
    shown = drawn(settings).parts.long()
    gone = ~lacking.present[:200]
    assert gone.any()
    assert (
        not (shown.unsqueeze(1) == torch.arange(1, 11).view(-1, 1, 1)).any(dim=(2, 3))[gone].any()
    )


def test_turned_wholes_are_turned_further_than_any_that_were_learnt():
    learnt, further = turns(Settings()), turns(Settings().shifted("rotated"))
    assert learnt.max() <= math.pi / 6 + 1e-9
    assert further.min() >= math.pi / 6 - 1e-9
    assert further.max() <= math.pi / 3 + 1e-9
    assert further.max() - further.min() > 0.4


def test_shifts_say_what_they_do():
    plain = Settings()
    assert plain.shifted("none") == plain
    assert plain.shifted("crowded").wholes == (3, 3)
    assert plain.shifted("ambiguous").ambiguity == 0.8
    assert plain.shifted("noisy").noise == 0.3
