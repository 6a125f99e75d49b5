"""A folder of pictures as a data set: one folder for each class.

    photos/cat/1.png  photos/cat/2.jpg  photos/dog/1.png
    photos/train/cat/1.png  photos/test/cat/2.jpg

The second form says itself which pictures are for the test. All of them are read once, brought to
one size, and kept as one file in the data folder, under a name that follows from every byte.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Len

from nca import SILENT, Dataset, LabelledImages, Progress, register
from nca.data import (
    Fit,
    Mode,
    Split,
    cached_arrays,
    read_picture,
    read_picture_file,
)
from nca.types import DataPath, PictureSide, ProperFraction
from nca_plugins.own_data.listing import Listing, list_pictures

if TYPE_CHECKING:  # data sets are listed without numpy
    import numpy as np

NAMED = 5
"""So many of the files that are left out are named."""
SAID: set[tuple[str | Path, ...]] = set()
"""Which files were said to be left out, of which folder: once is enough."""


@register.dataset("folder")
class PictureFolder(Dataset):
    """Pictures of any size and mode, in one folder for each class.

    Args:
        path: The folder; if it holds `train` and `test` alone, the classes are in each of them.
        size: Height and width that all pictures are brought to, in pixels.
        mode: One channel, or red, green and blue.
        fit: How a picture of another form is brought there: padded with black, cropped, or
            stretched.
        invert: Whether bright and dark are exchanged: cells look at ink, which is bright.
        test_share: Share of each class that is kept for the test, if there is no folder `test`.
    """

    def __init__(
        self,
        *,
        path: DataPath,
        size: Annotated[tuple[PictureSide, PictureSide], Len(2, 2)] = (28, 28),
        mode: Mode = "grey",
        fit: Fit = "pad",
        invert: bool = False,
        test_share: ProperFraction = 0.2,
    ) -> None:
        self.place = self._root = Path(path)
        self._reading = {"mode": mode, "fit": fit, "invert": invert}
        self._size, self._test_share = size, test_share
        self.channels = 3 if mode == "colour" else 1

    @property
    def classes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The names of the folders."""
        return self._listing.classes

    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split, made of the pictures or of what was kept of them.

        Raises:
            DataError: The folder is not what it should be.
            PictureError: A picture cannot be read.
        """
        import torch

        asked = f"1 {self._size} {self._reading} {self._test_share}"
        name = hashlib.sha256(f"{self.fingerprint(progress)} {asked}".encode()).hexdigest()
        made = cached_arrays(f"folder-{name[:32]}", lambda: self._made(progress), folder, progress)
        chosen = made["test"] if split == "test" else ~made["test"]
        labels = torch.from_numpy(made["labels"][chosen])
        return LabelledImages(torch.from_numpy(made["images"][chosen]), labels)

    def fingerprint(self, progress: Progress = SILENT) -> str:
        """Return the sha256 of names and bytes of all pictures."""
        if not self._digest:
            self._say_left_out(progress)
            whole = hashlib.sha256()
            for file, content in self._each("pictures found", progress):
                inside = file.relative_to(self._root).as_posix()
                whole.update(f"{inside}\0{hashlib.sha256(content).hexdigest()}\0".encode())
            self._digest = whole.hexdigest()
        return self._digest

    _digest = ""

    def _made(self, progress: Progress) -> Mapping[str, "np.ndarray"]:
        import numpy as np

        from nca_plugins.own_data.split import for_test

        shape = (len(self._listing.files), self.channels, *self._size)
        images = np.zeros(shape, dtype=np.uint8)
        for number, (file, content) in enumerate(self._each("pictures read", progress)):
            images[number] = read_picture(content, str(file), self._size, **self._reading)
        labels = np.array([label for _, label, _ in self._listing.files], dtype=np.int64)
        test = np.array([test for *_, test in self._listing.files])
        if not self._listing.split:
            test = for_test(labels, self._test_share)
        return {"images": images, "labels": labels, "test": test}

    def _each(self, what: str, progress: Progress) -> Iterator[tuple[Path, bytes]]:
        progress.begin(what, len(self._listing.files), unit="pictures")
        for number, (file, *_) in enumerate(self._listing.files, 1):
            yield file, read_picture_file(file)
            progress.advance(number)

    def _say_left_out(self, progress: Progress) -> None:
        left = [file.relative_to(self._root).as_posix() for file in self._listing.left_out]
        if left and (self._root, *left) not in SAID:
            SAID.add((self._root, *left))
            more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
            names = ", ".join(left[:NAMED])
            progress.note(f"{self._root}: not taken for pictures of a class: {names}{more}")

    @cached_property
    def _listing(self) -> Listing:
        return list_pictures(self._root)
