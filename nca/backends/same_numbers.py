"""Whether tensors hold the same numbers, asked of a device once."""

import weakref

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_Answer = tuple["weakref.ref[Tensor]", tuple[int, int], bool]
_ANSWERS: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors have one shape and hold the same numbers.

    For the answer the host waits until a device has done all that it was asked for before. So it is
    kept, by the last `one` that each `other` was held against, until either of them is changed.
    Tensors that were made in inference mode do not count their changes: they are asked each time.

    Args:
        one: A tensor.
        other: Another, with the same dtype and on the same device.
    """
    if one is other:
        return True
    if one.is_inference() or other.is_inference():
        return torch.equal(one, other)
    versions = one._version, other._version
    known: _Answer | None = _ANSWERS.get(other)
    if known and known[0]() is one and known[1] == versions:
        return known[2]
    answer = torch.equal(one, other)
    _ANSWERS[other] = weakref.ref(one), versions, answer
    return answer
