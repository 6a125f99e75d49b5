"""The files of torchvision's data sets: what they are called, and how they are read.

Legend: N sample, C channel, H height, W width.
"""

import hashlib
import io
import struct
import tarfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nca import DataError
from nca.data import Split, gunzip, parse_idx, read_whole
from nca_plugins.own_data.names import CIFAR_ARCHIVES, PackedFile

Read = tuple[np.ndarray, np.ndarray]
"""Images `(N, C, H, W)`, uint8, and labels, int64."""
INT32 = 0x0C


def damaged_file(path: Path | str, what: object) -> DataError:
    """Return the refusal of a file."""
    name = Path(path).name
    return DataError(
        f"{name} cannot be read: {what}.",
        where=str(path),
        to_do="delete this file; it is fetched afresh when it is next needed",
    )


class Format(ABC):
    """How the files of a data set are called, and read."""

    @abstractmethod
    def find(self, root: Path, split: Split, part: str) -> list[Path] | None:
        """Return the files of a split below a data folder; None where one is missing."""

    @abstractmethod
    def read(self, files: Sequence[Path], split: Split, part: str) -> Read:
        """Return what they hold.

        Raises:
            DataError: They are damaged, or do not belong together.
        """


class IdxFormat(Format):
    """Two idx files for each split, perhaps compressed.

    Args:
        name: The folder.
        images: Pattern of the name of the images' file.
        labels: That of the labels.
        splits: What the splits are called in it.
    """

    def __init__(
        self, name: str, images: str, labels: str, splits: tuple[str, str] = ("train", "test")
    ) -> None:
        self._folder, self._patterns = name, (images, labels)
        self._splits = {"train": splits[0], "test": splits[1]}

    def find(self, root: Path, split: Split, part: str) -> list[Path] | None:
        """Return images and labels."""
        raw = root / self._folder / "raw"
        each = [p.format(split=self._splits[split], part=part) for p in self._patterns]
        return _all([raw / name, raw / f"{name}.gz"] for name in each)

    def read(self, files: Sequence[Path], split: Split, part: str) -> Read:
        """Return images upright, and labels from 0."""
        contents = [_plain(file) for file in files]
        images = parse_idx(contents[0], files[0].name).numpy()
        labels = _labels(contents[1], files[1])
        if images.ndim != 3 or len(images) != len(labels):
            what = f"images are {images.shape}, labels are {labels.shape}"
            raise damaged_file(files[0], what)
        if part:  # the pictures of EMNIST lie on their sides
            images = images.transpose(0, 2, 1)
        if part == "letters":  # which begin with 1
            labels = labels - 1
        return np.ascontiguousarray(images[:, None]), labels


class MatlabFormat(Format):
    """The files of Matlab in which SVHN comes."""

    def find(self, root: Path, split: Split, part: str) -> list[Path] | None:
        """Return the one file."""
        return _all([[root / f"{split}_32x32.mat"]])

    def read(self, files: Sequence[Path], split: Split, part: str) -> Read:
        """Return images and digits, of which 0 is written as 10."""
        from scipy.io import loadmat

        try:
            found: Any = loadmat(io.BytesIO(read_whole(files[0])), variable_names=("X", "y"))
            images, labels = np.asarray(found["X"]), np.asarray(found["y"]).reshape(-1)
        except DataError:
            raise
        except Exception as fault:  # its readers fail in their own ways on a damaged file
            raise damaged_file(files[0], str(fault) or type(fault).__name__) from fault
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != len(labels):
            raise damaged_file(files[0], f"images are {images.dtype} {images.shape}")
        return np.ascontiguousarray(images.transpose(3, 2, 0, 1)), labels.astype(np.int64) % 10


