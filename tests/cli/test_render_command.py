"""`nca render`: what it draws, where, and what it says when it cannot."""

import pytest
import torch
from extras import needs_video
from PIL import Image, ImageSequence
from robustness_case import saved

from nca import Batch
from nca.checkpoint.trained import Trained
from nca.render.animation import ENCODERS
from nca.render.palettes import CLASS_COLOURS


@pytest.fixture
def case(here):
    return saved("regrow", here / "case.safetensors").name


def frames(path):
    with Image.open(path) as film:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]


@pytest.mark.parametrize(
    "ending", [pytest.param(e, marks=needs_video) if e == ".mp4" else e for e in ENCODERS]
)
def test_every_format_is_written_from_the_command_line(nca, case, here, ending):
    out = f"film{ending}"
    given = ["--steps", "6", "--damage", "2:half:0.5:left", "--scale", "4"]
    result = nca("render", case, "--out", out, *given)
    assert (result.code, result.out) == (0, f"{out}\n"), result.err
    assert (here / out).stat().st_size > 200


def test_damage_is_seen_at_its_step_and_heals(nca, case, here):
    given = ["--steps", "6", "--samples", "1", "--scale", "2", "--rate", "10"]
    nca("render", case, "--out", "a.apng", *given, "--damage", "2:half:0.5:left")
    film = frames(here / "a.apng")
    # whole, whole, cut, 0.25, 0.5, 0.75, whole; the words above differ throughout
    left = [frame.getpixel((10, 30))[0] for frame in film]
    right = [frame.getpixel((20, 30))[0] for frame in film]
    assert len(film) == 7
    assert left[:3] == [255, 255, 0]
    assert left[2] < left[3] < left[4] < left[5] < left[6] == 255
    assert right == [255] * 7


def test_what_a_gif_leaves_out_is_said_once(nca, case, here):
    given = ["--out", "fast.gif", "--steps", "11", "--samples", "1", "--rate", "100"]
    result = nca("render", case, *given)
    assert result.err.count("at most 50 frames per second of a GIF") == 1
    with Image.open(here / "fast.gif") as film:
        lasts = [frame.info["duration"] for frame in ImageSequence.Iterator(film)]
    assert lasts == [20] * 6
    assert nca("render", case, *given[:-1], "nan").code != 0


def test_a_wide_stage_is_drawn_with_many_seeds(nca, here, case):
    given = ["--size", "10x40", "--seeds", "3", "--scale", "1", "--steps", "1", "--every", "1"]
    result = nca("render", case, "--out", "wide.png", *given)
    assert result.code == 0, result.err
    with Image.open(here / "wide.png") as sheet:
        assert sheet.width > 80
    assert nca("render", case, "--size", "4x4").code == 1
    assert "cannot be set on a stage of [4, 4]" in nca("render", case, "--size", "4x4").err


def test_a_stage_needs_an_automaton_without_input(nca, done):
    result = nca("render", "done", "--plugin", "blobs.py", "--size", "20x20")
    assert result.code == 1
    assert "to do:  use an automaton that grows without input" in result.err


def test_channels_and_levels_are_chosen(nca, done, here):
    given = ["--plugin", "blobs.py", "--samples", "2", "--steps", "3", "--every", "3"]
    given += ["--scale", "1"]
    assert nca("render", "done", *given, "--channels", "0", "--level", "image").code == 0
    with Image.open(here / "tiny.png") as sheet:
        grey = {pixel for _, pixel in sheet.getcolors()}
    assert all(r == g == b for r, g, b in grey)
    for chosen in (["--level", "body"], ["--level", "body", "--channels", "0,1,2"]):
        assert nca("render", "done", *given, *chosen).code == 0
    wrong = nca("render", "done", *given, "--level", "body", "--channels", "0,9,1")
    assert wrong.code == 1
    assert "channels 0, 9, 1 of level 'body' make no picture." in wrong.err
    assert "there is no level 'bod'" in nca("render", "done", *given, "--level", "bod").err


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["--damage", "disc:0.2"], 1, "write it like 60:disc:0.2"),
        (["--damage", "2:disk:0.2"], 1, "did you mean `disc`?"),
        (["--damage", "99:disc:0.2", "--steps", "4"], 1, "run longer: --steps 99"),
        (["--turn", "2:90"], 1, "none of the rules has an angle"),
        (["--size", "wide"], 2, "128x512"),
        (["--channels", "red"], 2, "0,1,2"),
    ],
)
def test_what_cannot_be_drawn_is_told(nca, case, here, given, code, words):
    result = nca("render", case, *given)
    assert result.code == code
    assert words in result.err
    assert not list(here.glob("*.png"))


