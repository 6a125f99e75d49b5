"""A film before the cells: read in order, dark where nothing is, and never started anew."""

import pytest
import torch
from observed import Observed
from PIL import Image
from tiny import PLUGIN, RECIPE

from nca import NCAError, rollout_frames
from nca.checkpoint.file import Checkpoint, weights
from nca.checkpoint.read import read_recipe
from nca.checkpoint.trained import Trained
from nca.errors import NCAWarning
from nca.registry.discovery import load_file
from nca.render.film_input import demand_input, read_frames, screen


@pytest.fixture
def trained(tmp_path, monkeypatch) -> Trained:
    """The tiny recipe with weights drawn by chance, since those of the beginning stand still."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blobs.py").write_text(PLUGIN)
    (tmp_path / "tiny.toml").write_text(RECIPE)
    load_file(tmp_path / "blobs.py")
    recipe = read_recipe("tiny.toml")
    automaton, task = recipe.automaton(), recipe.task()
    with torch.no_grad():
        for number, weight in enumerate([*automaton.parameters(), *task.parameters()]):
            weight.normal_(generator=torch.Generator().manual_seed(number))
    told = weights(automaton=automaton, task=task)
    Checkpoint(name="tiny", recipe=recipe.text, tensors=told).write(tmp_path / "tiny.safetensors")
    found = Trained.load("tiny.safetensors", torch.device("cpu"))
    found.prepare(None, None)  # pyright: ignore[reportArgumentType]
    return found


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    for number in (10, 9, 1):
        Image.new("L", (2, 2), number).save(tmp_path / f"frame {number}.png")
    (tmp_path / "notes.txt").touch()
    with pytest.warns(NCAWarning, match="not taken for pictures: notes.txt"):
        frames = read_frames(tmp_path, (4, 4))
    assert [round(frame.max().item() * 255) for frame in frames] == [1, 9, 10]
    assert {tuple(frame.shape) for frame in frames} == {(3, 4, 4)}


def test_what_is_transparent_or_beside_a_frame_is_dark(tmp_path):
    frame = Image.new("RGBA", (4, 2), (255, 0, 0, 255))
    frame.putpixel((0, 0), (255, 255, 255, 0))
    frame.save(tmp_path / "wide.png")
    (read,) = read_frames(tmp_path / "wide.png", (4, 4))
    expected = torch.zeros(3, 4, 4)
    expected[0, 1:3] = 1
    expected[:, 1, 0] = 0
    assert read.equal(expected)


def test_every_frame_of_an_animation_counts_once(tmp_path):
    shades = [Image.new("L", (2, 2), shade) for shade in (0, 100, 200)]
    shades[0].save(
        tmp_path / "film.gif", save_all=True, append_images=shades[1:], duration=[20, 900, 50]
    )
    read = read_frames(tmp_path / "film.gif", (2, 2))
    assert [round(frame.max().item() * 255) for frame in read] == [0, 100, 200]


@pytest.mark.parametrize("cut", [10, 40])
def test_a_broken_frame_is_named(tmp_path, cut):
    noise = Image.effect_noise((64, 64), 90)
    noise.save(tmp_path / "1.png")
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "2.png").write_bytes(whole[: len(whole) * cut // 100])
    with pytest.raises(NCAError, match="the picture cannot be read") as fault:
        read_frames(tmp_path, (8, 8))
    assert fault.value.where.startswith(str(tmp_path / "2.png"))


def test_cells_carry_on_what_they_hold_from_frame_to_frame(trained):
    frames = list(torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)))
    observed = Observed()
    states = [batch.state for batch in screen(trained, frames, 2, 2, observed)]
    assert [state.step for state in states] == [2, 4, 6]
    assert observed.steps == [0, 1, 2, 3]

    batch = next(iter(trained.task.evaluation_batches("test", 2)))
    mean, deviation = trained.task.normalise
    grey = [frame.mean(dim=0).expand(2, 1, 8, 8) for frame in frames]
    shown = [{"image": (one - mean) / deviation} for one in grey]
    with torch.no_grad():
        expected = rollout_frames(trained.automaton, batch.state, shown, 2)
        fresh = rollout_frames(trained.automaton, batch.state, shown[2:], 2)
    for state, wanted in zip(states, expected, strict=True):
        torch.testing.assert_close(dict(state), dict(wanted))
    assert not torch.allclose(states[-1]["body"], fresh[-1]["body"])
    assert not torch.equal(states[-1]["body"][0], states[-1]["body"][1])  # randomness of their own


def test_a_task_that_looks_at_pictures_is_let_through(trained):
    demand_input(trained)
    trained.task.roles = ("start",)
    with pytest.raises(NCAError, match="takes no picture as input"):
        demand_input(trained)
