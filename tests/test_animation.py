"""Animations, decoded again after they were written."""

import io
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from extras import needs_video
from PIL import Image, ImageSequence

from nca import NCAError, StorageError
from nca.render.animation import ENCODERS, encode, omission, save_animation
from nca.render.limits import check_fits
from nca.render.mp4 import ffmpeg
from nca.render.sheet import crowd, tile

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


def colourful(count=12):
    """Return frames of far more than 256 colours, with white paper and two flat areas."""
    made, random = [], np.random.default_rng(3)
    for number in range(count):
        pixels = random.integers(200, 256, (60, 80, 3), dtype=np.uint8)  # near to white
        pixels[:10] = 255
        pixels[10:14] = (251, 253, 254)
        pixels[14:18] = (0, 69, 135)
        pixels[20, number] = 0
        made.append(Image.fromarray(pixels))
    return made


def test_white_and_large_areas_of_one_colour_keep_it_in_a_gif():
    given = colourful()
    with Image.open(io.BytesIO(encode(iter(given), "film.gif", 10))) as film:
        seen = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert len(seen) == len(given)
    for number, (found, frame) in enumerate(zip(seen, given, strict=True)):
        wanted = np.asarray(frame)
        assert (found[:18] == wanted[:18]).all()
        assert (found[20, number] == 0).all()
        assert np.abs(found.astype(int) - wanted).max() < 60
        assert np.abs(found.astype(int) - wanted).mean() < 8


def test_256_colours_are_all_exact_in_a_gif_and_one_more_are_near():
    shades = np.arange(256, dtype=np.uint8)
    first = Image.fromarray(np.stack([shades, shades // 2, 255 - shades], axis=-1)[None])
    one_more = Image.new("RGB", first.size, (7, 200, 9))
    for frames_, exact in (([first] * 2, True), ([first, one_more], False)):
        with Image.open(io.BytesIO(encode(frames_, "film.gif", 10))) as film:
            found = np.asarray(film.convert("RGB")).astype(int)
        far = np.abs(found - np.asarray(first)).max()
        assert far == 0 if exact else far < 20


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("a.gif", (65_536, 1), "a GIF has at most 65,535 pixels along a side"),
        ("a.webp", (1, 16_384), "a WEBP has at most 16,383 pixels along a side"),
        ("a.mp4", (16_385, 2), "a MP4 has at most 16,384 pixels along a side"),
        ("a.jpg", (65_501, 1), "this one would be 65,501x1"),
        ("a.png", (20_000, 20_000), "at most 134 megapixels are drawn"),
    ],
)
def test_what_a_format_cannot_hold_is_said_before_it_is_encoded(name, size, words):
    with pytest.raises(NCAError, match=words) as caught:
        check_fits(*size, name)
    assert caught.value.where == name
    assert check_fits(100, 100, name) is None


def test_a_film_that_the_memory_cannot_hold_is_refused_unless_it_is_encoded_frame_by_frame():
    with pytest.raises(NCAError, match="3,000 frames of 1,000x1,000 pixels does not fit"):
        check_fits(1000, 1000, "a.gif", frames=3000)
    assert check_fits(1000, 1000, "a.mp4", frames=3000) is None


def test_of_a_film_too_wide_one_frame_is_made():
    made = []

    def wide():
        for number in range(9):
            made.append(number)
            yield Image.new("L", (16_384, 1))

    with pytest.raises(NCAError, match="at most 16,383"):
        encode(wide(), "film.webp", 10)
    assert made == [0]


def script(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return str(path)


@needs_video
def test_an_ffmpeg_without_the_encoder_gives_way_to_one_that_has_it(tmp_path, monkeypatch):
    import imageio_ffmpeg

    lame = script(tmp_path / "lame", "echo ' V..... libopenh264'")
    able = script(tmp_path / "able", "echo ' V..... libx264'")
    monkeypatch.setattr("shutil.which", lambda name: lame)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: able)
    assert ffmpeg() == able


@needs_video
def test_where_no_ffmpeg_will_do_the_reason_of_each_is_given(tmp_path, monkeypatch):
    import imageio_ffmpeg

    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: script(tmp_path / "lame", "exit 0"))
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(broken))
    with pytest.raises(NCAError) as caught:
        ffmpeg()
    assert caught.value.where == (
        f"{tmp_path / 'lame'}: it lacks libx264; {broken}: it cannot be started (Exec format error)"
    )
    assert "pip install 'nca[video]'" in caught.value.to_do
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/no/such")
    with pytest.raises(NCAError) as caught:
        ffmpeg()
    assert caught.value.to_do.startswith("unset IMAGEIO_FFMPEG_EXE, or choose .gif")


@pytest.mark.parametrize(
    ("line", "free", "words"),
    [
        ("kill -9 $$", 1 << 40, "it was ended by SIGKILL"),
        ("exit 7", 1 << 40, "it ended with 7"),
        ("exit 7", 100, "the disk is full"),
        ("exit 0", 1 << 40, "it ended with 1"),
    ],
)
@needs_video
def test_an_ffmpeg_that_ends_without_a_word_has_its_reason_found(
    tmp_path, monkeypatch, line, free, words
):
    program = script(tmp_path / "ffmpeg", line)
    monkeypatch.setattr("nca.render.mp4.ffmpeg", lambda: program)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(NCAError, match=f"ffmpeg gave up: {words}") as caught:
        encode(frames(600, 600), "film.mp4", 10)
    assert ("free some space" in caught.value.to_do) == (free < 1000)