def test_a_turn_is_drawn(nca, done, here):
    given = ["--plugin", "blobs.py", "--steps", "4", "--every", "4", "--level", "body"]
    assert nca("render", "done", *given, "--turn", "1:90", "--out", "a.png").code == 0
    assert torch.is_grad_enabled()
    assert (here / "a.png").is_file()


def test_a_film_of_classes_has_frames_of_one_size_and_a_legend_in_each(nca, done, here):
    given = ["--plugin", "blobs.py", "--steps", "12", "--samples", "3", "--scale", "3"]
    result = nca("render", "done", *given, "--out", "a.apng")
    assert result.code == 0, result.err
    film = frames(here / "a.apng")
    assert len(film) == 13
    dark, light = CLASS_COLOURS[:2].mul(255).round().int().tolist()
    for frame in film:
        foot = {colour for _, colour in frame.crop((0, frame.height - 20, 200, 999)).getcolors()}
        assert {tuple(dark), tuple(light)} <= foot


def test_a_sheet_says_what_was_right(nca, done, here, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "nca.render.sheet.write_words", lambda pen, place, words: seen.append(words)
    )
    given = ["--plugin", "blobs.py", "--steps", "3", "--every", "3", "--samples", "2"]
    assert nca("render", "done", *given, "--out", "a.png").code == 0
    trained = Trained.load("done", torch.device("cpu"))
    trained.prepare(None)
    batch = trained.task.first_evaluation_batch("test", 2)
    with torch.no_grad():
        state = trained.automaton.finish(trained.automaton.rollout(batch.state, 3))
    said = torch.stack([one.share for one in trained.task.votes(Batch(state, batch.truth))])
    names = ["dark", "light"]
    wanted = [
        f"{names[s]} \u2713" if s == t else f"said {names[s]}, is {names[t]}"
        for s, t in zip(said.argmax(0).tolist(), batch.truth["label"].tolist(), strict=True)
    ]
    assert [words for words in seen if "is" in words or "\u2713" in words] == wanted


def test_small_grids_are_drawn_large_enough_to_be_seen_and_that_is_said(nca, case, here):
    for out in ("a.gif", "a.png"):
        given = ["--steps", "2", "--every", "2", "--samples", "1", "--out", out]
        result = nca("render", case, "--size", "20x160", *given)
        assert result.code == 0, result.err
        with Image.open(here / out) as picture:
            assert 400 <= picture.width <= 700
        pixels = 3 if out == "a.gif" else 2
        assert f"note: a cell is drawn {pixels} pixels wide; --scale says" in result.err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--out", "a.webp", "--scale", "900", "--samples", "8"], "at most 16,383 pixels"),
        (["--out", "a.png", "--scale", "999"], "megapixels are drawn"),
        (["--out", "a.gif", "--steps", "999999", "--scale", "9"], "does not fit into the memory"),
        (["--out", "a.psd"], "names no format for writing"),
        (["--out", "no/such/a.png"], "there is no folder no/such"),
        (["--out", "."], "it is a folder"),
        (["--out", "full.png"], "it is a folder"),
        (["--out", "a" * 5000 + ".png"], "File name too long"),
    ],
)
def test_what_could_not_be_written_is_refused_before_any_step(
    nca, case, here, monkeypatch, given, words
):
    def never(*_, **__):
        raise AssertionError("a step was taken")

    (here / "full.png").mkdir()
    monkeypatch.setattr("nca.engine.automaton.Automaton.step", never)
    steps = [] if "--steps" in given else ["--steps", "5"]
    result = nca("render", case, *given, *steps)
    assert result.code == 1
    assert words in result.err
    assert not list(here.glob("a.*"))


def test_fewer_samples_than_were_asked_for_are_said_once(nca, case, here):
    trials = 6
    result = nca("render", case, "--samples", "99", "--steps", "1", "--out", "a.png")
    assert result.err.count(f"hold {trials} samples, fewer than 99: {trials} are taken") == 1
    result = nca("evaluate", case, "--samples", "99", "--steps", "1")
    assert result.err.count(f"hold {trials} samples, fewer than 99: {trials} are taken") == 1
    assert "fewer" not in nca("render", case, "--steps", "1", "--out", "b.png").err


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--columns", "2"], "--columns changes nothing: it is for films of samples"),
        (["--seeds", "2"], "--seeds changes nothing: it needs a stage: --size HxW"),
        (["--show", "levels", "--samples", "2"], "--samples changes nothing: levels are shown"),
        (["--rate", "9"], "--rate changes nothing: it is for films"),
        (["--every", "50"], "--every changes nothing: there are 2 steps"),
    ],
)
def test_an_option_that_changes_nothing_is_named(nca, case, here, given, words):
    result = nca("render", case, "--steps", "2", "--out", "a.png", *given)
    assert result.code == 0, result.err
    assert result.err.count(f"note: {words}") == 1


