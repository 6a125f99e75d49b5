"""The task `bit_growth`: a picture of bits from one cell."""

from pathlib import Path

import pytest
import torch

from nca import HostRNG, Layout, Level, TaskContext, load_target
from nca.errors import NCAError
from nca_plugins.logic.bit_growth import BitGrowth

LAYOUT = Layout([Level("seen", 1, input=True), Level("cells", 3)])
CPU = torch.device("cpu")


def task(size=(6, 7), **options) -> BitGrowth:
    given = {"target": "checkerboard", "side": 4, **options}
    return BitGrowth(TaskContext(LAYOUT, size, Path()), **given)


def prepared(**options) -> BitGrowth:
    made = task(**options)
    made.prepare(CPU)
    return made


def test_a_checkerboard_has_squares_of_the_given_side():
    spec = {"name": "checkerboard", "square": 2}
    bits = load_target(spec, side=6, folder=Path())[3]
    assert bits.tolist()[0] == [1, 1, 0, 0, 1, 1]
    assert bits[:2].equal(1 - bits[2:4])
    assert bits.equal(bits.T)
    with pytest.raises(NCAError, match="'checkerboard' takes no argument"):
        load_target("checkerboard:3", side=6, folder=Path())


def test_a_seed_is_one_cell_and_the_target_stands_in_the_middle():
    own = prepared()
    state = own.training_batch(HostRNG(0, 0), torch.arange(2)).state
    assert state["cells"].sum(dim=(0, 2, 3)).tolist() == [2, 2, 2]
    assert state["cells"][:, :, 3, 3].all()
    assert not state["seen"].any()
    assert own.target[1:5, 1:5].tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]] * 2
    assert own.target.sum() == 8


def test_the_first_channel_alone_is_compared_with_the_target():
    own = prepared()
    batch = own.training_batch(HostRNG(0, 0), torch.arange(1))
    cells = torch.rand(1, 3, 6, 7)
    cells[:, 0] = own.target
    right = batch.state.replace({"cells": cells})
    assert own.loss([right], batch)["squared"].tolist() == [0]
    cells = cells.clone()
    cells[0, 0, 0, :3] = 1
    wrong = batch.state.replace({"cells": cells})
    assert own.loss([right, wrong], batch)["squared"].tolist() == [1.5]
    shares = own.measure(wrong, batch)
    assert (shares["cells right"].part / shares["cells right"].whole).tolist() == [39 / 42]
    assert own.measure(right, batch)["grids right"].part.tolist() == [1]
    assert own.measure(wrong, batch)["grids right"].part.tolist() == [0]


def test_the_target_stays_in_the_middle_of_another_grid():
    own = prepared()
    own.resize((8, 9))
    assert own.target[2:6, 2:6].sum() == own.target.sum() == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"side": 7}, "side is 7"),
        ({"size": (9,)}, "does not fit a grid of [9] cells"),
        ({"level": "seen"}, "level is an input"),
    ],
)
def test_what_cannot_grow_is_refused(options, said):
    with pytest.raises(NCAError) as refused:
        task(**options)
    assert said in " ".join(str(refused.value).split())


def test_a_target_that_is_all_white_is_refused_before_training():
    own = task(size=(4, 4), target={"name": "checkerboard", "square": 8})
    with pytest.raises(NCAError, match="the grid would be all white"):
        own.check()
