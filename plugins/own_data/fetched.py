"""Data sets that torchvision can fetch, read without it.

    dataset = { name = "torchvision", set = "EMNIST", split = "letters" }

Files lie where torchvision lays them, so that both share one copy. torchvision is imported only to
fetch what is missing, and verifies what it fetches; the files are read here, and none of them is
unpickled: of CIFAR the archive of plain bytes is taken, not the one of pickles.
"""

from pathlib import Path
from typing import Literal, get_args

from nca import SILENT, DataError, Dataset, Fault, LabelledImages, OptionError, Progress, register
from nca.data import Split, roots
from nca_plugins.own_data.fetching import fetch
from nca_plugins.own_data.names import CIFAR_ARCHIVES, CLASSES, EMNIST_CLASSES

Set = Literal["KMNIST", "QMNIST", "EMNIST", "SVHN", "CIFAR10", "CIFAR100"]
EmnistSplit = Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"]


@register.dataset("torchvision")
class Fetched(Dataset):
    """Data sets of torchvision.

    Args:
        set: Which.
        split: Which part of EMNIST, and only of that.
    """

    def __init__(self, *, set: Set, split: EmnistSplit | None = None) -> None:
        if (set == "EMNIST") != (split is not None):
            to_do = "give one: " + " | ".join(f'"{each}"' for each in get_args(EmnistSplit))
            words = "is missing" if split is None else f"means nothing to {set}"
            fault = Fault(("split",), words, to_do if split is None else "leave it out")
            raise OptionError([fault], "Fetched(...)")
        self._set, self._part = set, split or ""
        self.classes = EMNIST_CLASSES[split] if split else CLASSES[set]
        self.channels = 3 if set in ("SVHN", *CIFAR_ARCHIVES) else 1

    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split, fetched first if it is not here.

        Raises:
            DataError: It can be had nowhere, or its files are not what they should be.
        """
        import torch

        from nca_plugins.own_data.formats import FORMATS

        form = FORMATS[self._set]
        found = self._found(split, folder)
        if found is None:
            first = roots(folder)[0]
            fetch(self._set, self._part, split, first, progress)
            found = self._found(split, folder)
        if found is None:
            raise DataError(
                f"{self._set} has not come with all of its files.",
                where=str(roots(folder)[0]),
                to_do="run the command again, or lay the files there as torchvision does",
            )
        images, labels = form.read(found, split, self._part)
        return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels))

    def _found(self, split: Split, folder: Path | None) -> list[Path] | None:
        """Return the files of a split, in the first folder that has all of them."""
        from nca_plugins.own_data.formats import FORMATS  # numpy, which a list does without

        for root in roots(folder):
            if found := FORMATS[self._set].find(root, split, self._part):
                return found
        return None
