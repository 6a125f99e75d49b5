"""Segmentation: masks that are known, measures worked by hand, and pictures of any size."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from nca import SILENT, DataError, HostRNG, Layout, Level, NCAError, State, TaskContext
from nca_plugins.augment import Augment
from nca_plugins.segmentation.drawing import Blobs
from nca_plugins.segmentation.files import pairs, read
from nca_plugins.segmentation.measures import (
    UNKNOWN,
    mask_rightness,
    pixel_cross_entropy,
    soft_dice,
)
from nca_plugins.segmentation.sources import alike
from nca_plugins.segmentation.task import Segmentation
from nca_plugins.segmentation.uncertainty import Opinion, predictions

CPU = torch.device("cpu")


def made(size=(8, 8), patch=2, colours=1, folder=Path(), **options) -> Segmentation:
    torch.manual_seed(0)
    layout = Layout([Level("image", colours * patch**2, input=True), Level("cells", 6)])
    task = Segmentation(TaskContext(layout, size, folder), patch=patch, **options)
    task.prepare(CPU)
    return task


def save(path: Path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def folder_of(root: Path, sizes=((20, 30), (9, 12), (16, 16), (40, 17))) -> Path:
    """Fill two folders: a picture is as bright as 100 times its mask, plus its number."""
    for number, (height, width) in enumerate(sizes):
        mask = np.arange(height * width).reshape(height, width) // 7 % 2
        save(root / "images" / f"p{number}.png", mask * 100 + number)
        save(root / "masks" / f"p{number}.png", mask * 255)
    return root


def test_drawn_pictures_follow_from_their_numbers_and_show_their_masks():
    blobs = Blobs(0, (48, 64))
    images, masks = blobs.draw(torch.arange(6))
    again, same = blobs.draw(torch.tensor([4]))
    assert images.shape == (6, 1, 48, 64)
    assert again[0].equal(images[4])
    assert same[0].equal(masks[4])
    assert 0.1 < masks.double().mean() < 0.5
    inside, outside = (images[:, 0][masks == k].mean() for k in (1, 0))
    assert inside > outside + 0.2
    assert not Blobs(1, (48, 64)).draw(torch.arange(6))[1].equal(masks)


def test_between_touching_blobs_runs_a_seam():
    _, masks = Blobs(0, (64, 64)).draw(torch.arange(20))
    across = masks.unfold(2, 4, 1)
    seams = (across == torch.tensor([1, 0, 0, 1])).all(-1) | (
        across == torch.tensor([1, 0, 1, 1])
    ).all(-1)
    assert seams.sum() > 20


def test_noise_and_light_are_what_they_are_called():
    numbers = torch.arange(8)
    plain, masks = Blobs(0, (32, 32), noise=0.0, light=0.0).draw(numbers)
    dark = plain[:, 0][masks == 0]
    assert dark.std() < 1e-6
    noisy, same = Blobs(0, (32, 32), noise=0.05, light=0.0).draw(numbers)
    assert same.equal(masks)
    assert 0.04 < (noisy - plain)[:, 0][masks == 0].std() < 0.06
    lit = Blobs(0, (32, 32), noise=0.0, light=0.5).draw(numbers)[0]
    assert lit[:, 0][masks == 0].std() > 0.03


def test_dice_iou_and_accuracy_by_hand_where_unknown_pixels_count_nowhere():
    chosen = torch.tensor([[[0, 1, 1, 1, 0]]])
    masks = torch.tensor([[[0, 0, 1, 1, UNKNOWN]]])
    found = {
        n: (s.part / s.whole).item()
        for n, s in mask_rightness(chosen, masks, ("a", "b", "c")).items()
        if s.whole
    }
    assert_close(found["pixels right"], 3 / 4)
    assert_close(found["Dice of a"], 2 * 1 / (1 + 2))
    assert_close(found["Dice of b"], 2 * 2 / (3 + 2))
    assert_close(found["Dice"], (2 / 3 + 4 / 5) / 2)  # c is nowhere, and counts not
    assert_close(found["IoU"], (1 / 2 + 2 / 3) / 2)
    assert "Dice of c" not in found


def test_losses_count_known_pixels_alone_and_vanish_where_all_is_right():
    masks = torch.tensor([[[0, 1], [1, UNKNOWN]]])
    right = 40.0 * torch.nn.functional.one_hot(masks.clamp(min=0), 2).movedim(-1, 1)
    for wrong_at_unknown in (right, right * torch.tensor([1.0, 1.0, 1.0, -1.0]).view(1, 1, 2, 2)):
        assert pixel_cross_entropy(wrong_at_unknown, masks).item() < 1e-6
        assert soft_dice(wrong_at_unknown, masks).item() < 1e-6
    assert pixel_cross_entropy(-right, masks).item() > 10
    assert soft_dice(-right, masks).item() > 0.5


def test_pixels_of_a_cell_lie_where_their_scores_lie():
    task = made()
    batch = next(task.evaluation_batches("test", 3))
    images, _ = task.source.blobs.draw((2 << 24) + torch.arange(3))
    assert_close(task.seen(batch.state), images)
    with torch.no_grad():
        task.head.weight.zero_()
        task.head.bias.zero_()
        task.head.bias[4 + 1] = 1.0  # of class 1, the pixel right of the first
    chosen = task.scores(batch.state).argmax(dim=1)
    assert chosen.shape == batch.truth["mask"].shape
    assert chosen[0, :2, :2].tolist() == [[0, 1], [0, 0]]
    assert task.picture(batch.state).shape == (3, 3, 8, 8)
    assert task.targets(batch).shape == (3, 3, 8, 8)


def test_training_pictures_come_with_the_sample_in_any_batch():
    task = made()
    whole = task.training_batch(HostRNG(0, 0), torch.arange(4))
    part = task.training_batch(HostRNG(0, 0), torch.tensor([2]))
    assert part.state["image"][0].equal(whole.state["image"][2])
    assert part.truth["mask"][0].equal(whole.truth["mask"][2])


def test_a_folder_gives_windows_in_which_every_pixel_counts_once(tmp_path):
    root = folder_of(tmp_path)
    task = made(images=str(root / "images"), masks=str(root / "masks"), held_out=0.25, test=0.25)
    sizes = {n: len(task.source.examples[n]) for n in ("train", "held_out", "test")}
    assert sizes == {"train": 2, "held_out": 1, "test": 1}
    for split in ("held_out", "test"):
        (example,) = task.source.examples[split]
        batches = list(task.evaluation_batches(split, 3))
        known = sum((b.truth["mask"] != UNKNOWN).sum().item() for b in batches)
        blobs = sum((b.truth["mask"] == 1).sum().item() for b in batches)
        assert known == example.mask.numel()
        assert blobs == example.mask.sum()
        assert all(b.state["image"].shape[2:] == (8, 8) for b in batches)
        for batch in batches:  # bright where the mask is, in each window
            seen, mask = task.seen(batch.state)[:, 0], batch.truth["mask"]
            assert (seen[mask == 1] > 0.39).all()
            assert (seen[mask == 0] < 0.1).all()


def test_whole_pictures_are_grids_of_their_own_size(tmp_path):
    root = folder_of(tmp_path)
    where = {"images": str(root / "images"), "masks": str(root / "masks")}
    task = made(**where, whole=True)
    for split in ("held_out", "test"):
        (example,) = task.source.examples[split]
        (batch,) = task.evaluation_batches(split, 3)
        height, width = example.mask.shape
        assert batch.state["image"].shape[2:] == (-(-height // 2), -(-width // 2))
        assert batch.truth["mask"][0, :height, :width].equal(example.mask.long())
        assert task.first_evaluation_batch(split, 2).state["image"].shape[2:] == (8, 8)


def test_a_mask_goes_wherever_its_picture_goes():
    masks = (torch.arange(24).view(1, 1, -1) // 6 % 3).expand(3, 24, 24)
    pictures = masks.unsqueeze(1).float() / 2
    augment = Augment(shift=3, turn=40, scale=0.2, mirror=0.5)
    source = HostRNG(0, 0).cells(torch.arange(3))
    images, changed = alike(augment, (pictures, masks.clone()), 3, source)
    assert not changed.equal(masks)
    assert (changed == UNKNOWN).any()  # what came from beside the frame
    inner = torch.nn.functional.max_pool2d(images, 3, 1, 1) == -torch.nn.functional.max_pool2d(
        -images, 3, 1, 1
    )
    sure = inner.squeeze(1) & (changed != UNKNOWN)
    assert sure.sum() > 300
    assert (changed[sure] == (images.squeeze(1)[sure] * 2).round()).all()


def test_the_pictures_of_a_task_are_augmented_with_their_masks(tmp_path):
    root = folder_of(tmp_path, [(16, 16)] * 4)
    where = {"images": str(root / "images"), "masks": str(root / "masks")}
    task = made(**where, augment=Augment(mirror=1.0))
    batch = task.training_batch(HostRNG(0, 0), torch.arange(2))
    seen, mask = task.seen(batch.state)[:, 0], batch.truth["mask"]
    assert_close(mask[0], task.source.examples["train"][0].mask.long().flip(-1))
    assert (seen[mask == 1] > 0.3).all()


def test_large_pictures_of_a_folder_are_shrunk_with_their_masks(tmp_path):
    for number, (height, width) in enumerate([(200, 300), (300, 200), (12, 16)]):
        values = np.zeros((height, width))
        values[:, width // 2 :] = 1
        save(tmp_path / "images" / f"{number}.png", 200 * values)
        save(tmp_path / "masks" / f"{number}.png", values)
    found = pairs(tmp_path / "images", tmp_path / "masks", "")
    examples = read(found, ("left", "right"), False, SILENT, 30)
    assert [tuple(each.mask.shape) for each in examples] == [(20, 30), (30, 20), (12, 16)]
    for each in examples:
        assert each.image.shape[1:] == each.mask.shape == each.known.shape
        assert torch.equal(each.image[0], 200 * each.mask)  # up to the middle
    folders = {name: str(tmp_path / name) for name in ("images", "masks")}
    task = made(**folders, side=30, held_out=0.3, test=0.3)
    (example,) = task.source.examples["train"]
    assert max(example.mask.shape) <= 30


@pytest.mark.parametrize(
    ("values", "classes"),
    [((0, 1, 2), 3), ((0, 127, 255), 3), ((7, 9), 2), ((0, 1), 2), ((0, 255), 2)],
)
def test_masks_are_numbers_or_as_many_colours_as_classes(values, classes, tmp_path):
    mask = np.asarray(values, dtype=np.uint8)[np.arange(64).reshape(8, 8) % len(values)]
    for number in range(3):
        save(tmp_path / f"a{number}.png", np.zeros((8, 8)))
        save(tmp_path / f"a{number}_mask.png", mask)
    task = made(images=str(tmp_path), classes=tuple("abc"[:classes]))
    expected = torch.arange(64).view(8, 8) % classes
    assert task.source.examples["test"][0].masked.equal(expected)


def test_transparent_pixels_of_a_mask_are_unknown(tmp_path):
    mask = np.zeros((8, 8, 4))
    mask[:4, :, 3] = 255
    for number in range(3):
        save(tmp_path / f"a{number}.png", np.zeros((8, 8)))
        save(tmp_path / f"a{number}_mask.png", mask)
    masked = made(images=str(tmp_path)).source.examples["train"][0].masked
    assert masked[:4].eq(0).all()
    assert masked[4:].eq(UNKNOWN).all()


def test_files_that_do_not_match_are_named(tmp_path):
    root = folder_of(tmp_path)
    (root / "masks" / "p1.png").rename(root / "masks" / "q.png")
    with pytest.raises(DataError, match=r"without a mask: p1.png; masks without a picture: q.png"):
        pairs(root / "images", root / "masks", "")
    save(root / "masks" / "p1.png", np.zeros((3, 3)))
    (root / "masks" / "q.png").unlink()
    where = {"images": str(root / "images"), "masks": str(root / "masks")}
    with pytest.raises(DataError, match=r"another size than its picture: 3x3 and 9x12"):
        made(**where)


def test_masks_of_other_colours_than_classes_are_refused(tmp_path):
    for number in range(3):
        save(tmp_path / f"a{number}.png", np.zeros((8, 8)))
        save(tmp_path / f"a{number}_mask.png", np.arange(64).reshape(8, 8) * 3)
    with pytest.raises(DataError, match=r"64 different colours, and there are 3 classes: a, b, c"):
        made(images=str(tmp_path), classes=("a", "b", "c"))


def test_too_few_pictures_leave_none_to_learn_from(tmp_path):
    root = folder_of(tmp_path, [(8, 8)] * 2)
    with pytest.raises(DataError, match="none is left to learn from"):
        made(images=str(root / "images"), masks=str(root / "masks"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"patch": 3}, "does not fit the 4 channels"),
        ({"read": "image"}, "is the input level"),
        ({"classes": ("a", "a")}, "has a name twice"),
        ({"classes": ("a", "b", "c")}, "drawn pictures show 2"),
        ({"masks": "x"}, "is given without images"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    layout = Layout([Level("image", 4, input=True), Level("cells", 6)])
    with pytest.raises(NCAError, match=said):
        Segmentation(TaskContext(layout, (8, 8), Path()), **{"patch": 2, **options})


def test_a_picture_to_predict_is_a_grid_of_its_own_size():
    task = made(colours=3)
    pictures = torch.rand(2, 4, 13, 21, generator=torch.Generator().manual_seed(0))
    pictures[:, 3] = 1.0
    batch = task.input_batch(pictures)
    assert batch.state["cells"].shape[2:] == (7, 11)
    assert_close(task.seen(batch.state)[:, :, :13, :21], pictures[:, :3])
    assert batch.truth["mask"].eq(UNKNOWN).all()
    found = task.predict([batch.state], batch)
    assert found[0].pictures["mask"].shape == (1, 14, 22)
    assert found[0].error is None
    assert "Dice" not in found[0].values


def test_a_picture_of_a_person_is_laid_over_the_image():
    task = made()
    batch = task.first_evaluation_batch("test", 1)
    picture = torch.full((4, 16, 16), 0.25)
    picture[3] = 0.0
    picture[3, :8] = 1.0
    seen = task.seen(task.apply_picture(batch, picture, "input").state)
    assert_close(seen[:, :, :8], torch.full((1, 1, 8, 16), 0.25))
    assert_close(seen[:, :, 8:], task.seen(batch.state)[:, :, 8:])


def test_the_spread_is_the_deviation_over_rollouts_and_is_judged_by_the_error():
    logit = torch.tensor([0.9, 0.5, 0.5, 0.7]).logit()
    first = torch.stack([torch.zeros(4), logit]).view(1, 2, 1, 4)
    other = torch.stack([torch.zeros(4), torch.tensor([0.9, 0.5, 0.9, 0.1]).logit()])
    opinion = Opinion.of([first, other.view(1, 2, 1, 4)])
    assert_close(opinion.chance[0, 1, 0], torch.tensor([0.9, 0.5, 0.7, 0.4]))
    assert_close(opinion.spread[0, 0], torch.tensor([0.0, 0.0, 0.2, 0.3]), atol=1e-4, rtol=0)
    assert Opinion.of([first] * 3).spread.eq(0).all()
    mask = torch.tensor([[[1, 0, 0, 1]]])  # wrong in the last two, where it is least sure
    (found,) = predictions(opinion, torch.zeros(1, 3, 1, 4), mask, ("a", "b"))
    assert found.error == 0.5
    assert found.values["wrong in the surer half"] == 0.0
    assert found.values["spread with error"] > 0.9
    assert found.pictures["mask"][0].tolist() == [[255, 0, 255, 0]]
    assert found.uncertainty == found.values["spread"]


def test_a_page_shows_the_class_of_a_cell_and_lets_one_draw():
    task = made(patch=1)
    display = task.display()
    assert display.drawing is not None
    assert len(display.drawing.examples) == 6
    state = State({"image": torch.zeros(1, 1, 8, 8), "cells": torch.randn(1, 6, 8, 8)})
    shown = torch.einsum("kc,bchw->bkhw", display.look.weight, state["cells"])
    shown = shown + display.look.bias.view(1, -1, 1, 1)
    assert shown.argmax(dim=1).equal(task.scores(state).argmax(dim=1))
    assert replace(display, look=None).first["image"].mean() == -2.0  # black


TWO = np.arange(256).reshape(16, 16) // 7 % 2
THREE = np.arange(256).reshape(16, 16) // 7 % 3
FLAG = [255, 255, 255, 200, 0, 0, 0, 0, 200]
"""A palette whose order is not that of brightness."""


def palette(mask) -> Image.Image:
    image = Image.new("P", mask.shape[::-1])
    image.putpalette(FLAG + [0] * (768 - len(FLAG)))
    image.putdata(mask.flatten().tolist())
    return image


PLACES = np.arange(256).reshape(16, 16)
SOFT = (1 - 2 * TWO) * (PLACES % 3 * 40)  # added to black, taken from white
MASKS = {
    "16 bits": (THREE, np.uint16, lambda mask: mask, ""),
    "16 bits from black to white": (TWO, np.uint16, lambda mask: mask * 65535, ""),
    "numbers that are none of classes": (THREE, np.uint16, lambda mask: mask * 100, ""),
    "places in a palette": (THREE, None, lambda mask: mask, ""),
    "objects": (TWO, np.uint8, lambda mask: mask * (20 + PLACES // 32), "number their objects"),
    "many objects": (TWO, np.uint16, lambda mask: mask * (1 + 3 * PLACES), "number their objects"),
    "few objects": (TWO, np.uint8, lambda mask: mask * (1 + PLACES // 32), "number their objects"),
    "soft edges": (TWO, np.uint8, lambda mask: mask * 255 + SOFT, ""),
}


@pytest.mark.parametrize("kind", MASKS)
def test_masks_hold_classes_whatever_numbers_a_program_writes(tmp_path, kind, recwarn):
    truth, bits, numbers, said = MASKS[kind]
    (tmp_path / "masks").mkdir()
    for name in "abcd":
        save(tmp_path / "images" / f"{name}.png", np.full((16, 16), 90))
        held = numbers(truth)
        mask = Image.fromarray(held.astype(bits)) if bits else palette(held)
        mask.save(tmp_path / "masks" / f"{name}.png")
    names = ("ground", "blob", "line")[: truth.max() + 1]
    found = read(pairs(tmp_path / "images", tmp_path / "masks", ""), names, False, SILENT)
    assert (found[1].masked.numpy() == truth).all()
    assert [said in str(warning.message) for warning in recwarn] == [True] * bool(said)
