"""Pictures of every kind, through the one reader: same colours, same way up, same refusals."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nca.errors import NCAWarning, PictureError
from nca.render import pictures
from nca.render.picture_files import SUFFIXES
from nca.render.pictures import (
    Picture,
    decode,
    decode_frames,
    fit_to_grid,
    pictures_in,
    read_picture_file,
)
from nca.render.pixels import thinned

BLACK_AND_WHITE = np.array([[0, 255]] * 2, dtype=np.uint8)


def saved(image: Image.Image, form: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    image.save(content, form, **options)
    return content.getvalue()


def two(mode: str) -> Image.Image:
    """Return two columns, black and white, in a mode of Pillow."""
    grey = Image.fromarray(BLACK_AND_WHITE)
    if mode.startswith("I;16"):
        deep = (BLACK_AND_WHITE.astype(np.uint16) * 257).astype(">u2" if mode[4:] else "<u2")
        return Image.frombytes(mode, (2, 2), deep.tobytes())
    if mode == "I":
        return Image.fromarray(BLACK_AND_WHITE.astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(BLACK_AND_WHITE.astype(np.float32) / 255)
    if mode in ("La", "PA", "RGBa"):
        return grey.convert({"La": "LA", "PA": "LA", "RGBa": "RGBA"}[mode]).convert(mode)
    return (
        grey.convert("RGB").convert(mode)
        if mode in ("CMYK", "HSV", "YCbCr")
        else grey.convert(mode)
    )


def read(content: bytes, side: int = 2) -> Picture:
    return decode(content, "it", side=side)


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        *[(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        *[(mode, "TIFF") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")],
        *[(mode, "TIFF") for mode in ("I;16", "I;16B", "F", "RGBX")],
        *[("L", "PPM"), ("I", "PPM"), ("RGB", "BMP"), ("P", "GIF"), ("RGBA", "ICO")],
    ],
)
def test_white_is_white_and_black_black_however_pixels_are_kept(mode, form):
    pixels = read(saved(two(mode), form)).pixels
    assert pixels.shape == (2, 2, 4)
    assert pixels.dtype == np.float32
    assert pixels[:, 0].tolist() == [[0, 0, 0, 1]] * 2
    assert pixels[:, 1].tolist() == [[1, 1, 1, 1]] * 2


@pytest.mark.parametrize("mode", ["PA", "La", "RGBa", "HSV", "YCbCr", "CMYK", "RGBX", "1"])
def test_a_picture_in_memory_may_be_in_any_mode(mode):
    assert Picture.of(two(mode)).pixels[0].tolist() == [[0, 0, 0, 1], [1, 1, 1, 1]]


def test_grey_of_16_bits_keeps_its_steps_and_its_transparent_value():
    deep = Image.fromarray(np.array([[0, 30000, 65535]], dtype=np.uint16))
    pixels = read(saved(deep)).pixels
    np.testing.assert_allclose(pixels[0, :, 0], [0, 30000 / 65535, 1])
    clear = read(saved(deep, transparency=30000))
    assert clear.transparent
    assert clear.pixels[0, :, 3].tolist() == [1, 0, 1]


def test_tags_of_a_tiff_say_what_is_white():
    twelve = Image.fromarray(np.array([[0, 4095]], dtype=np.uint16))
    twelve.tag_v2 = {258: (12,)}  # pyright: ignore[reportAttributeAccessIssue]
    assert Picture.of(twelve).pixels[0, :, 0].tolist() == [0, 1]
    turned = Image.fromarray(np.array([[0, 65535]], dtype=np.uint16))
    found = read(saved(turned, "TIFF", tiffinfo={262: 0})).pixels
    assert found[0, :, 0].tolist() == [1, 0]


def test_numbers_without_a_white_of_their_own_are_spread_and_that_is_said():
    heights = Image.fromarray(np.array([[-50.0, 150.0]], dtype=np.float32))
    with pytest.warns(NCAWarning, match="from -50 to 150, are spread from black to white"):
        assert read(saved(heights, "TIFF")).pixels[0, :, 0].tolist() == [0, 1]
    for numbers in ([[7.0, 7.0]], [[0.0, float("nan")]], [[0.0, float("inf")]]):
        odd = Image.fromarray(np.array(numbers, dtype=np.float32))
        with pytest.raises(PictureError, match="cannot be spread"):
            read(saved(odd, "TIFF"))


def test_colours_of_16_bits_are_said_to_be_read_with_8():
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = b"\0" + struct.pack(">6H", 0, 0, 0, 65535, 65535, 65535)
    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    whole = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b"")]
    with pytest.warns(NCAWarning, match="it: its colours of 16 bits are read with 8"):
        pixels = read(b"\x89PNG\r\n\x1a\n" + b"".join(whole)).pixels
    assert pixels[0, :, 0].tolist() == [0, 1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("form", "large"), [("JPEG", 0), ("PNG", 0), ("TIFF", 0), ("JPEG", 1)])
def test_a_picture_stands_as_its_camera_was_held(monkeypatch, orientation, form, large):
    from PIL import ImageOps

    block = Image.new("L", (32, 16))
    block.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(block.convert("RGB"), form, exif=exif)
    with Image.open(io.BytesIO(content)) as opened:
        expected = ImageOps.exif_transpose(opened).convert("L")
    if large:
        monkeypatch.setattr(pictures, "LARGE", 0)
    seen = decode(content, "it", side=4 if large else 99).pixels[..., 0]
    times = expected.width // seen.shape[1]
    small = expected.resize(
        (expected.width // times, expected.height // times), Image.Resampling.BOX
    )
    assert np.abs(seen - np.asarray(small) / 255).max() < 0.1


def test_of_an_animation_the_first_frame_is_taken_and_that_is_said():
    shades = [Image.new("L", (2, 2), shade) for shade in (10, 100, 200)]
    film = saved(shades[0], "GIF", save_all=True, append_images=shades[1:])
    with pytest.warns(NCAWarning, match="it: the first of its 3 pictures is taken"):
        assert round(read(film).pixels.min() * 255) == 10
    shown = decode_frames(film, "it", lambda one: round(one.pixels[0, 0, 0] * 255), side=2)
    assert shown == [10, 100, 200]


def test_a_photograph_with_its_preview_is_one_picture():
    pair = saved(
        Image.new("RGB", (8, 8), "red"),
        "MPO",
        save_all=True,
        append_images=[Image.new("RGB", (4, 4))],
    )
    assert read(pair).pixels.shape == (8, 8, 4)
    assert len(decode_frames(pair, "it", lambda one: one, side=8)) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is an EPS"),
        (b"%PDF-1.7", "it is a PDF"),
        (b'\xef\xbb\xbf <SVG xmlns="x"/>', "it is an SVG"),
        (b"<!DOCTYPE html><p>404", "it is a page of HTML"),
        (b"\0\0\0\x18ftypheic", "it is a HEIC"),
        (b"8BPS\0\1", "it is a file of Photoshop"),
        (b"\0\5\x16\7\0\2\0\0", "a side file that macOS keeps"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"hello", "it is none of the formats that are read"),
        (saved(Image.effect_noise((64, 64), 90))[:900], "truncated"),
    ],
)
def test_what_is_refused_is_named(content, reason):
    with pytest.raises(PictureError, match=r"the picture cannot be read\.") as caught:
        read(content)
    assert reason in caught.value.where
    assert caught.value.where.startswith("it: ")
    assert "PNG, JPEG" in caught.value.to_do


@pytest.mark.parametrize("form", ["EPS", "PDF", "SPIDER", "TGA", "SGI", "JPEG2000", "MSP", "PCX"])
def test_no_other_format_is_opened(form):
    with pytest.raises(PictureError):
        read(
            saved(
                Image.new("1" if form == "MSP" else "F" if form == "SPIDER" else "RGB", (9, 9)),
                form,
            )
        )


def header(width: int, height: int) -> bytes:
    """Return a PNG that claims to be large and is not."""
    small = saved(Image.new("L", (1, 1)))
    import zlib

    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + small[24:29]
    return small[:12] + head + zlib.crc32(head).to_bytes(4, "big") + small[33:]


@pytest.mark.parametrize(("width", "said"), [(15_001, "151"), (20_000, "200"), (60_000, "600")])
def test_what_is_too_large_says_how_large_it_is(width, said):
    with pytest.raises(PictureError) as caught:
        read(header(width, 10_000))
    assert caught.value.what == f"the picture has {said} megapixels; at most 150 are read."


def test_a_picture_that_no_memory_holds_is_refused_as_a_picture(monkeypatch):
    def short(_: Image.Image) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", short)
    content = io.BytesIO()
    Image.new("L", (4, 4)).save(content, "PNG")
    with pytest.raises(PictureError, match="takes more memory than there is"):
        decode(content.getvalue(), "long.png", side=4)


def test_a_large_picture_is_thinned_out_as_a_small_one_would_be(monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (90, 130, 4), dtype=np.uint8)
    noise[..., 3] = np.where(noise[..., 3] > 60, 255, 0)
    content = saved(Image.fromarray(noise))
    monkeypatch.setattr(pictures, "LARGE", 100)
    seen = decode(content, "it", side=8).pixels  # blocks of 4: 32 columns and a half one
    assert seen.shape == (23, 33, 4)
    block = noise[4:8, 8:12].astype(float) / 255
    cover = block[..., 3].mean()
    expected = (block[..., :3] * block[..., 3:]).mean(axis=(0, 1)) / cover
    np.testing.assert_allclose(seen[1, 2], [*expected, cover], atol=1e-6)
    edge = noise[88:, 128:, 3].astype(float).mean() / 255
    assert seen[-1, -1, 3] == pytest.approx(edge)


@pytest.mark.parametrize("size", [(1 << 22, 2), (2, 1 << 22), (3001, 2001)])
def test_a_picture_of_any_shape_is_thinned_out_part_by_part(size):
    image = Image.new("L", size, 100)
    image.paste(200, (0, 0, size[0] // 2, size[1]))
    pixels = thinned(image, None, 1000)
    assert pixels.shape[:2] == (-(-size[1] // 1000), -(-size[0] // 1000))
    np.testing.assert_allclose(pixels[0, 0, 0], 200 / 255 if size[0] > 2 else 150 / 255, atol=1e-6)
    np.testing.assert_allclose(pixels[..., 3], 1)


def test_a_webp_that_claims_a_huge_canvas_is_refused_before_it_is_opened(monkeypatch):
    film = saved(
        Image.new("RGB", (4, 4)),
        "WEBP",
        save_all=True,
        append_images=[Image.new("RGB", (4, 4), "red")],
    )
    huge = film[:24] + (0xFFFF).to_bytes(3, "little") * 2 + film[30:]
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(PictureError, match="has 4,295 megapixels; at most 150"):
        read(huge)


def test_every_page_of_a_tiff_is_measured(monkeypatch):
    pages = [Image.new("L", (4, 4)), Image.new("L", (40, 40))]
    film = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    monkeypatch.setattr(pictures, "MOST_PIXELS", 1000)
    with pytest.raises(PictureError, match="megapixels; at most"):
        decode_frames(film, "it", lambda one: one, side=4)


@pytest.mark.parametrize(("form", "side", "most"), [("PNG", 5000, 200), ("JPEG", 10_000, 60)])
def test_large_pictures_take_little_memory(tmp_path, form, side, most):
    path = tmp_path / "huge"
    Image.new("RGB", (side, side), "white").save(path, form)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from nca.render.pictures import decode, read_picture_file\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "picture = decode(read_picture_file(Path(sys.argv[1])), 'it', side=40)\n"
        "assert picture.pixels.min() == 1, picture.pixels.min()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) < 1000 * most, "kB"


def test_a_folder_gives_its_pictures_and_names_what_it_leaves_out(tmp_path):
    names = ["a10.JFIF", "a9.jpe", "a1.Tif", "b.PNG"]
    for name in [*names, "._a9.jpe", ".DS_Store", "Thumbs.db", "notes.txt", "x.eps", "y.svg"]:
        (tmp_path / name).touch()
    (tmp_path / "more.png").mkdir()
    with pytest.warns(NCAWarning) as said:
        found = pictures_in(tmp_path)
    assert [path.name for path in found] == ["a1.Tif", "a9.jpe", "a10.JFIF", "b.PNG"]
    (one,) = said
    left = ".DS_Store, ._a9.jpe, Thumbs.db, more.png, notes.txt and 2 more"
    assert str(one.message) == f"{tmp_path}: not taken for pictures: {left}"


def test_every_suffix_that_pillow_gives_a_format_is_known():
    Image.init()
    for form, suffixes in SUFFIXES.items():
        theirs = {s for s, f in Image.registered_extensions().items() if f == form}
        assert theirs - {".pfm"} <= set(suffixes), form


def test_files_that_are_none_are_refused_with_what_they_are(tmp_path):
    import os

    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "1.png").touch()
    os.mkfifo(tmp_path / "pipe.png")

    def refusal(path: Path) -> PictureError:
        with pytest.raises(PictureError) as caught:
            read_picture_file(path)
        return caught.value

    folder = refusal(tmp_path / "film")
    assert folder.what == "film is a folder, not a picture."
    assert folder.where.endswith("pictures in that folder: 1.png")
    assert refusal(tmp_path / "pipe.png").what == "'pipe.png' is no ordinary file."
    assert "did you mean `pipe.png`" not in refusal(tmp_path / "pipes.png").to_do
    for name in ("nul\0.png", "a" * 5000 + ".png", "no/where.png"):
        assert re.search("no picture named|folder does not exist", refusal(tmp_path / name).what)
    with pytest.raises(PictureError, match="the folder cannot be read: Not a directory"):
        pictures_in(tmp_path / "pipe.png")


def test_a_file_that_is_too_long_is_not_read(tmp_path):
    with (tmp_path / "long.png").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(PictureError, match="it has more than 1,073,741,824 bytes"):
        read_picture_file(tmp_path / "long.png")


def test_a_picture_keeps_its_proportions_on_a_grid():
    picture = Picture.of(Image.new("RGB", (8, 4), "white"))
    sheet = fit_to_grid(picture, (4, 4))
    expected = torch.zeros(4, 4, 4)
    expected[:, 1:3] = 1
    assert sheet.equal(expected)