FILM = ["--plugin", "blobs.py", "--steps-per-frame", "2"]


@pytest.fixture
def film(here):
    """Three frames of 8x8 pixels: dark, grey, light."""
    shades = [Image.new("L", (8, 8), shade) for shade in (0, 128, 255)]
    shades[0].save(here / "film.gif", save_all=True, append_images=shades[1:])
    return "film.gif"


def test_a_film_is_shown_beside_what_the_cells_make_of_it(nca, done, here, film):
    result = nca("render", "done", *FILM, "--frames", film, "--out", "seen.apng", "--scale", "4")
    assert (result.code, result.out) == (0, "seen.apng\n"), result.err
    shown = frames(here / "seen.apng")
    assert [frame.getpixel((6 + 16, 24 + 16))[0] for frame in shown] == [0, 128, 255]
    assert nca("render", "done", *FILM, "--frames", film).out == "tiny.gif\n"
    with Image.open(here / "tiny.gif") as seen:
        assert seen.n_frames == 3


@pytest.mark.parametrize("shown", [[], ["--show", "levels"], ["--level", "body"]])
def test_a_film_becomes_a_still_sheet_that_ends_with_its_last_frame(nca, done, here, shown):
    (here / "many").mkdir()
    for number in range(19):
        Image.new("L", (8, 8), 10 * number).save(here / "many" / f"{number}.png")
    given = ["--frames", "many", "--out", "sheet.png", "--scale", "4", "--samples", "2", *shown]
    assert nca("render", "done", *FILM, *given).code == 0
    with Image.open(here / "sheet.png") as sheet:
        tones = {pixel[0] for _, pixel in sheet.getcolors(1 << 16)}
    assert {180, 150, 120, 90, 60, 30, 0} <= tones  # every third frame, back from the last
    assert not {170, 10} & tones or shown


def test_the_last_frame_is_shown_in_the_terminal(nca, done, film, monkeypatch):
    seen: list = []
    monkeypatch.setattr("nca.render.terminal.why_no_picture", lambda console: "")
    monkeypatch.setattr(
        "nca.render.terminal.print_pictures", lambda _, pictures: seen.extend(pictures)
    )
    result = nca("render", "done", *FILM, "--frames", film, "--out", "-", "--samples", "2")
    assert (result.code, len(seen)) == (0, 3)
    assert seen[0].eq(1).all()
    assert result.err.endswith("tiny, step 6\n")


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (["--frames", "no.gif"], 1, "there is no picture named 'no.gif'."),
        (["--frames", "blobs.py"], 1, "the picture cannot be read."),
        (["--frames", "a" * 5000], 1, "there is no picture named"),
        (["--frames", "void"], 1, "there is no picture in this folder."),
        (["--frames", "film.gif", "--steps", "3"], 2, "leave out --steps"),
        (["--frames", "film.gif", "--turn", "1:9", "--size", "9x9"], 2, "--size and --turn"),
        (["--steps-per-frame", "3"], 2, "it needs a film: --frames FILM"),
    ],
)
def test_a_film_that_cannot_be_shown_is_refused(nca, done, film, here, given, code, words):
    (here / "void").mkdir()
    (here / "void" / "notes.txt").touch()
    result = nca("render", "done", "--plugin", "blobs.py", "--out", "out.gif", *given)
    assert (result.code, result.out) == (code, "")
    assert words in result.err
    assert not (here / "out.gif").exists()


def test_what_macos_leaves_in_a_folder_of_frames_is_passed_over_and_named_once(nca, done, here):
    (here / "many").mkdir()
    for number in range(2):
        Image.new("L", (8, 8), 100 * number).save(here / "many" / f"{number}.jfif", "JPEG")
    (here / "many" / "._0.jfif").write_bytes(b"\0\5\x16\7")
    result = nca("render", "done", *FILM, "--frames", "many", "--out", "out.png")
    assert result.code == 0, result.err
    assert result.err.count("note: many: not taken for pictures: ._0.jfif\n") == 1


def test_a_task_without_input_is_shown_no_film(nca, case, film):
    result = nca("render", case, "--frames", film)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "NCAError: frames cannot be shown: the task takes no picture as input.\n"
        f"  where:  {case}; its task takes pictures as: nothing\n"
        "  to do:  choose a checkpoint whose cells look at pictures\n"
    )


def test_a_name_that_was_not_asked_for_replaces_no_file(nca, case, here):
    given = ["--steps", "1", "--every", "1", "--samples", "1"]
    first = nca("render", case, *given).out.strip()
    (here / first).write_bytes(b"mine")
    second = nca("render", case, *given).out.strip()
    assert second == f"{first.removesuffix('.png')}-2.png"
    assert (here / first).read_bytes() == b"mine"
    assert (here / second).stat().st_size > 200
