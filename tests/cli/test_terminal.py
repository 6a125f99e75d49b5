"""Pictures in a terminal: every cell in its place and colour, and none where nobody looks."""

import io
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from robustness_case import saved
from terminal import before_a_terminal, cells
from torch import Tensor

from nca import State
from nca.checkpoint.file import Checkpoint
from nca.cli.live_picture import LivePicture
from nca.cli.progress import TerminalProgress
from nca.render.terminal import (
    UPPER,
    abreast,
    fit_to_terminal,
    half_blocks,
    print_pictures,
    why_no_picture,
)

BLACK, RED, GREEN, BLUE, WHITE = (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255,) * 3


def painted(*rows: list[tuple[int, int, int]]) -> Tensor:
    return torch.tensor(rows).movedim(-1, 0) / 255


def grey(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).expand(3, -1, -1)


def console(width: int = 40, height: int = 24) -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    return Console(
        file=file, force_terminal=True, color_system="truecolor", width=width, height=height
    )


def printed(one: Console) -> str:
    one.file.flush()
    return one.file.buffer.getvalue().decode()  # pyright: ignore[reportAttributeAccessIssue]


def drawn(pictures: list[Tensor], columns: int, rows: int):
    """Return the characters and colours of each line, as a terminal gets them."""
    one = console()
    one.print(half_blocks(pictures, columns, rows), end="")
    *lines, last = cells(printed(one))
    assert last == []
    return lines


def test_each_character_is_two_cells():
    picture = painted([RED, GREEN], [BLUE, WHITE], [BLACK, RED], [GREEN, GREEN])
    assert drawn([picture], columns=2, rows=2) == [
        [(UPPER, RED, BLUE), (UPPER, GREEN, WHITE)],
        [(UPPER, BLACK, GREEN), (UPPER, RED, GREEN)],
    ]


def test_below_the_last_of_an_odd_number_of_cells_lies_nothing():
    picture = painted([RED, GREEN], [BLUE, WHITE], [BLACK, RED])
    assert drawn([picture], columns=2, rows=2) == [
        [(UPPER, RED, BLUE), (UPPER, GREEN, WHITE)],
        [(UPPER, BLACK, None), (UPPER, RED, None)],
    ]


def test_pictures_stand_beside_each_other_whatever_their_heights():
    high, low = painted([RED], [BLUE], [GREEN]), painted([WHITE], [BLACK])
    space = (" ", None, None)
    assert drawn([low, high], columns=1, rows=2) == [
        [(UPPER, WHITE, BLACK), space, space, (UPPER, RED, BLUE)],
        [space, space, space, (UPPER, GREEN, None)],
    ]


def test_values_are_rounded_and_clipped_and_what_is_no_number_is_black():
    picture = grey([0.5, 2.0], [-1.0, float("nan")])
    half = (128, 128, 128)
    assert drawn([picture], 2, 1) == [[(UPPER, half, BLACK), (UPPER, WHITE, BLACK)]]


def test_a_wide_picture_is_scaled_down_to_the_means_of_whole_blocks():
    picture = grey([0, 1, 1, 1, 0.2], [1, 0, 0, 1, 0.4], [0, 0, 1, 1, 0.6])
    expected = grey([0.5, 0.75, 0.3], [0, 1, 0.6])
    torch.testing.assert_close(fit_to_terminal(picture, columns=4, rows=9), expected)
    torch.testing.assert_close(fit_to_terminal(picture, columns=9, rows=1), expected)
    assert fit_to_terminal(picture, columns=2, rows=9).shape == (3, 1, 2)  # blocks of three
    assert fit_to_terminal(picture, columns=5, rows=2).equal(picture)


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (48, 48), (5, 200), (300, 2)])
@pytest.mark.parametrize("place", [(1, 1), (3, 2), (80, 12)])
def test_a_picture_always_fits_its_place(size, place):
    columns, rows = place
    _, height, width = fit_to_terminal(torch.rand(3, *size), columns, rows).shape
    assert 1 <= width <= columns
    assert 1 <= height <= 2 * rows
    lines = drawn([torch.rand(3, *size)], min(columns, 40), rows)
    assert len(lines) <= rows


def test_a_small_picture_is_enlarged_by_a_whole_number():
    assert fit_to_terminal(grey([0, 1]), columns=5, rows=9).equal(grey([0, 0, 1, 1], [0, 0, 1, 1]))


def test_as_many_stand_abreast_as_fit_at_full_height():
    square = torch.rand(3, 8, 8)
    assert [abreast(square, columns, 4) for columns in (8, 17, 18, 28)] == [1, 1, 2, 3]
    assert abreast(square, 4, 4) == 1


def test_more_pictures_than_a_line_holds_go_below():
    one = console(width=27, height=4)
    print_pictures(one, [torch.ones(3, 8, 8)] * 3)
    lines = ["".join(character for character, *_ in line) for line in cells(printed(one))]
    pair = UPPER * 8 + "  " + UPPER * 8
    assert lines == [*[pair] * 4, "", *[UPPER * 8] * 4, ""]


