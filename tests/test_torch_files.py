"""Files of strangers: what is in them is read, and nothing in them is run."""

import copyreg
import pickle
import struct
import sys
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from nca.errors import CheckpointError
from nca_plugins.importers.torch_files import read_tensors

FORMATS = pytest.mark.parametrize("in_zip", [True, False], ids=["zip", "legacy"])


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 3)
        self.tail = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU())
        self.register_buffer("mask", torch.tensor([True, False]), persistent=False)
        self.names = {"a", "b"}
        self.size, self.device, self.dtype = torch.Size([2]), torch.device("cpu"), torch.float32


def save(thing: object, path: Path, in_zip: bool, protocol: int = 2) -> Path:
    torch.save(thing, path, _use_new_zipfile_serialization=in_zip, pickle_protocol=protocol)
    return path


def in_zip(program: bytes, path: Path, **members: bytes) -> Path:
    """Write a pickle program where torch.save would put it, with storages by key."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        for key, block in members.items():
            archive.writestr(f"archive/data/{key.strip('_')}", block)
    return path


def in_legacy(program: bytes, path: Path, blocks: bytes = b"", little: bool = True) -> Path:
    opening = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": little}]
    path.write_bytes(b"".join(pickle.dumps(o, 2) for o in opening) + program + blocks)
    return path


def text(string: str) -> bytes:
    return b"X" + struct.pack("<I", len(string.encode())) + string.encode()


def function(name: str) -> bytes:
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def storage(length: int, key: str = "0", kind: str = "Float") -> bytes:
    where = text(key) + text("cuda:7") + b"J" + struct.pack("<i", length)
    return b"(" + text("storage") + function(f"torch.{kind}Storage") + where + b"tQ"


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(b"\x8a\x08" + struct.pack("<q", v) for v in values) + b"t"


def view(block: bytes, offset: int, size: bytes, stride: bytes) -> bytes:
    start = b"\x8a\x08" + struct.pack("<q", offset)
    call = function("torch._utils._rebuild_tensor_v2")
    return call + b"(" + block + start + size + stride + b"\x89}tR"


def named(tensor: bytes, name: str = "w") -> bytes:
    return b"\x80\x02}" + text(name) + tensor + b"s."


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@FORMATS
def test_a_state_dict_is_read_as_it_was_saved(tmp_path, in_zip, protocol):
    state = Model().state_dict()
    found = read_tensors(save(state, tmp_path / "weights", in_zip, protocol))
    assert list(found) == list(state)
    assert_close(found, dict(state), rtol=0, atol=0)


@pytest.mark.parametrize("protocol", [2, 4])
@FORMATS
def test_a_pickled_module_is_read_without_its_class(tmp_path, monkeypatch, in_zip, protocol):
    kind = type("model", (Model,), {"__module__": "__main__"})
    model = kind()
    with monkeypatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch looks for the source of a class of __main__
        patch.setattr(sys.modules["__main__"], "model", kind, raising=False)
        path = save(model, tmp_path / "model.pt", in_zip, protocol)
    assert not hasattr(sys.modules["__main__"], "model")
    found = read_tensors(path)
    expected = {**model.state_dict(), "mask": model.get_buffer("mask")}
    assert_close(found, expected, rtol=0, atol=0)
    names = [name for name in found if name != "mask"]
    assert names == list(model.state_dict()), "the order of registration is lost"


@FORMATS
def test_nested_things_get_dotted_names(tmp_path, in_zip):
    ours = torch.arange(3.0)
    thing = {"net": {"a.b": ours}, "list": [1, (ours, "text")], "epoch": 3, 7: {"none": None}}
    found = read_tensors(save(thing, tmp_path / "nested", in_zip))
    assert list(found) == ["net.a.b", "list.1.0"]


@FORMATS
def test_strided_tied_and_empty_tensors_are_rebuilt(tmp_path, in_zip):
    block = torch.arange(24.0)
    thing = {
        "turned": block.view(4, 6).T[1:, ::2],
        "tied": block,
        "last": block[23],
        "empty": torch.empty(0, 5),
        "parameter": nn.Parameter(block[4:10].view(2, 3)),
    }
    found = read_tensors(save(thing, tmp_path / "views", in_zip))
    assert_close(found, {k: v.detach() for k, v in thing.items()}, rtol=0, atol=0)
    found["tied"][23] = -1
    assert found["last"] == -1


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
)
@FORMATS
def test_every_type_of_number_is_kept(tmp_path, in_zip, dtype):
    tensor = torch.tensor([0, 1, 5]).to(getattr(torch, dtype))
    found = read_tensors(save({"t": tensor}, tmp_path / "types", in_zip))
    assert found["t"].dtype is tensor.dtype
    assert found["t"].tolist() == tensor.tolist()


def test_cuda_storages_arrive_on_the_cpu(tmp_path):
    block = struct.pack("<6f", *range(6))
    program = named(view(storage(6), 1, numbers(2, 2), numbers(2, 1)))
    expected = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert_close(read_tensors(in_zip(program, tmp_path / "zip", _0=block))["w"], expected)
    sized = pickle.dumps(["0"], 2) + struct.pack("<q", 6) + block
    assert_close(read_tensors(in_legacy(program, tmp_path / "old", sized))["w"], expected)


def test_a_byte_that_is_no_bool_becomes_true(tmp_path):
    program = named(view(storage(3, kind="Bool"), 0, numbers(3), numbers(1)))
    found = read_tensors(in_zip(program, tmp_path / "zip", _0=b"\x00\x01\x07"))["w"]
    assert found.view(torch.uint8).tolist() == [0, 1, 1]


def test_files_of_big_endian_machines_are_refused(tmp_path):
    program = named(view(STORAGE, 0, ONE, ONE))
    path = in_zip(program, tmp_path / "zip", _0=bytes(16))
    assert "w" in read_tensors(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", b"big")
    sized = pickle.dumps(["0"], 2) + struct.pack("<q", 4) + bytes(16)
    assert "w" in read_tensors(in_legacy(program, tmp_path / "old", sized))
    for other in (path, in_legacy(program, tmp_path / "old", sized, little=False)):
        with pytest.raises(CheckpointError, match="big-endian"):
            read_tensors(other)


def test_a_legacy_storage_of_another_size_than_stated_is_refused(tmp_path):
    sized = pickle.dumps(["0"], 2) + struct.pack("<q", 3) + bytes(16)
    path = in_legacy(named(view(STORAGE, 0, ONE, ONE)), tmp_path / "old", sized)
    with pytest.raises(CheckpointError, match="gives its storage '0' two sizes"):
        read_tensors(path)


def test_safetensors_are_read(tmp_path):
    save_file({"a.b": torch.arange(4)}, tmp_path / "weights")
    assert read_tensors(tmp_path / "weights")["a.b"].tolist() == [0, 1, 2, 3]


def live_programs(command: str) -> dict[str, bytes]:
    """Return programs that run the command if pickle loads them, by the way they do it."""
    system, argument = function("posix.system"), text(command)
    call = argument + b"\x85R"
    evaluated = text(f"__import__('os').system({command!r})") + b"\x85R"
    short = [b"\x8c" + bytes([len(s)]) + s for s in (b"posix", b"system")]
    return {
        "posix.system, GLOBAL": b"\x80\x02" + system + call + b".",
        "posix.system, STACK_GLOBAL": b"\x80\x04" + b"".join(short) + b"\x93" + call + b".",
        "posix system, INST": b"(" + argument + b"iposix\nsystem\n.",
        "posix.system, OBJ": b"\x80\x02(" + system + argument + b"o.",
        "posix.system, inside": b"\x80\x02}" + text("w") + b"](" + system + call + b"es.",
        "posix.system, BUILD": b"\x80\x02" + function("collections.OrderedDict") + b")R}"
        + text("__setstate__") + system + b"sb" + argument + b"b.",
        "os.system": b"\x80\x02" + function("os.system") + call + b".",
        "subprocess.getoutput": b"\x80\x02" + function("subprocess.getoutput") + call + b".",
        "builtins.eval": b"\x80\x02" + function("builtins.eval") + evaluated + b".",
        "__builtin__.eval": b"\x80\x02" + function("__builtin__.eval") + evaluated + b".",
        "builtins.exec": b"\x80\x02" + function("builtins.exec") + evaluated + b".",
        "functools.partial": b"\x80\x02" + function("functools.partial") + system + b"\x85R"
        + call + b".",
        "builtins.getattr": b"\x80\x02" + function("builtins.getattr")
        + function("builtins.__import__") + text("os") + b"\x85R" + text("system") + b"\x86R"
        + call + b".",
        "torch.nn.modules.module.torch.hub.os.system": b"\x80\x04"
        + text("torch.nn.modules.module") + text("torch.hub.os.system") + b"\x93" + call + b".",
        "pickle.loads": b"\x80\x03" + function("pickle.loads") + b"C"
        + bytes([len(system + call) + 1]) + system + call + b"." + b"\x85R.",
        "EXT1": b"\x80\x02\x82\xf0" + call + b".",
        "EXT4": b"\x80\x02\x84\xf0\x00\x00\x00" + call + b".",
    }  # fmt: skip


@pytest.fixture
def marker(tmp_path, monkeypatch):
    """Return a file that the live programs make, with the door open that EXT1 goes through."""
    monkeypatch.chdir(tmp_path)  # one program has room for a short command only
    copyreg.add_extension("posix", "system", 0xF0)
    yield tmp_path / "ran"
    copyreg.remove_extension("posix", "system", 0xF0)
    copyreg.clear_extension_cache()


@pytest.mark.parametrize("name", live_programs(""))
def test_a_live_program_is_refused_by_name_and_runs_nothing(tmp_path, marker, name):
    program = live_programs("touch ran")[name]
    culprit = name.partition(",")[0]
    for path in [
        in_zip(program, tmp_path / "zip"),
        in_legacy(program, tmp_path / "legacy"),
        in_legacy(named(b"K\x01") + program, tmp_path / "keys"),
    ]:
        with pytest.raises(CheckpointError) as error:
            read_tensors(path)
        assert culprit in error.value.what
        assert "refused" in error.value.what
    (tmp_path / "first").write_bytes(b"\x80\x02" + program)
    with pytest.raises(CheckpointError):
        read_tensors(tmp_path / "first")
    assert not marker.exists()

    pickle.loads(program)
    assert marker.exists(), "the program was a dud, so nothing was tested"


@pytest.mark.parametrize(
    "name",
    [
        "torch.load", "torch.hub.load", "torch.jit.load", "torch.storage._load_from_bytes",
        "torch._utils._rebuild_wrapper_subclass", "torch.nn.functional.relu", "torch.nn.Linear",
        "torch.nn.modules.linear.a-b", "numpy.core.multiarray._reconstruct", "builtins.type",
        "builtins.print", "collections.defaultdict", "operator.attrgetter", "posixpath.join",
        "nca_plugins.importers.torch_files.read_tensors", "__main__.a.b",
    ],
)  # fmt: skip
def test_a_global_that_no_weight_file_needs_is_refused_by_name(tmp_path, name):
    with pytest.raises(CheckpointError) as error:
        read_tensors(in_zip(named(function(name)), tmp_path / "zip"))
    assert error.value.what == f"zip asks for {name!r}, which is refused: no weight file needs it."


SHELL = function("__main__.model")
STORAGE = storage(4)
ONE = numbers(1)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (named(SHELL + text("a") + b"\x85R"), "calls '__main__.model', which is refused"),
        (named(SHELL + text("a") + b"\x85\x81"), "makes '__main__.model' by running code"),
        (named(function("torch.Size") + b")\x81"), "makes 'torch.Size' by running code"),
        (named(SHELL + b"}b"), "a global where a shell belongs"),
        (named(function("torch._utils._rebuild_tensor") + b"}b"), "a global where a shell belongs"),
        (named(SHELL + b")\x81N}" + text("a") + b"K\x01s\x86b"), "a tuple where a dict belongs"),
        (named(SHELL + b")\x81}" + text("a") + b"K\x01sb}b"), "its attributes twice"),
        (named(SHELL + b")\x81}" + text("_parameters") + b"K\x01sb"), "an int where a dict"),
        (named(b"Pos.system\n"), "instruction PERSID 'os.system', which is refused"),
        (named(b"\x96\x01" + bytes(7) + b"a"), "instruction BYTEARRAY8"),
        (named(b"K\x01Q"), "an int where a tuple belongs"),
        (named(b"(" + text("module") + text("os") + text("system") + b"NtQ"), "not a storage"),
        (named(view(STORAGE, 0, numbers(5), ONE)), "reaches outside its storage"),
        (named(view(STORAGE, 1, numbers(4), ONE)), "reaches outside its storage"),
        (named(view(STORAGE, 0, numbers(2, 2), numbers(3, 1))), "reaches outside its storage"),
        (named(view(STORAGE, 0, numbers(1 << 20), numbers(0))), "reaches outside its storage"),
        (named(view(STORAGE, -1, ONE, ONE)), "an impossible size, stride or offset"),
        (named(view(STORAGE, 0, numbers(2), numbers(-1))), "an impossible size, stride or offset"),
        (named(view(STORAGE, 0, numbers(1 << 62), ONE)), "an impossible size, stride or offset"),
        (named(view(STORAGE, 0, numbers(2, 2), ONE)), "is damaged (ValueError)"),
        (named(view(b"K\x01", 0, ONE, ONE)), "an int where a storage belongs"),
        (named(view(storage(5), 0, ONE, ONE)), "has 16 bytes for a storage of 5 numbers"),
        (named(view(storage(1 << 30), 0, ONE, ONE)), "has 16 bytes for a storage of 1073741824"),
        (named(view(storage(4, "../version"), 0, ONE, ONE)), "is damaged (KeyError)"),
        (named(view(STORAGE, 0, ONE, ONE) + storage(2, kind="Int") + b"0"), "storage of its own"),
        (b"\x80\x02" + view(STORAGE, 0, ONE, ONE) + b".", "no usable name of its own"),
        (b"\x80\x02}(" + (text("a.b") + view(STORAGE, 0, ONE, ONE) + text("a") + b"}" + text("b")
         + view(STORAGE, 0, ONE, ONE) + b"su."), "no usable name of its own for the tensor 'a.b'"),
        (b"\x80\x02}))s.", "has a key that is no name"),
        (b"\x80\x02}" + text("k" * 300) + b"Ns.", "has a key that is no name"),
        (b"\x80\x02]q\x00h\x00a.", "is nested too deeply, or contains itself"),
        (named(b"K\x01"), "holds no named tensors"),
    ],
)  # fmt: skip
def test_a_program_that_bends_the_rules_is_refused(tmp_path, program, reason):
    path = in_zip(program, tmp_path / "zip", _0=struct.pack("<4f", 1, 2, 3, 4))
    with pytest.raises(CheckpointError) as error:
        read_tensors(path)
    assert reason in error.value.what
    assert "\n" not in error.value.what


TWICE = b"h\x00h\x00\x86q\x00"  # a pair of what came before
BOMBS = {
    "a long memo": (b"\x80\x02}r\xff\xff\xff\x7f.", "holds no named"),
    "a long text": (b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b".", "damaged"),
    "long bytes": (b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".", "damaged"),
    "a long integer": (b"\x80\x02\x8b\xff\xff\xff\x7f.", "damaged"),
    "many digits": (b"\x80\x02I" + b"9" * 1_000_000 + b"\n.", "damaged"),
    "a key deeper than the stack": (b"\x80\x02})" + b"\x85" * 95_000 + b"Ns.", "is no name"),
    "a key that takes for ever to hash": (b"\x80\x02})q\x00" + TWICE * 60 + b"Ns.", "is no name"),
    "numbers for keys, made to collide": (b"\x80\x02}\x8a\x0a" + bytes(9) + b"\1Ns.", "is no name"),
    "a pair that doubles": (b"\x80\x02)q\x00" + TWICE * 30 + b".", "nested too deeply"),
    "a dictionary copied again and again": (b"\x80\x02}(" + text("a") + b"Nuq\x00" + SHELL
        + b")\x81h\x00bh\x00b.", "twice"),
    "a name put together again and again": (b"\x80\x04" + text("__main__") + text("a" * 999)
        + b"\x93.", "refused"),
    "instructions without end": (b"\x80\x02" + b"N0" * 60_000 + b"}.", "instructions"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(tmp_path, monkeypatch, name):
    for module in ("pickle_reader", "torch_files"):  # a third, and so is the wait
        monkeypatch.setattr(f"nca_plugins.importers.{module}.MOST_STEPS", 100_000)
    program, reason = BOMBS[name]
    path = in_zip(program, tmp_path / "bomb")
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as error:
            read_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert reason in error.value.what


def test_a_file_beyond_any_weights_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = in_zip(named(view(STORAGE, 0, ONE, ONE)), tmp_path / "zip", _0=bytes(16))
    monkeypatch.setattr("nca_plugins.importers.torch_files.MOST_STEPS", 1)
    with pytest.raises(CheckpointError, match="far too many members"):
        read_tensors(path)
    monkeypatch.setattr("nca_plugins.importers.torch_files.LARGEST_FILE", path.stat().st_size - 1)
    with pytest.raises(CheckpointError, match="is larger than"):
        read_tensors(path)


def test_an_archive_that_unpacks_to_more_than_it_has_is_refused(tmp_path):
    program = named(view(storage(1 << 20), 0, ONE, ONE))
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", bytes(4 << 20))
    with pytest.raises(CheckpointError, match="compressed archive"):
        read_tensors(tmp_path / "zip")
    path = in_zip(program, tmp_path / "lie", _0=bytes(4))
    data = path.read_bytes()
    sizes = data.rindex(b"PK\x01\x02") + 20  # packed and unpacked, in the last entry
    path.write_bytes(data[:sizes] + struct.pack("<II", 4 << 20, 4 << 20) + data[sizes + 8 :])
    with pytest.raises(CheckpointError, match="claims more bytes than it has"):
        read_tensors(path)


def written(tmp: Path) -> list[Path]:
    """Return one small file of each format."""
    state = {"w": torch.arange(3.0), "n": {"b": torch.ones(2, dtype=torch.int64)}}
    save_file({"w": state["w"]}, tmp / "safe")
    return [save(state, tmp / "zip", True), save(state, tmp / "old", False), tmp / "safe"]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["zip", "legacy", "safetensors"])
def test_a_file_cut_short_anywhere_is_one_clear_error(tmp_path, which):
    path = written(tmp_path)[which]
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_tensors(path)


@pytest.mark.parametrize("which", [0, 1, 2], ids=["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_gives_tensors_or_one_clear_error(tmp_path, which, flip):
    path = written(tmp_path)[which]
    data = path.read_bytes()
    refused = 0
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        refused += not readable(path)
    assert refused > len(data) / 10


def readable(path: Path) -> bool:
    """Read a file that may be damaged; any exception but one fails the test."""
    try:
        return all(isinstance(tensor.sum().item(), int | float | bool) for tensor in
                   read_tensors(path).values())  # fmt: skip
    except CheckpointError:
        return False


PIECES = [bytes([code]) for code in b"()]}.0abehjlstuNQRqr\x80\x81\x85\x86\x87\x88\x8f\x93\x94\x95"]
PIECES += [SHELL, STORAGE, ONE, view(STORAGE, 0, ONE, ONE), text("_modules"), b"K\x01", b"q\x00"]
PIECES += [function("collections.OrderedDict"), function("copy_reg._reconstructor"), b"h\x00"]


@given(program=st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
def test_any_program_gives_tensors_or_one_clear_error(tmp_path_factory, program):
    path = tmp_path_factory.getbasetemp() / "program"
    readable(in_zip(b"\x80\x02" + program + b".", path, _0=bytes(16)))
    readable(in_legacy(b"\x80\x02" + program + b".", path, pickle.dumps(["0"], 2) + bytes(24)))


@given(
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", b"\x08" + bytes(7) + b"{"]),
    tail=st.binary(max_size=200),
)
def test_random_bytes_are_one_clear_error(tmp_path_factory, head, tail):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(head + tail)
    with pytest.raises(CheckpointError):
        read_tensors(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    numpy.savez(tmp_path / "arrays.npz", w=numpy.ones(3))
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"w": 1}))
    (tmp_path / "text").write_text("window.WEIGHTS = 1;" * 9)
    (tmp_path / "empty").touch()
    reasons = {
        "arrays.npz": "is an archive without the one data.pkl that torch.save writes",
        "plain.pkl": "is a pickle, but not one written by torch.save",
        "text": "is neither a safetensors file nor one written by torch.save",
        "empty": "is neither a safetensors file nor one written by torch.save",
        "missing": "is not a file",
        ".": "is not a file",
    }
    for name, reason in reasons.items():
        with pytest.raises(CheckpointError) as error:
            read_tensors(tmp_path / name)
        assert error.value.what == f"{(tmp_path / name).name} {reason}."
        assert error.value.where == str(tmp_path / name)
