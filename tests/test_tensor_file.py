"""Files of tensors that are written piece by piece."""

import io
import struct

import pytest
import torch
from safetensors.torch import load

from nca.checkpoint import tensor_file
from nca.checkpoint.tensor_file import KINDS, in_file_order, write_tensors
from nca.distributed import pieces
from nca.distributed.pieces import TensorPieces
from nca.errors import CheckpointError
from nca.jsonl import parse_json


def written(tensors: dict[str, torch.Tensor]) -> bytes:
    file, each = io.BytesIO(), {name: TensorPieces.of(t) for name, t in tensors.items()}
    write_tensors(file, each, lambda checksum: {"checksum": str(checksum)}, 0)
    return file.getvalue()


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    drawn = {str(kind): (9 * torch.rand(7, 5)).to(kind) for kind in KINDS}
    odd = {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 4), "turned": drawn["torch.int8"].T}
    return drawn | odd


@pytest.mark.parametrize("most", [1, 64, 1 << 20])
def test_safetensors_reads_what_is_written_piece_by_piece(tensors, most, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", most)
    monkeypatch.setattr(tensor_file, "PIECE", most)
    found = load(written(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        shown = found[name].flatten(), tensor.flatten()
        assert shown[0].view(torch.uint8).equal(shown[1].view(torch.uint8)), name


def test_numbers_are_aligned_and_nothing_lies_between_them(tensors):
    content = written(tensors)
    length = struct.unpack("<Q", content[:8])[0]
    header = parse_json(content[8 : 8 + length].decode())
    ends = 0
    for name in in_file_order(tensors):
        start, stop = header[name]["data_offsets"]
        assert start == ends
        assert (8 + length + start) % tensors[name].dtype.itemsize == 0
        ends = stop
    assert 8 + length + ends == len(content)


def test_what_has_no_name_in_a_file_is_refused():
    with pytest.raises(CheckpointError, match=r"type torch\.complex128"):
        written({"spectrum": torch.zeros(2, dtype=torch.complex128)})
