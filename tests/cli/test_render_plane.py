"""`nca render --plane`: pictures of a pattern that nothing stops, all of one box."""

import re

import pytest
import torch
from PIL import Image

from nca import State
from nca.render.plane import PlaneStates


def test_a_glider_leaves_on_a_plane_and_every_picture_is_of_one_box(nca, here):
    result = nca(
        *("render", "B3/S23", "glider", "--plane", "--steps", 600, "--every", 100),
        *("--out", "far.png", "--set", "grid.size=[16,16]"),
    )
    assert result.code == 0, result.err
    box = re.search(r"a picture is (\d+)x(\d+) cells, all that the pattern meets", result.err)
    assert box, result.err
    assert [int(side) for side in box.groups()] == [3 + 600 // 4 + 4] * 2
    with Image.open("far.png") as sheet:
        assert sheet.width > 7 * 157
    film = nca("render", "B2/S34H", "glider", "--plane", "--steps", 3, "--out", "film.gif")
    assert film.code == 0, film.err
    with Image.open("film.gif") as moving:
        assert getattr(moving, "n_frames", 1) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--plane", "--size", "9x9"), "leave out --size"),
        (("--plane", "--damage", "3:disc:0.2"), "leave out --damage"),
        (("--plane", "--set", "grid.topology=zeros"), "grid has edges"),
    ],
)
def test_what_does_not_go_with_a_plane_is_refused(nca, here, words, said):
    result = nca("render", "B3/S23", "glider", "--steps", 3, "--out", "no.png", *words)
    assert result.code in (1, 2)
    assert said in result.err


def test_states_are_laid_where_they_were_on_grids_that_grow():
    seen = PlaneStates()
    seen.keep(State({"body": torch.eye(3).view(1, 1, 3, 3)}), (0, 0))
    later = torch.zeros(1, 1, 9, 9)
    later[..., 1, 4] = 5
    seen.keep(State({"body": later}), (-3, -3))  # at (-2, 1)
    seen.keep(State({"body": torch.zeros(1, 1, 2, 2)}), (0, 0))
    seen.widen(hexagonal=False)
    assert (seen.first, seen.last) == ((-4, -2), (5, 5))
    first, second, third = (state["body"][0, 0] for state in seen.states())
    assert first.nonzero().tolist() == [[4, 2], [5, 3], [6, 4]]
    assert second.nonzero().tolist() == [[2, 3]]
    assert third.shape == (9, 7)
    assert not third.any()
    seen.widen(hexagonal=True)
    assert seen.first == (-6, -4 - (7 + 6) // 2)
