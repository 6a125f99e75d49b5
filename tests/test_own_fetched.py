"""Data sets of torchvision: read from files in their true formats, and fetched by it."""

import hashlib
import io
import struct
import subprocess
import sys
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from nca.checkpoint.read import read_recipe
from nca.data import NamedDataset
from nca.errors import DataError
from nca.progress import SILENT
from nca.recipe.recipe_files import RecipeFiles
from nca.registry.registry import registry
from nca.training.loop import train
from nca.training.run import Run
from nca.validation.faults import OptionError
from nca_plugins.own_data.names import CIFAR_ARCHIVES

if find_spec("torchvision") is None:  # to import it takes seconds: the tests do
    pytest.skip("it needs the extra datasets", allow_module_level=True)

IMAGES = (np.arange(6 * 28 * 28) * 7 % 256).astype(np.uint8).reshape(6, 28, 28)
LABELS = np.array([3, 1, 2, 9, 5, 1], dtype=np.uint8)


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("NCA_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def fetched(name: str, **options):
    return registry.get("dataset", "torchvision")(set=name, **options)


def idx(values: np.ndarray, kind: int = 8) -> bytes:
    head = bytes((0, 0, kind, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype({8: ">u1", 12: ">i4"}[kind]).tobytes()


def lay(folder: Path, names: tuple[str, str], labels: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_bytes(idx(IMAGES))
    (folder / names[1]).write_bytes(labels)


def test_kuzushiji_is_what_torchvision_reads(tmp_path):
    from torchvision.datasets import KMNIST

    raw = tmp_path / "KMNIST" / "raw"
    for split in ("train", "t10k"):
        lay(raw, (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"), idx(LABELS))
    theirs = KMNIST(tmp_path, train=False)
    ours = fetched("KMNIST")
    loaded = ours.load("test", tmp_path)
    assert torch.equal(loaded.images[:, 0], theirs.data)
    assert torch.equal(loaded.labels, theirs.targets)
    assert ours.classes == tuple(theirs.classes)


def test_qmnist_has_whole_numbers_for_labels(tmp_path):
    from torchvision.datasets import QMNIST

    wide = np.stack([LABELS.astype(int), *[np.arange(6) * 100] * 7], axis=1)
    names = ("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int")
    lay(tmp_path / "QMNIST" / "raw", names, idx(wide, 12))
    theirs = QMNIST(tmp_path, what="test")
    loaded = fetched("QMNIST").load("test", tmp_path)
    assert loaded.labels.tolist() == [target for _, target in theirs] == LABELS.tolist()
    assert torch.equal(loaded.images[:, 0], theirs.data)


@pytest.mark.parametrize("split", ["balanced", "letters", "byclass"])
def test_emnist_stands_upright_and_counts_from_0(tmp_path, split):
    from torchvision.datasets import EMNIST

    names = (f"emnist-{split}-train-images-idx3-ubyte", f"emnist-{split}-train-labels-idx1-ubyte")
    lay(tmp_path / "EMNIST" / "raw", names, idx(LABELS))
    theirs = EMNIST(tmp_path, split=split)
    ours = fetched("EMNIST", split=split)
    loaded = ours.load("train", tmp_path)
    assert torch.equal(loaded.images[:, 0], theirs.data.mT)
    words = [theirs.classes[target] for target in theirs.targets.tolist()]
    assert [ours.classes[label] for label in loaded.labels.tolist()] == words


def test_house_numbers_have_colours_and_a_zero(tmp_path):
    pictures = (np.arange(32 * 32 * 3 * 4) % 251).astype(np.uint8).reshape(32, 32, 3, 4)
    savemat(tmp_path / "train_32x32.mat", {"X": pictures, "y": np.array([[10], [1], [9], [10]])})
    ours = fetched("SVHN")
    loaded = ours.load("train", tmp_path)
    assert loaded.labels.tolist() == [0, 1, 9, 0]
    assert (ours.channels, loaded.images.shape) == (3, (4, 3, 32, 32))
    assert torch.equal(loaded.images[2], torch.from_numpy(pictures[..., 2]).permute(2, 0, 1))


def records(first: int, label_bytes: int) -> bytes:
    pixels = (np.arange(3072) + first).astype(np.uint8)
    return bytes([*[7] * (label_bytes - 1), first % 10]) + pixels.tobytes()


@pytest.fixture
def as_true(monkeypatch):
    """Let the archive of a data set, as it lies there, be the one that is expected."""

    def expect(name: str, path: Path) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        known = CIFAR_ARCHIVES[name]._replace(sha256=digest)
        monkeypatch.setitem(CIFAR_ARCHIVES, name, known)

    return expect


def cifar(path: Path, folder: str, names: list[str], label_bytes: int) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for number, name in enumerate(names):
            content = records(number, label_bytes) * 2
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


BATCHES = [*[f"data_batch_{n}.bin" for n in range(1, 6)], "test_batch.bin"]


@pytest.mark.parametrize("unpacked", [False, True])
def test_cifar_is_read_from_plain_bytes(tmp_path, unpacked, as_true):
    archive = tmp_path / "cifar-10-binary.tar.gz"
    cifar(archive, "cifar-10-batches-bin", BATCHES, 1)
    as_true("CIFAR10", archive)
    if unpacked:
        with tarfile.open(archive) as opened:
            opened.extractall(tmp_path, filter="data")
        archive.unlink()
    train, test = (fetched("CIFAR10").load(split, tmp_path) for split in ("train", "test"))
    assert train.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert test.labels.tolist() == [5, 5]
    assert train.images.shape == (10, 3, 32, 32)
    assert test.images[0, 0, 0, :3].tolist() == [5, 6, 7]
    assert test.images[0, 1, 0, 0] == (1024 + 5) % 256


def test_another_archive_of_cifar_is_refused(tmp_path):
    cifar(tmp_path / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", BATCHES, 1)
    with pytest.raises(DataError, match=r"its sha256 is [0-9a-f]{64}, not c4a38c50"):
        fetched("CIFAR10").load("test", tmp_path)


def test_the_recipe_of_cifar_trains_on_its_files_and_is_measured(tmp_path, as_true):
    cifar(tmp_path / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", BATCHES, 1)
    as_true("CIFAR10", tmp_path / "cifar-10-binary.tar.gz")
    keys = ["rollout.steps=2", "train.batch=4", "train.iterations=2", "train.warmup=0"]
    keys += ["train.validate_every=2", "task.held_out=2", "pool.size=8", "pool.fresh=2"]
    recipe = read_recipe("glom_cifar10", [*keys, "pool.begin=1"])
    run = Run.start(recipe, tmp_path / "run", torch.device("cpu"), tmp_path, SILENT)
    train(run)
    first = run.task.first_evaluation_batch("test", 2)
    assert first.state["image"].shape == (2, 12, 16, 16)
    assert run.task.measure(run.automaton.rollout(first.state, 2), first)["vote"].whole.sum() == 2
    assert (run.folder / "best.safetensors").is_file()


def test_cifar_100_has_fine_labels_second(tmp_path, as_true):
    archive = tmp_path / "cifar-100-binary.tar.gz"
    cifar(archive, "cifar-100-binary", ["train.bin", "test.bin"], 2)
    as_true("CIFAR100", archive)
    ours = fetched("CIFAR100")
    assert ours.load("test", tmp_path).labels.tolist() == [1, 1]
    assert (len(ours.classes), ours.classes[1]) == (100, "aquarium_fish")


@pytest.mark.parametrize(
    ("name", "file", "content"),
    [
        ("CIFAR10", "cifar-10-binary.tar.gz", b"\x1f\x8b no archive"),
        ("SVHN", "test_32x32.mat", b"MATLAB 5.0 MAT-file" + bytes(300)),
    ],
)
def test_damaged_files_are_named(tmp_path, name, file, content):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match=f"{file} cannot be read"):
        fetched(name).load("test", tmp_path)


def test_a_cut_idx_file_is_refused(tmp_path):
    names = ("qmnist-test-images-idx3-ubyte", "qmnist-test-labels-idx2-int")
    lay(tmp_path / "QMNIST" / "raw", names, idx(LABELS[:, None], 12)[:-4])
    with pytest.raises(DataError, match="idx2-int cannot be read"):
        fetched("QMNIST").load("test", tmp_path)


def test_torchvision_fetches_what_is_missing(tmp_path, monkeypatch):
    asked = []

    def archive(url, download_root, filename=None, md5=None, **_):
        asked.append((url.rpartition("/")[2], md5))
        name = (filename or url.rpartition("/")[2]).removesuffix(".gz")
        kind = idx(LABELS) if "labels" in name else idx(IMAGES)
        (Path(download_root) / name).write_bytes(kind)

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", archive)
    loaded = fetched("KMNIST").load("train", tmp_path)
    assert loaded.labels.tolist() == LABELS.tolist()
    assert [name for name, _ in asked][:1] == ["train-images-idx3-ubyte.gz"]
    assert all(md5 for _, md5 in asked)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["KMNIST"]
    fetched("KMNIST").load("train", tmp_path)
    assert len(asked) == 4


def test_cifar_fetches_the_archive_without_pickles(tmp_path, monkeypatch, as_true):
    def download(url, root, filename, md5):
        assert "python" not in url
        assert md5 == "c32a1d4ab5d03f1284b67883e8d87530"
        cifar(Path(root) / filename, "cifar-10-batches-bin", BATCHES, 1)
        as_true("CIFAR10", Path(root) / filename)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", download)
    assert len(fetched("CIFAR10").load("train", tmp_path).labels) == 10


def test_what_cannot_be_fetched_leaves_nothing(tmp_path, monkeypatch):
    def fail(url, root, *_):
        (Path(root) / "half.mat").write_bytes(b"half")
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fail)
    with pytest.raises(DataError, match="torchvision cannot fetch it: no route to host"):
        fetched("SVHN").load("train", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"set": "EMNIST"}, r"\[dataset\] split is missing"),
        ({"set": "KMNIST", "split": "letters"}, r"\[dataset\] split means nothing to KMNIST"),
        ({"set": "KMINST"}, r'\[dataset\] set is "KMINST"'),
    ],
)
def test_options_of_torchvision_are_checked(tmp_path, given, words):
    with pytest.raises(OptionError, match=words):
        NamedDataset({"name": "torchvision", **given}, "dataset", RecipeFiles(tmp_path))


def test_torchvision_is_imported_only_to_fetch():
    code = (
        "import sys; from nca.registry.discovery import discover; discover();"
        "from nca.registry.registry import registry;"
        "registry.get('dataset', 'torchvision')(set='KMNIST'); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_without_torchvision_its_extra_is_named(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError("No module named 'torchvision'", name="torchvision")

    monkeypatch.setattr("nca_plugins.own_data.fetching.importlib.import_module", absent)
    with pytest.raises(DataError, match="No module named 'torchvision'") as refused:
        fetched("KMNIST").load("test", tmp_path)
    assert refused.value.to_do.startswith('pip install "nca[datasets]"')
