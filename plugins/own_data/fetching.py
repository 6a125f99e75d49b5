"""Fetch a data set with torchvision, which verifies what it fetches; it reads nothing of it.

All comes into a folder of its own first, and only what is whole is moved to its place.
"""

import importlib
import tempfile
from pathlib import Path
from typing import Any

from nca import DataError, Progress
from nca.data import Split
from nca_plugins.own_data.names import CIFAR_ARCHIVES

CIFAR = "https://www.cs.toronto.edu/~kriz"


def fetch(name: str, part: str, split: Split, root: Path, progress: Progress) -> None:
    """Fetch the files of a split, or of the whole data set, into a data folder.

    Args:
        name: Of the data set.
        part: Of EMNIST.
        split: Which.
        root: The folder; the files lie in it as torchvision lays them.
        progress: Where it is reported.

    Raises:
        DataError: They cannot be had.
    """
    progress.begin(f"fetching {name} with torchvision", unit="bytes")
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=root) as folder:
            _download(name, part, split, folder)
            for file in sorted(Path(folder).rglob("*")):
                if file.is_file() and (name in CIFAR_ARCHIVES or file.suffix in ("", ".mat")):
                    place = root / file.relative_to(folder)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    file.replace(place)
    except Exception as fault:  # of torchvision's import, of the network, of the disk
        reason = (str(fault) or type(fault).__name__).splitlines()[0]
        missing = isinstance(fault, ModuleNotFoundError) and fault.name == "torchvision"
        first = 'pip install "nca[datasets]"' if missing else "go online and run the command again"
        raise DataError(
            f"{name} is not here, and torchvision cannot fetch it: {reason}.",
            where=str(root),
            to_do=f"{first}, or lay the files there as torchvision does",
        ) from fault


def _download(name: str, part: str, split: Split, folder: str) -> None:
    sets: Any = importlib.import_module("torchvision.datasets")
    if name in CIFAR_ARCHIVES:  # torchvision itself takes the archive of pickles
        archive = CIFAR_ARCHIVES[name]
        sets.utils.download_url(f"{CIFAR}/{archive.name}", folder, archive.name, archive.md5)
        return
    kind = getattr(sets, name)
    if name == "SVHN":
        url, file, md5 = kind.split_list[split]
        sets.utils.download_url(url, folder, file, md5)
        return
    made = kind.__new__(kind)  # its constructor would read the files as well
    made.root, made.train, made.split, made.what = folder, split == "train", part, split
    made.download()