def test_pictures_need_a_terminal_with_colours_and_unicode():
    assert why_no_picture(console()) == ""
    assert "no terminal" in why_no_picture(Console(file=io.StringIO()))
    lacking = {"no_color": True}, {"color_system": None}
    for given in lacking:
        assert why_no_picture(Console(file=io.StringIO(), force_terminal=True, **given))
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert "ASCII" in why_no_picture(
        Console(file=plain, force_terminal=True, color_system="truecolor")
    )


GIVEN = ("run", "tiny.toml", "--plugin", "blobs.py", "--device", "cpu", "--out")


def coloured(text: str) -> bool:
    return UPPER in text and "\x1b[38;2;" in text


def test_a_training_before_a_terminal_is_seen_and_a_picture_changes_no_weight(here):
    code, told = before_a_terminal(here, *GIVEN, "seen", "--set", "train.iterations=40")
    assert code == 0, told
    assert coloured(told)
    widest = max(len(line) for line in cells(told) if any(c == UPPER for c, *_ in line))
    assert 8 < widest <= 80
    code, told = before_a_terminal(
        here, *GIVEN, "unseen", "--set", "train.iterations=40", "--no-picture"
    )
    assert code == 0, told
    assert UPPER not in told
    weights = [Checkpoint.read(here / n / "last.safetensors").tensors for n in ("seen", "unseen")]
    assert weights[0].keys() == weights[1].keys()
    assert all(tensor.equal(weights[1][name]) for name, tensor in weights[0].items())


@pytest.mark.parametrize(("each", "count"), [(0.001, 10), (0.1, 2)])
def test_pictures_come_once_a_second_at_most_and_take_little_of_the_time(monkeypatch, each, count):
    """A training of 10 s that has something to show eight times a second."""
    now, made = [100.0], []

    def picture(state):
        made.append(now[0])
        now[0] += each
        return torch.ones(state.batch, 3, 8, 8)

    monkeypatch.setattr("nca.cli.live_picture.err", console())
    monkeypatch.setattr("nca.cli.live_picture.time", SimpleNamespace(monotonic=lambda: now[0]))
    run = SimpleNamespace(task=SimpleNamespace(picture=picture))
    show = LivePicture(run, TerminalProgress())  # pyright: ignore[reportArgumentType]
    while now[0] < 109.5:
        show(State({"body": torch.zeros(2, 1, 8, 8)}))
        now[0] += 0.125
    assert len(made) == count
    assert all(later - sooner >= 1 for sooner, later in pairwise(made))


@pytest.mark.parametrize("asked", [[], ["--picture"]])
def test_a_training_in_a_pipe_draws_nothing_and_says_so_to_whoever_asks(nca, here, asked):
    result = nca(*GIVEN, "piped", *asked)
    assert result.code == 0
    assert UPPER not in result.out + result.err
    assert "\x1b" not in result.out + result.err
    words = "no picture: there is no terminal to draw on\n"
    assert (words in result.err) == bool(asked)


def test_the_last_state_is_rendered(nca, here, monkeypatch):
    case = saved("regrow", here / "case.safetensors").name
    one = console(width=30, height=9)
    for place in ("nca.cli.render.stdout", "nca.cli.console.out"):
        monkeypatch.setattr(place, one)
    given = ["--steps", "3", "--samples", "2", "--damage", "2:half:0.5:left"]
    result = nca("render", case, "--out", "-", *given)
    assert (result.code, result.out) == (0, ""), result.err
    assert result.err.endswith(", step 3\n")
    *lines, last = cells(printed(one))
    side = len(lines[0]) // 2 - 1
    assert (side, len(lines), last) == (8, 4, [])
    # one step after the wound it is a quarter whole again
    row = [(UPPER, (64,) * 3, (64,) * 3)] * 4 + [(UPPER, WHITE, WHITE)] * 4
    assert lines == [[*row, *[(" ", None, None)] * 2, *row]] * 4
    assert not list(here.glob("*.png"))


def test_the_levels_of_the_last_state_are_rendered(nca, done, monkeypatch):
    one = console(width=30, height=9)
    for place in ("nca.cli.render.stdout", "nca.cli.console.out"):
        monkeypatch.setattr(place, one)
    assert nca("render", done, "--plugin", "blobs.py", "--out", "-", "--show", "levels").code == 0
    *lines, _ = cells(printed(one))
    assert {len(line) for line in lines} == {8 + 2 + 8 + 2 + 8}  # image, body, picture


def test_a_checkpoint_is_rendered_before_a_terminal(here, done):
    given = ["--plugin", "blobs.py", "--out", "-", "--samples", "9"]
    code, told = before_a_terminal(here, "render", done, *given, columns=60)
    assert code == 0, told
    _, words, picture = told.partition("tiny, step 3\n")
    assert words
    assert coloured(picture)
    assert max(map(len, cells(picture))) == 6 * 8 + 5 * 2 <= 60


def test_nothing_is_rendered_into_a_pipe(nca, here):
    case = saved("regrow", here / "case.safetensors").name
    result = nca("render", case, "--out", "-")
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "NCAError: nothing can be drawn here: there is no terminal to draw on.\n"
        "  where:  --out -\n"
        "  to do:  run it in a terminal with colours, or write a file: --out picture.png\n"
    )
