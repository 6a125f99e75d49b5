"""What a file gives a module is of the names, shapes and types that it wants."""

from pathlib import Path

import pytest
import torch
from torch import nn

from nca.checkpoint.file import Checkpoint
from nca.checkpoint.fit import misfits
from nca.errors import CheckpointError

NO_WEIGHTS = [torch.bool, torch.uint8, torch.int8, torch.int64, torch.float8_e4m3fn]


class Counting(nn.Module):
    """One weight, and a buffer of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("count", torch.zeros(2, dtype=torch.int64))


def load(weight: torch.Tensor, count: torch.Tensor) -> Counting:
    module = Counting()
    tensors = {"automaton.weight": weight, "automaton.count": count}
    Checkpoint("a", "", tensors=tensors).load(module, "automaton", Path("a.safetensors"))
    return module


COUNT = torch.tensor([1, 2])


@pytest.mark.parametrize("dtype", NO_WEIGHTS, ids=str)
def test_a_weight_that_is_no_floating_point_number_of_16_bits_or_more_is_refused(dtype):
    with pytest.raises(CheckpointError) as caught:
        load(torch.ones(2).to(dtype), COUNT)
    kind = str(dtype).removeprefix("torch.")
    assert caught.value.what == (
        f"the weights do not fit the automaton: weight is {kind}, not float32 or another "
        "floating-point type of 16 to 64 bits."
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_other_weights_become_numbers_of_the_module_s_own_type(dtype):
    module = load(torch.tensor([0.5, -2.0]).to(dtype), COUNT)
    assert torch.equal(module.weight, torch.tensor([0.5, -2.0]))


def test_a_weight_that_its_type_cannot_hold_is_refused():
    with pytest.raises(CheckpointError, match="weights of the automaton are not finite: weight"):
        load(torch.tensor([1.0, 1e300], dtype=torch.float64), COUNT)


@pytest.mark.parametrize("dtype", [torch.bool, torch.int32, torch.float32, torch.float64])
def test_a_buffer_of_whole_numbers_is_of_the_very_type(dtype):
    with pytest.raises(CheckpointError, match=r"count is \w+, not int64\."):
        load(torch.zeros(2), COUNT.to(dtype))


def test_all_that_does_not_fit_is_named():
    given = {"a": torch.zeros(1), "b": torch.zeros(2), "c": torch.zeros(2, dtype=torch.float64)}
    wanted = {"b": torch.zeros(3), "c": torch.zeros(2), "d": torch.zeros(())}
    assert misfits(given, wanted) == ["missing d []", "unexpected a [1]", "b is [2], not [3]"]
    assert misfits(given, wanted, exact=True)[-1] == "c is float64, not float32"
