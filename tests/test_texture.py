"""Textures: patterns that tile, a distance that knows no place, and the task made of both."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from strategies import normal
from torch import Tensor
from torch.testing import assert_close

from nca import (
    TORUS,
    CellRNG,
    HostRNG,
    InitialStateSpec,
    Layout,
    Level,
    OptionError,
    TargetError,
    TaskContext,
    Topology,
)
from nca.render.load import load_texture
from nca_plugins.texture import patterns
from nca_plugins.texture.distance import carried, distance, patch_rows, random_directions
from nca_plugins.texture.task import Texture

PATTERNS = ("weave", "scales", "bubbles", "marble")
DRAW = HostRNG(5, 0)
SOURCE = DRAW.cells(torch.arange(1))


def pattern(name: str, side: int = 24) -> Tensor:
    return load_texture(name, side=side, folder=Path())


def apart(pictures: Tensor, target: Tensor, **options: object) -> Tensor:
    return distance(pictures, target, DRAW, **{"count": 16, "patch": 5, "scales": 3, **options})


def texture(folder: Path = Path(), channels: int = 5, **options: object) -> Texture:
    setting = TaskContext(Layout([Level("body", channels)]), (12, 16), folder, 3)
    task = Texture(setting, **{"target": "weave", "side": 8, **options})
    task.prepare(torch.device("cpu"))
    return task


# patterns


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_continues_across_its_edges(name):
    picture = pattern(name, 48)
    for axis in (1, 2):
        steps = (picture - picture.roll(1, axis)).abs().mean(dim=(0, 3 - axis))
        # the first step is the one across the edge
        assert steps[0] <= 1.05 * steps.max()
        cut = picture.narrow(axis, 0, 41)
        seam = (cut.select(axis, 0) - cut.select(axis, 40)).abs().mean()
        assert seam > steps[0], "a cut that does not fit would have gone unnoticed"


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_the_same_at_every_size_and_fills_its_square(name):
    large, small = pattern(name, 64), pattern(name, 32)
    assert large.shape == (3, 64, 64)
    assert large.std(dim=(1, 2)).max() > 0.1
    reduced = torch.nn.functional.avg_pool2d(large, 2)
    assert (reduced - small).abs().mean() < 0.02
    assert torch.equal(large, pattern(name, 64))


def test_bubbles_do_not_touch():
    placed = patterns._apart(patterns.BUBBLES)
    assert len(placed) > 15
    for number, (centre, radius) in enumerate(placed):
        for other, its in placed[:number]:
            gap = np.hypot(*patterns.away(np.array(centre[0]), np.array(centre[1]), other))
            assert gap > radius + its


def test_a_pattern_takes_no_argument():
    with pytest.raises(TargetError, match="'weave' takes no argument"):
        pattern("weave:3")


# pictures


def test_any_picture_is_taken_whole_and_in_its_proportions(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(6, 9, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = load_texture("a.png", side=9, folder=tmp_path)
    assert_close(picture, torch.from_numpy(pixels).movedim(-1, 0) / 255, rtol=0, atol=1e-6)
    assert load_texture("a.png", side=18, folder=tmp_path).shape == (3, 12, 18)


def test_what_is_transparent_lies_on_white(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (load_texture("a.png", side=8, folder=tmp_path) == 1).all()


def test_a_picture_too_narrow_is_refused(tmp_path):
    Image.new("RGB", (90, 9)).save(tmp_path / "a.png")
    with pytest.raises(TargetError) as refusal:
        load_texture("a.png", side=20, folder=tmp_path)
    assert str(refusal.value) == (
        "the picture is 2 cells high and 20 wide: too narrow for a texture.\n"
        "  where:  target 'a.png' at side 20\n"
        "  to do:  give a greater side, or a picture with 4 cells on both sides"
    )


# distance


def test_directions_are_of_length_one_and_differ():
    drawn = random_directions(SOURCE, "a", 6, 3, 5)
    assert_close(drawn.flatten(1).norm(dim=1), torch.ones(6))
    assert (drawn.flatten(1) @ drawn.flatten(1).T - torch.eye(6)).abs().max() < 0.7
    assert torch.equal(drawn, random_directions(CellRNG(5, 0, torch.arange(1)), "a", 6, 3, 5))
    assert not torch.equal(
        drawn, random_directions(CellRNG(5, 0, torch.arange(1, 2)), "a", 6, 3, 5)
    )


def test_sorted_numbers_are_carried_the_shortest_way():
    ones, others = torch.tensor([[[0.0, 1.0, 5.0]]]), torch.tensor([[[1.0, 2.0, 3.0]]])
    assert carried(ones, others).tolist() == [2.0]  # (1 + 1 + 4) / 3


def test_a_target_of_another_size_is_read_at_as_many_places():
    ones, others = torch.arange(4.0).view(1, 1, 4), torch.arange(8.0).view(1, 1, 8)
    assert carried(ones, others).item() == pytest.approx(
        np.mean([(o - w) ** 2 for o, w in zip(range(4), (0.5, 2.5, 4.5, 6.5), strict=True)])
    )


@given(down=st.integers(-30, 30), across=st.integers(-30, 30))
def test_where_a_pattern_stands_does_not_matter(down, across):
    target = pattern("marble")
    moved = target.roll((down, across), (1, 2))[None]
    for scale in range(3):
        along = random_directions(SOURCE, "a", 8, 3, 5)
        wanted = patch_rows(target[None], along, scale, TORUS)
        assert_close(patch_rows(moved, along, scale, TORUS), wanted, rtol=0, atol=1e-5)


def test_a_pattern_is_near_to_itself_however_often_it_is_repeated():
    target = pattern("weave", 16)
    (itself,) = apart(target.repeat(1, 3, 2)[None], target).tolist()
    # not 0: sorted rows are read between places, and the coarsest scale looks at a quarter
    assert itself < 0.01


def test_a_plain_picture_of_the_mean_is_at_one():
    target = pattern("scales")
    plain = target.mean(dim=(1, 2), keepdim=True).expand(1, 3, 24, 24)
    assert_close(apart(plain, target, scales=2), torch.ones(1))


def test_shuffled_pixels_are_far_though_their_colours_are_right():
    target = pattern("weave", 16)
    order = torch.randperm(256, generator=torch.Generator().manual_seed(0))
    shuffled = target.flatten(1)[:, order].view(1, 3, 16, 16)
    turned = target.rot90(1, (1, 2))[None]
    (itself, noise, other) = (
        apart(picture, target).item() for picture in (target[None], shuffled, turned)
    )
    assert noise > 20 * itself
    assert other > 5 * itself, "directions matter too"


def test_coarse_patches_see_what_fine_ones_do_not():
    # noise has the right grains at the finest scale, and nothing of the stripes
    stripes = torch.zeros(1, 24, 24)
    stripes[:, :, :12] = 0.2
    grains = 0.5 * normal((1, 24, 24), 0).float()
    target, other = stripes + grains, grains.flip(1) + 0.1
    shares = []
    for scale in (0, 2):
        along = random_directions(SOURCE, "a", 16, 1, 5)
        plain = target.mean().expand(1, 1, 24, 24)
        seen = [patch_rows(p, along, scale, TORUS) for p in (other[None], target[None], plain)]
        shares.append((carried(seen[0], seen[1]) / carried(seen[2], seen[1])).item())
    fine, coarse = shares
    assert coarse > 3 * fine


@pytest.mark.parametrize("every", [2, 3])
def test_fewer_looks_see_the_patches_that_stand_there(every):
    picture = normal((1, 1, 12, 12), 0).float()
    along = torch.zeros(1, 1, 5, 5)
    along[0, 0, 2, 2] = 1
    (seen,) = patch_rows(picture, along, 0, TORUS, every, (1, 0)).flatten(1)
    everything = patch_rows(picture, along, 0, TORUS).flatten()
    assert len(seen) == (12 // every) ** 2
    assert (seen[:, None] == everything).any(dim=1).all()
    assert not torch.equal(seen, patch_rows(picture, along, 0, TORUS, every).flatten())


def test_fine_detail_is_sharpened_threefold_and_plain_colour_stays():
    down, across = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
    board = 0.5 + 0.1 * (-1.0) ** (down + across)
    along = torch.zeros(1, 1, 5, 5)
    along[0, 0, 2, 2] = 1
    seen = patch_rows(board.view(1, 1, 8, 8), along, 0, TORUS).flatten()
    assert seen.mean().item() == pytest.approx(0.5, abs=1e-5)
    assert (seen[-1] - seen[0]).item() == pytest.approx(0.6, abs=1e-3)


def test_each_scale_reaches_twice_as_far():
    spot = torch.zeros(1, 1, 64, 64)
    spot[..., 32, 32] = 1
    along = torch.ones(1, 1, 5, 5)
    touched = [
        (patch_rows(spot, along, scale, TORUS).abs() > 1e-6).sum().item() for scale in range(3)
    ]
    # the patch, its sharpening, and the blurs of the finer scales: 2 + 2 + 0, 4 + 4 + 2, 8 + 8 + 6
    assert [round(count**0.5) for count in touched] == [9, 21, 45]


def test_each_picture_is_judged_alone():
    target = pattern("marble")
    pictures = normal((3, 3, 24, 24), 0).float()
    together = apart(pictures, target)
    alone = torch.cat([apart(picture[None], target) for picture in pictures])
    assert_close(together, alone)


def test_pixels_that_follow_the_gradient_become_the_texture():
    target = pattern("weave", 8)
    picture = (0.5 + 0.1 * normal((1, 3, 16, 16), 0).float()).requires_grad_()
    optimiser = torch.optim.Adam([picture], lr=0.03)
    before = apart(picture, target, scales=1).item()
    for step in range(120):
        optimiser.zero_grad()
        distance(picture, target, HostRNG(1, step), count=16, patch=5, scales=1).sum().backward()
        optimiser.step()
    assert apart(picture, target, scales=1).item() < 0.2 * before


def test_a_photograph_is_read_without_wrapping():
    slope = torch.linspace(0, 1, 24).expand(1, 3, 24, 24)
    along = random_directions(SOURCE, "a", 8, 3, 5)
    wrapped = patch_rows(slope, along, 0, TORUS)
    mirrored = patch_rows(slope, along, 0, Topology("reflect"))
    # the jump from 1 to 0 across the edge makes patches that are nowhere in the picture
    assert (wrapped[..., -1] - wrapped[..., 0]).mean() > 2 * (
        mirrored[..., -1] - mirrored[..., 0]
    ).mean()


# task


def test_an_empty_cell_is_grey_and_the_target_has_no_loss():
    task = texture()
    batch = task.training_batch(HostRNG(3, 0), torch.arange(2))
    assert not batch.state["body"].any()
    assert (task.picture(batch.state) == 0.5).all()
    body = torch.zeros(1, 5, 16, 16)
    body[:, :3] = task.pattern.repeat(1, 2, 2) - 0.5
    there = batch.state.select(slice(0, 1)).replace({"body": body})
    assert sum(task.loss([there], batch).values()).item() < 0.02
    assert task.measure(there, batch)["distance"].part.item() < 0.02
    assert task.measure(batch.state, batch)["distance"].part.min() > 0.5


def test_training_draws_new_directions_and_measuring_does_not():
    task = texture(overflow=0.0)
    one, other = (
        replace(task.training_batch(HostRNG(3, 0), torch.arange(2)), draw=HostRNG(3, k))
        for k in range(2)
    )
    state = one.state.replace({"body": normal((2, 5, 12, 16), 0).float() / 3})
    losses = [task.loss([state], batch)["distance"] for batch in (one, other)]
    assert (losses[0] - losses[1]).abs().min() > 1e-4
    assert torch.equal(losses[0], task.loss([state], one)["distance"])
    measured = [task.measure(state, batch)["distance"].part for batch in (one, other)]
    assert torch.equal(*measured)


def test_the_target_is_repeated_until_it_covers_the_grid():
    task = texture()
    shown = task.targets(task.training_batch(HostRNG(3, 0), torch.arange(2)))
    assert torch.equal(shown[1], task.pattern.repeat(1, 2, 2)[:, :12])


def test_a_picture_of_one_colour_is_refused(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    with pytest.raises(TargetError, match="of one colour"):
        texture(tmp_path, target="a.png")


def test_what_overflows_costs_on_every_channel():
    task = texture(overflow=2.0)
    batch = task.training_batch(HostRNG(3, 0), torch.arange(1))
    body = torch.zeros(1, 5, 12, 16)
    body[0, 4] = -3.0
    loss = task.loss([batch.state.replace({"body": body})], batch)
    assert loss["overflow"].tolist() == [4.0]
    assert set(texture(overflow=0.0).loss([batch.state], batch)) == {"distance"}


def test_a_start_of_noise_differs_from_sample_to_sample():
    task = texture(start=InitialStateSpec("uniform", 0.5))
    body = task.training_batch(HostRNG(3, 0), torch.arange(2)).state["body"]
    assert body.max() > 0.4
    assert not torch.equal(body[0], body[1])


def test_a_picture_that_is_not_square_travels_in_the_checkpoint(tmp_path):
    picture = Image.new("RGB", (8, 6), (200, 30, 30))
    picture.paste((10, 90, 90), (0, 0, 4, 6))
    picture.save(tmp_path / "a.png")
    task = texture(tmp_path, target="a.png", tileable=False)
    assert task.pattern.shape == (3, 6, 8)
    other = Texture(task.context, target="gone.png", side=8)
    other.load_state_dict(task.state_dict())
    other.prepare(torch.device("cpu"))
    assert torch.equal(other.pattern, task.pattern)


def test_what_has_been_learnt_may_cover_another_grid():
    task = texture()
    wider = Texture(TaskContext(task.context.layout, (20, 9), Path(), 3), target="gone.png", side=8)
    wider.load_state_dict(task.state_dict())
    wider.prepare(torch.device("cpu"))
    batch = wider.training_batch(HostRNG(3, 0), torch.arange(1))
    assert wider.targets(batch).shape == wider.picture(batch.state).shape == (1, 3, 20, 9)
    assert wider.measure(batch.state, batch)["distance"].part.item() > 0.5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 2}, '2 channels of "body"'),
        ({"patch": 4}, "patch is 4"),
    ],
)
def test_what_cannot_work_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        texture(**options)


@pytest.mark.parametrize(
    "draw", [patterns.weave, patterns.scales, patterns.bubbles, patterns.marble]
)
def test_a_pattern_is_the_same_in_strips_and_at_once(monkeypatch, draw):
    whole = draw("", 12).tobytes()
    monkeypatch.setattr(patterns, "STRIP", 8 * 8 * 12 * 5)  # five rows
    assert draw("", 12).tobytes() == whole


def test_a_large_pattern_takes_no_more_memory_than_its_strips():
    tracemalloc.start()
    patterns.weave("", 512)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 * 8 * patterns.STRIP  # numbers of eight bytes for each point
