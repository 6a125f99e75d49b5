"""Comparisons of states and tensors, whose failures say in words what differs and where.

They raise explicitly: an `assert` vanishes where Python optimises.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.testing import assert_close

from nca.engine.state import State

OWN = "middle"
"""The level of the rule that is checked."""


class LawError(AssertionError):
    """A law does not hold."""


class NothingTestedError(AssertionError):
    """What happened was too little to say whether a law holds."""


def demand(holds: object, otherwise: str) -> None:
    """Raise `LawError` with a message unless something holds."""
    if not holds:
        raise LawError(otherwise)


def demand_close(found: Tensor, wanted: Tensor, what: str) -> None:
    """Demand nearly the same numbers, in the tolerance that `torch.testing` has for their dtype.

    Args:
        found: What came out.
        wanted: What should have.
        what: What is compared, for the message.
    """
    _compare(found, wanted, what)


def demand_same(found: Tensor, wanted: Tensor, what: str) -> None:
    """Demand the same bits; see `demand_close`."""
    _compare(found, wanted, what, rtol=0, atol=0, equal_nan=True)


def demand_states_close(found: State, wanted: State) -> None:
    """Demand the same levels with nearly the same numbers, and the same step."""
    demand(found.step == wanted.step, f"the steps differ: {found.step} and {wanted.step}")
    _each(found.levels, wanted.levels)


def demand_same_bits(found: State, wanted: State) -> None:
    """Demand the same levels, memories and counters, bit by bit."""
    counters = [(state.random_seed, state.step) for state in (found, wanted)]
    demand(counters[0] == counters[1], f"the counters differ: {counters[0]} and {counters[1]}")
    exact = {"rtol": 0.0, "atol": 0.0, "equal_nan": True}
    _compare(found.samples, wanted.samples, "the numbers of the samples", **exact)
    _each(found.levels, wanted.levels, **exact)
    demand(len(found.remembered) == len(wanted.remembered), "not as many states are remembered")
    for one, other in zip(found.remembered, wanted.remembered, strict=True):
        _each(one, other, "remembered ", **exact)


def demand_moved(one: State, other: State) -> None:
    """Demand that the rule's level differs, for else nothing was tested."""
    if torch.equal(one[OWN], other[OWN]):
        raise NothingTestedError("the rule stands still, so that nothing was tested")


def _each(
    found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], kind: str = "", **tolerance: float
) -> None:
    demand(found.keys() == wanted.keys(), f"the levels differ: {[*found]} and {[*wanted]}")
    for name in wanted:
        _compare(found[name], wanted[name], f'{kind}level "{name}"', **tolerance)


def _compare(found: Tensor, wanted: Tensor, what: str, **tolerance: float) -> None:
    try:
        assert_close(found, wanted, **tolerance)  # pyright: ignore[reportArgumentType]
    except AssertionError as fault:
        raise LawError(f"{what} {_difference(found, wanted, str(fault))}") from None


def _difference(found: Tensor, wanted: Tensor, otherwise: str) -> str:
    """Return how two tensors differ, in words."""
    if found.shape != wanted.shape:
        return f"has shape {tuple(found.shape)} in place of {tuple(wanted.shape)}"
    if found.dtype != wanted.dtype:
        return f"is {found.dtype} in place of {wanted.dtype}".replace("torch.", "")
    if not found.ndim:
        return f"is {found.item():.6g} in place of {wanted.item():.6g}"
    exact = partial(torch.Tensor.to, dtype=torch.float64)
    distance = (exact(found.detach()) - exact(wanted.detach())).abs().nan_to_num(torch.inf)
    if not distance.any():
        return otherwise.partition("\n")[0]
    place = tuple(int(i) for i in torch.unravel_index(distance.argmax(), distance.shape))
    numbers = f"{found[place].item():.6g} in place of {wanted[place].item():.6g}"
    return f"differs at {_named(place)}: {numbers}"


def _named(place: tuple[int, ...]) -> str:
    """Return an index as sample, channel and cell, where it can be one."""
    if len(place) < 3:
        return f"index {place}"
    sample, channel, *cell = place
    return f"sample {sample}, channel {channel}, cell ({', '.join(map(str, cell))})"
