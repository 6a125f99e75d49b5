"""Animations, decoded again after they were written."""

import subprocess

import pytest
import torch
from PIL import Image, ImageSequence

from nca import NCAError
from nca.animation import WRITERS, ffmpeg, save_animation
from nca.render import crowd, tile

COLOURS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250), (250, 0, 250)]


def frames(width=32, height=16):
    """Return frames of one colour each, a white square wandering over them."""
    made = []
    for number, colour in enumerate(COLOURS):
        frame = Image.new("RGB", (width, height), colour)
        frame.paste((255, 255, 255), (4 * number, 0, 4 * number + 4, 4))
        made.append(frame)
    return made


@pytest.mark.parametrize(("ending", "kind"), [(".gif", "GIF"), (".apng", "PNG"), (".webp", "WEBP")])
def test_what_is_written_is_what_was_given(tmp_path, ending, kind):
    path = tmp_path / f"film{ending}"
    save_animation(iter(frames()), path, 10)
    with Image.open(path) as film:
        assert film.format == kind
        assert film.info["loop"] == 0
        seen, lasts = [], []
        for frame in ImageSequence.Iterator(film):
            seen.append(frame.convert("RGB"))
            lasts.append(frame.info["duration"])
    assert len(seen) == 6
    assert lasts == [100] * 6
    for frame, given in zip(seen, frames(), strict=True):
        assert frame.tobytes() == given.tobytes()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_film_has_even_sides_and_every_frame_at_its_rate(tmp_path):
    path = tmp_path / "film.mp4"
    save_animation((frame for frame in frames(33, 15)), path, 5)
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    told = subprocess.run([ffmpeg(), "-i", path, *raw], capture_output=True, check=True)
    assert b"34x16" in told.stderr
    assert b" 5 fps" in told.stderr
    size = 34 * 16 * 3
    assert len(told.stdout) == 6 * size
    for number, colour in enumerate(COLOURS):
        frame = Image.frombytes("RGB", (34, 16), told.stdout[number * size : (number + 1) * size])
        seen = frame.getpixel((28, 12))
        assert max(abs(a - b) for a, b in zip(seen, colour, strict=True)) < 40


def test_equal_frames_last_as_long_as_they_should(tmp_path):
    path = tmp_path / "film.gif"
    save_animation([frames()[0]] * 3 + frames()[1:2], path, 10)
    with Image.open(path) as film:
        lasts = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert sum(lasts) == 400


def test_an_unknown_ending_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(NCAError) as fault:
        save_animation(frames(), tmp_path / "film.avi", 10)
    assert fault.value.to_do == "choose among .gif, .apng, .webp, .mp4"
    assert not list(tmp_path.iterdir())
    assert list(WRITERS) == [".gif", ".apng", ".webp", ".mp4"]


def test_without_ffmpeg_one_is_told_where_to_get_it(tmp_path, monkeypatch):
    import imageio_ffmpeg

    def none():
        raise RuntimeError("no ffmpeg")

    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(NCAError, match="an MP4 needs ffmpeg"):
        save_animation(frames(), tmp_path / "film.mp4", 10)
    assert not list(tmp_path.iterdir())


def test_an_ffmpeg_that_fails_is_quoted(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such codec' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("nca.animation.ffmpeg", lambda: str(program))
    with pytest.raises(NCAError, match="ffmpeg gave up: no such codec"):
        save_animation(frames(600, 600), tmp_path / "film.mp4", 10)
    assert [one.name for one in tmp_path.iterdir()] == ["ffmpeg"]


def test_a_crowd_stands_in_rows():
    pictures = torch.arange(10).view(-1, 1, 1, 1).expand(10, 3, 2, 2) / 10
    sheet = crowd(pictures, "step 3")
    assert [len(row) for row in sheet.rows] == [4, 4, 2]
    assert crowd(pictures, "", 5).image(1).height < sheet.image(1).height
    assert len(crowd(pictures[:8], "").rows) == 1
    assert sheet.rows[1][0].equal(pictures[4])
    assert tile(sheet.rows[0][1], 2).size == (4, 4)