class CifarFormat(Format):
    """Records of labels and 3 x 32 x 32 bytes, in an archive or unpacked.

    Args:
        name: Of the data set.
        folder: The folder in the archive.
        train: Its files to train on.
        test: The file for the test.
        labels: Bytes before the pixels; the last one counts.
    """

    def __init__(
        self, name: str, folder: str, train: tuple[str, ...], test: str, labels: int
    ) -> None:
        self._name, self._folder = name, folder
        self._files = {"train": train, "test": (test,)}
        self._label_bytes = labels

    @property
    def _archive(self) -> PackedFile:
        return CIFAR_ARCHIVES[self._name]

    def find(self, root: Path, split: Split, part: str) -> list[Path] | None:
        """Return the unpacked files, or the archive."""
        unpacked = _all([[root / self._folder / name] for name in self._files[split]])
        return unpacked or _all([[root / self._archive.name]])

    def read(self, files: Sequence[Path], split: Split, part: str) -> Read:
        """Return images and labels; nothing of the archive is written to the disk."""
        packed = files[0].name == self._archive.name
        each = self._members(files[0], split) if packed else map(read_whole, files)
        records = [self._records(content, files[0]) for content in each]
        whole = np.concatenate(records)
        images = whole[:, self._label_bytes :].reshape(-1, 3, 32, 32)
        return np.ascontiguousarray(images), whole[:, self._label_bytes - 1].astype(np.int64)

    def _members(self, archive: Path, split: Split) -> Iterable[bytes]:
        content = read_whole(archive)
        if (found := hashlib.sha256(content).hexdigest()) != self._archive.sha256:
            raise damaged_file(archive, f"its sha256 is {found}, not {self._archive.sha256}")
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as opened:
                for name in self._files[split]:
                    member = opened.extractfile(f"{self._folder}/{name}")
                    yield member.read() if member else b""
        except (tarfile.TarError, KeyError, EOFError, OSError, zlib.error) as fault:
            raise damaged_file(archive, str(fault).strip("'\"")) from fault

    def _records(self, content: bytes, file: Path) -> np.ndarray:
        length = self._label_bytes + 3 * 32 * 32
        if not content or len(content) % length:
            raise damaged_file(file, f"{len(content)} bytes are no records of {length}")
        return np.frombuffer(content, dtype=np.uint8).reshape(-1, length)


def _all(choices: Iterable[Sequence[Path]]) -> list[Path] | None:
    """Return of each file the first place where it lies; None where one lies nowhere."""
    found = [next((path for path in places if path.is_file()), None) for places in choices]
    there = [path for path in found if path is not None]
    return there if len(there) == len(found) else None


def _plain(path: Path) -> bytes:
    content = read_whole(path)
    try:
        return gunzip(content) if path.suffix == ".gz" else content
    except ValueError as fault:
        raise damaged_file(path, f"it {fault}") from fault


def _labels(content: bytes, path: Path) -> np.ndarray:
    """Return labels of one byte, or the first of several whole numbers of four bytes each."""
    if content[2:4] == bytes((INT32, 2)) and len(content) >= 12:
        count, width = struct.unpack(">2I", content[4:12])
        if width and len(content) - 12 == 4 * count * width:
            values = np.frombuffer(content, dtype=">i4", offset=12).reshape(count, width)
            return values[:, 0].astype(np.int64)
        raise damaged_file(path, f"its sides {count}, {width} do not fit {len(content)} bytes")
    labels = parse_idx(content, path.name).numpy()
    if labels.ndim != 1:
        raise damaged_file(path, f"labels are {labels.shape}")
    return labels.astype(np.int64)


FORMATS: dict[str, Format] = {
    "KMNIST": IdxFormat(
        "KMNIST", "{split}-images-idx3-ubyte", "{split}-labels-idx1-ubyte", ("train", "t10k")
    ),
    "QMNIST": IdxFormat(
        "QMNIST", "qmnist-{split}-images-idx3-ubyte", "qmnist-{split}-labels-idx2-int"
    ),
    "EMNIST": IdxFormat(
        "EMNIST",
        "emnist-{part}-{split}-images-idx3-ubyte",
        "emnist-{part}-{split}-labels-idx1-ubyte",
    ),
    "SVHN": MatlabFormat(),
    "CIFAR10": CifarFormat(
        "CIFAR10",
        "cifar-10-batches-bin",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        1,
    ),
    "CIFAR100": CifarFormat("CIFAR100", "cifar-100-binary", ("train.bin",), "test.bin", 2),
}
