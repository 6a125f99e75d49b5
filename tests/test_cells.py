"""Pictures are cut into cells, and walked through epoch by epoch."""

import torch

from nca import CellRNG
from nca_plugins.cells import class_picture, discs, epochs, to_cells


def test_a_cell_holds_its_patch_row_by_row():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert to_cells(image, 2, (2, 2))[0, :, 0, 1].tolist() == [2, 3, 6, 7]


def test_what_is_beside_the_picture_is_zero():
    cells = to_cells(torch.ones(1, 1, 2, 3), 1, (4, 6))[0, 0]
    assert cells[1:3, 1:4].eq(1).all()
    assert cells.sum() == 6


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    numbers = epochs(3, torch.arange(30), 10).view(3, 10)
    assert numbers.sort(dim=1).values.eq(torch.arange(10)).all()
    assert len(numbers.unique(dim=0)) == 3
    assert epochs(3, torch.tensor([25, 4]), 10).tolist() == [numbers[2, 5], numbers[0, 4]]


def test_ink_makes_a_colour_strong():
    ink = torch.tensor([[[0.0, 1.0]]])
    shown = class_picture(
        torch.zeros(1, 1, 2, dtype=torch.int64), ink, torch.tensor([[1.0, 0.0, 0.0]])
    )
    assert shown[0, :, 0, 1].tolist() == [1, 0, 0]
    assert shown[0, :, 0, 0].tolist() == [1, 0.75, 0.75]


def test_discs_wrap_around_the_edges():
    mask = discs(CellRNG(0, 0, torch.arange(400)), 0.05, 2.0, (12, 20))
    corners = mask[:, 0, 0] & mask[:, -1, -1]
    assert corners.any()
    # without a seam no place is emptied more often than another
    share = mask.double().mean(dim=0)
    assert share.amax() - share.amin() < 0.1
