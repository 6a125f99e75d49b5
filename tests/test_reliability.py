"""Whether uncertainty predicts error, worked by hand."""

import torch
from torch.testing import assert_close

from nca.analysis import area_under_risk, error_correlation, risk_at


def numbers(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_the_correlation_is_one_zero_or_minus_one_and_undefined_where_nothing_differs():
    sure = numbers([1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 1, 1])
    wrong = numbers([2, 4, 6], [0, 1, 0], [3, 2, 1], [0, 1, 0])
    found = error_correlation(sure, wrong)
    assert_close(found, numbers([1, 0, -1, torch.nan])[0], equal_nan=True)


def test_the_risk_is_the_error_among_the_surest():
    sure, wrong = numbers([4, 1, 3, 2]), numbers([1, 0, 1, 0])
    assert_close(risk_at(sure, wrong, (0.25, 0.5, 0.75, 1.0)), numbers([0, 0, 1 / 3, 1 / 2]))
    assert_close(area_under_risk(sure, wrong), numbers([(0 + 0 + 1 / 3 + 1 / 2) / 4])[0])


def test_among_equally_sure_ones_the_order_does_not_count():
    sure, wrong = numbers([1, 1, 1, 1], [1, 1, 1, 1]), numbers([1, 1, 0, 0], [0, 0, 1, 1])
    assert_close(risk_at(sure, wrong, (0.5, 1.0)), torch.full((2, 2), 0.5).double())
    assert_close(area_under_risk(sure, wrong), torch.full((2,), 0.5).double())