@needs_video
def test_no_room_for_an_mp4_is_a_sentence(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(StorageError, match="the film cannot be encoded: No such file") as caught:
        encode(frames(), "film.mp4", 10)
    assert "TMPDIR" in caught.value.to_do


@needs_video
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


def wandering(count):
    """Return so many frames, of which no two are alike."""
    sheet = Image.new("L", (count, 2))
    made = [sheet.copy() for _ in range(count)]
    for number, frame in enumerate(made):
        frame.paste(255, (number, 0, number + 1, 2))
    return [frame.convert("RGB") for frame in made]


def delays(content):
    """Return the delays that stand in a GIF, in hundredths, and where each frame is white."""
    with Image.open(io.BytesIO(content)) as film:
        read = [(f.info["duration"], f.convert("L").copy()) for f in ImageSequence.Iterator(film)]
    assert all(duration % 10 == 0 for duration, _ in read)
    white = [max(range(f.width), key=lambda x, f=f: f.getpixel((x, 0))) for _, f in read]
    return [round(duration / 10) for duration, _ in read], white


@pytest.mark.parametrize(
    ("rate", "kept", "least", "most"),
    [(10, 120, 10, 10), (30, 120, 3, 4), (50, 120, 2, 2), (60, 100, 2, 2), (999, 6, 2, 2)],
)
def test_a_gif_plays_at_the_rate_that_was_asked_for(rate, kept, least, most):
    lasts, white = delays(encode(iter(wandering(120)), "film.gif", rate))
    assert len(lasts) == kept
    assert (min(lasts), max(lasts)) == (least, most)
    assert sum(lasts) == round(100 * 120 / rate)
    assert (white[0], white[-1]) == (0, 119)
    assert white == sorted(set(white))


def test_one_frame_is_a_gif_at_any_rate():
    for rate in (0.1, 1000):
        with Image.open(io.BytesIO(encode(frames()[:1], "film.gif", rate))) as film:
            assert film.n_frames == 1


@pytest.mark.parametrize("ending", [".apng", ".webp"])
@pytest.mark.parametrize(("rate", "kept", "least"), [(60, 120, 16), (90, 120, 11), (700, 15, 11)])
def test_other_pictures_keep_their_rate_too(ending, rate, kept, least):
    with Image.open(io.BytesIO(encode(wandering(120), f"film{ending}", rate))) as film:
        lasts = [(f.convert("RGB"), f.info["duration"])[1] for f in ImageSequence.Iterator(film)]
    assert sum(lasts) == pytest.approx(round(1000 * 120 / rate))
    assert (len(lasts), min(lasts)) == (kept, least)


def test_what_is_left_out_is_said():
    assert "at most 50 frames per second of a GIF: of 60 some" in omission("film.gif", 60)
    assert "at most 90 frames per second of a WEBP: of 100 some" in omission("film.webp", 100)
    assert omission("film.gif", 50) == omission("film.apng", 90) == omission("film.mp4", 999) == ""


def test_a_picture_that_a_gif_would_show_too_long_is_refused():
    still = frames()[:1] * 66
    assert encode(iter(still), "film.gif", 0.101)
    with pytest.raises(NCAError, match="one picture for 660 seconds"):
        encode(iter(still), "film.gif", 0.1)
    assert encode(iter(wandering(66)), "film.gif", 0.1)


@pytest.mark.parametrize("rate", [0.0, 1e-9, -1.0, 1e9, float("nan"), float("inf")])
@pytest.mark.parametrize("ending", list(ENCODERS))
def test_a_rate_out_of_range_is_refused(ending, rate):
    with pytest.raises(NCAError, match="frames per second") as fault:
        encode(frames(), f"film{ending}", rate)
    assert "0.1 to 1000" in fault.value.to_do


def test_an_unknown_ending_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(NCAError) as fault:
        save_animation(frames(), tmp_path / "film.avi", 10)
    assert fault.value.to_do == "choose among .gif, .apng, .webp, .mp4"
    assert not list(tmp_path.iterdir())
    assert list(ENCODERS) == [".gif", ".apng", ".webp", ".mp4"]


@needs_video
def test_without_ffmpeg_one_is_told_where_to_get_it(tmp_path, monkeypatch):
    import imageio_ffmpeg

    def none():
        raise RuntimeError("no ffmpeg")

    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    with pytest.raises(NCAError, match="an MP4 needs an ffmpeg with the encoder libx264"):
        save_animation(frames(), tmp_path / "film.mp4", 10)
    assert not list(tmp_path.iterdir())


@needs_video
def test_an_ffmpeg_that_fails_is_quoted(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho 'no such codec' >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("nca.render.mp4.ffmpeg", lambda: str(program))
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
