"""A device is picked by its name, or refused in words."""

import pytest
import torch

from nca.device import hardware, pick_device
from nca.errors import DeviceError


@pytest.fixture(params=[0, 2])
def gpus(request, monkeypatch) -> int:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)
    return request.param


def test_auto_takes_a_gpu_where_there_is_one(gpus):
    assert pick_device("auto") == torch.device("cuda" if gpus else "cpu")


def test_a_device_that_is_there_is_picked(gpus):
    assert pick_device("cpu") == torch.device("cpu")
    for number in range(gpus):
        assert pick_device(f"cuda:{number}") == torch.device("cuda", number)


def test_a_gpu_that_is_not_there_is_refused(gpus):
    with pytest.raises(DeviceError) as caught:
        pick_device(f"cuda:{gpus}")
    assert str(caught.value) == (
        f"torch {torch.__version__} finds no GPU for 'cuda:{gpus}'.\n"
        f"  where:  --device cuda:{gpus}\n"
        "  to do:  use --device cpu, or check the driver with nvidia-smi and that torch was "
        "installed with CUDA"
    )


@pytest.mark.parametrize("name", ["", "gpu", "meta", "cuda:x", "cpu:-2"])
def test_what_names_no_device_is_refused(gpus, name):
    with pytest.raises(DeviceError, match=f"there is no device {name!r}"):
        pick_device(name)


def test_hardware_is_named_with_what_figures_depend_on(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"H100 {device.index}")
    assert hardware(torch.device("cuda", 1)) == "H100 1"
    for count, words in ((1, "CPU, 1 thread"), (2, "CPU, 2 threads")):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=count: count)
        assert hardware(torch.device("cpu")) == words
