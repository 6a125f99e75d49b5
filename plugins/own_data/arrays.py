"""Arrays in files of numpy as a data set.

    numpy.savez("digits.npz", images=images, labels=labels)

Images are `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)` with 1 or 3 channels: uint8, or numbers
from 0 to 1. Labels are whole numbers from 0, or words. A file that names `train_images`,
`train_labels`, `test_images` and `test_labels` (or `x_train`, `y_train`, `x_test`, `y_test`) says
itself which are for the test. Nothing is ever unpickled.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Len

from nca import SILENT, Dataset, Fault, LabelledImages, OptionError, Progress, register
from nca.data import Split, parse_arrays, read_whole
from nca.types import DataPath, Name, ProperFraction
from nca_plugins.own_data.names import Layout

if TYPE_CHECKING:  # data sets are listed without numpy
    import numpy as np

SPLITS: tuple[Split, Split] = ("train", "test")


@dataclass(frozen=True)
class Read:
    """What the files hold.

    Attributes:
        classes: Names of the classes.
        splits: Images `(N, C, H, W)`, uint8, and labels, int64.
        digest: The sha256 of the files.
    """

    classes: tuple[str, ...]
    splits: "dict[Split, tuple[np.ndarray, np.ndarray]]"
    digest: str


@register.dataset("arrays")
class Arrays(Dataset):
    """Images and labels in files of numpy.

    Args:
        path: An `.npz` with images and labels.
        images: An `.npy` of images, in place of `path`.
        labels: The `.npy` of their labels.
        classes: The name of each class; unless given, what the file says: words, or numbers.
        layout: Where the channels stand, if that does not show.
        test_share: Share of each class that is kept for the test, if the file does not say it.
    """

    def __init__(
        self,
        *,
        path: DataPath | None = None,
        images: DataPath | None = None,
        labels: DataPath | None = None,
        classes: Annotated[tuple[Name, ...], Len(0, 10_000)] = (),
        layout: Layout = "auto",
        test_share: ProperFraction = 0.2,
    ) -> None:
        if not (path and not (images or labels)) and not (images and labels and not path):
            words, to_do = "is missing", "give path = FILE.npz, or images and labels, FILE.npy each"
            if path:
                words, to_do = "stands beside images or labels", "give one or the other"
            raise OptionError([Fault(("path",), words, to_do)], "Arrays(...)")
        self._paths = [Path(each) for each in (path, images, labels) if each]
        self.place = self._paths[0]
        self._named, self._test_share = tuple(classes), test_share
        self._layout: Layout = layout

    @property
    def classes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The words that stand for the classes, in the order of the labels."""
        return self._read.classes

    @property
    def channels(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """1, or 3 for red, green and blue."""
        return self._read.splits["train"][0].shape[1]

    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split.

        Raises:
            DataError: The files do not hold images and labels that belong together.
        """
        import torch

        images, labels = self._read.splits[split]
        return LabelledImages(torch.from_numpy(images), torch.from_numpy(labels))

    def fingerprint(self, progress: Progress = SILENT) -> str:
        """Return the sha256 of the files."""
        return self._read.digest

    @cached_property
    def _read(self) -> Read:
        import numpy as np

        from nca_plugins.own_data.split import for_test
        from nca_plugins.own_data.tensors import (
            only_array,
            refusal,
            split_arrays,
            to_numbers,
            to_pictures,
        )

        contents = [read_whole(path) for path in self._paths]
        arrays: dict[str, np.ndarray] = {}
        for path, content in zip(self._paths, contents, strict=True):
            found = parse_arrays(content, path.name)
            if len(self._paths) == 2:
                role = "labels" if arrays else "images"
                found = {role: only_array(found, path.name)}
            arrays |= found
        name = self.place.name if self.place else ""
        names = self._named or tuple(map(str, np.ravel(arrays.get("classes", []))))
        parts = split_arrays(arrays, name)
        images = [to_pictures(part, self._layout, name) for part, _ in parts]
        classes, labels = to_numbers([labels for _, labels in parts], names, name)
        if wrong := [n for n, each in enumerate(images) if len(each) != len(labels[n])]:
            part = wrong[0]
            what = f"has {len(images[part])} images and {len(labels[part])} labels"
            raise refusal(name, what, "give one label for each image")
        chosen = for_test(labels[0], self._test_share) if len(parts) == 1 else None
        if chosen is not None:
            images, labels = ([e[0][~chosen], e[0][chosen]] for e in (images, labels))
        if images[0].shape[1:] != images[1].shape[1:]:
            sizes = " and ".join(str(each.shape[1:]) for each in images)
            raise refusal(name, f"has images of {sizes}", "give all of them one size")
        digest = hashlib.sha256(b"".join(hashlib.sha256(c).digest() for c in contents))
        return Read(
            classes,
            dict(zip(SPLITS, zip(images, labels, strict=True), strict=True)),
            digest.hexdigest(),
        )
