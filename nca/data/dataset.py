"""Data sets: named, verified, and fetched from whichever source answers first.

A data set is a plugin: a subclass of `Dataset`, registered with `@register.dataset(name)`. Most
are a table of idx files with their sha256 and an ordered list of sources, which `IdxDataset`
turns into loading, fetching and checking.
"""

import inspect
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from nca.data.idx import (
    MARGIN,
    FileStatus,
    IdxFile,
    RawFolder,
    SplitFiles,
    cache_folder,
    find_file,
    parse_idx,
    read_file,
    roots,
    tilde,
)
from nca.data.labelled import LabelledImages, checked_load
from nca.data.places import holding, places, status, strangers
from nca.data.sources import (
    DebianPackage,
    Download,
    LocalFolder,
    NpmPackage,
    Source,
    TorchvisionMirrors,
    UnavailableError,
)
from nca.errors import DataError
from nca.progress import SILENT, Progress
from nca.registry.registry import registry, takes

if TYPE_CHECKING:  # data sets are listed, fetched and checked without torch
    from torch import Tensor

__all__ = [
    "Dataset",
    "LabelledImages",
    "Split",
    "IdxDataset",
    "IdxFile",
    "SplitFiles",
    "FileStatus",
    "Source",
    "Download",
    "UnavailableError",
    "TorchvisionMirrors",
    "NpmPackage",
    "DebianPackage",
    "cache_folder",
    "roots",
]

Split = Literal["train", "test"]


class Dataset(ABC):
    """Labelled images under a name.

    The keyword-only arguments of the constructor are the keys of its table in a recipe, as they are
    for update rules.

    Attributes:
        classes: The name of each class, in the order of the labels.
        channels: Of its images: 1, or 3 for red, green and blue.
        place: Where the data lie, if a recipe says it.
    """

    classes: tuple[str, ...]
    channels: int = 1
    place: Path | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Let `load` refuse what is no split of the data set."""
        super().__init_subclass__(**options)
        if "load" in vars(cls):
            cls.load = checked_load(cls.load)

    @abstractmethod
    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split, fetching it first if it is not here.

        Args:
            split: Pictures to train on, or those kept apart for the test.
            folder: Where to look first and to put what is fetched; see `roots`.
            progress: Where a fetch is reported.

        Raises:
            DataError: The data cannot be had, or are not what they claim to be.
        """

    def fingerprint(self, progress: Progress = SILENT) -> str:
        """Return a digest of the data where a name does not say what they are; else nothing.

        Args:
            progress: Where the reading is reported.
        """
        return ""


class IdxDataset(Dataset):
    """A data set of four idx files; a plugin fills in the table.

    Attributes:
        folder: The data set's folder in torchvision's layout, `ROOT/<folder>/raw`.
        train: The files to train on.
        test: The files kept apart for the test.
        sources: Where the files can be had from, in the order in which to ask.
    """

    folder: ClassVar[str]
    train: ClassVar[SplitFiles]
    test: ClassVar[SplitFiles]
    sources: ClassVar[tuple[Source, ...]] = ()

    def load(
        self, split: Split, folder: Path | None = None, progress: Progress = SILENT
    ) -> LabelledImages:
        """Return one split, every byte of it verified."""
        if split not in get_args(Split):
            raise DataError(
                f"there is no split {split!r}.",
                where=f"{self.folder}.load({split!r})",
                to_do=f"choose among {', '.join(get_args(Split))}",
            )
        pair: SplitFiles = getattr(self, split)
        raw_folders = self._raw_folders(folder)
        images, labels = read_file(pair.images, raw_folders), read_file(pair.labels, raw_folders)
        if images is None or labels is None:
            self._fetch(raw_folders, list(self.sources), progress)
            images, labels = (
                read_file(pair.images, raw_folders),
                read_file(pair.labels, raw_folders),
            )
        if images is None or labels is None:
            raise DataError(
                f"{self.folder} has gone while it was being read.",
                where=f"{raw_folders[0].path}",
                to_do="run the command again",
            )
        return self._join(parse_idx(images, pair.images.name), parse_idx(labels, pair.labels.name))

    def fetch(self, folder: Path | None = None, progress: Progress = SILENT) -> None:
        """Make sure that all files are here, each of them verified.

        Args:
            folder: Where they shall lie, also if they already lie elsewhere; without it,
                anywhere among `roots()` will do.
            progress: Where the fetch is reported.

        Raises:
            DataError: No source can serve, or a file that is here has other bytes.
        """
        raw_folders = self._raw_folders(folder)
        own = self._only(folder)
        others = [other for other in raw_folders if other not in own]
        for file in self._files():
            read_file(file, own)
        sources = [*map(LocalFolder, others), *self.sources]
        if not self._fetch(own, sources, progress):
            here = dict.fromkeys(path.parent for path in self.find(folder).values() if path)
            there = _in([RawFolder(path) for path in here])
            progress.note(f"{self.folder}: {len(self._files())} files already {there}")

    def find(self, folder: Path | None = None) -> dict[str, Path | None]:
        """Return where each file lies, unverified; only in `folder` if that is given."""
        raw_folders = self._only(folder)
        return {file.name: find_file(file, raw_folders) for file in self._files()}

    def check(self, folder: Path | None = None) -> list[FileStatus]:
        """Hash each file that `find` finds, and say what became of it."""
        raw_folders = self._only(folder)
        return [status(file, raw_folders) for file in self._files()]

    def looked_into(self, folder: Path | None = None) -> list[Path]:
        """Return the folders that `find` looks into, whether they are there or not."""
        each = [place for root in self._roots(folder) for place in places(self.folder, root)]
        return [place.folder.path for place in each]

    def strangers(self, folder: Path | None = None) -> list[Path]:
        """Return folders looked into whose files have the right names and other bytes."""
        return strangers(self.folder, self._roots(folder), self._files())

    def _files(self) -> tuple[IdxFile, ...]:
        return self.train.images, self.train.labels, self.test.images, self.test.labels

    def _raw_folders(self, folder: Path | None) -> list[RawFolder]:
        return holding(self.folder, roots(folder), self._files())

    def _only(self, folder: Path | None) -> list[RawFolder]:
        """Return the folders to read from; only those in `folder` if that is given."""
        return holding(self.folder, self._roots(folder), self._files())

    def _roots(self, folder: Path | None) -> list[Path]:
        return roots(folder)[: None if folder is None else 1]

    def _fetch(
        self, raw_folders: list[RawFolder], sources: list[Source], progress: Progress
    ) -> bool:
        """Put what is in none of the folders into the first; return whether anything was not."""
        missing = [file for file in self._files() if find_file(file, raw_folders) is None]
        download = Download(tuple(missing), raw_folders[0], progress)
        served, said = [], []
        for source in sources if missing else ():
            before = len(download.left)
            try:
                source.serve(download)
                reason = f"has no {', '.join(file.name for file in download.left)}"
            except UnavailableError as fault:
                reason = str(fault)
            if count := before - len(download.left):
                served.append(f"{count} file{'s' * (count > 1)} from {source.label}")
            if not download.left:
                progress.note(f"{self.folder}: {', '.join(served)} {_in(raw_folders[:1], 'into')}")
                break
            said.append(f"{source.label}: {reason}")
        if download.left:
            raise self._nowhere(download.left, raw_folders, said)
        return bool(missing)

    def _nowhere(
        self, left: tuple[IdxFile, ...], raw_folders: list[RawFolder], said: list[str]
    ) -> DataError:
        names = ", ".join(file.name for file in left)
        # other roots were looked into as well, whichever folder was given
        others = strangers(self.folder, [folder.path.parent.parent for folder in raw_folders], left)
        foreign = [f"the files in {tilde(path)} have other bytes" for path in others]
        cached = tilde(cache_folder() / self.folder)
        ways = (
            "one of three:",
            f"- put the missing files into FOLDER/{self.folder}/raw yourself, and pass "
            "--data FOLDER or set NCA_DATA=FOLDER",
            f"- go online and run `nca data fetch {self._name()}`",
            f"- copy {cached} from another machine to the same place here",
        )
        return DataError(
            f"{self.folder} is not here, and no source can serve it.",
            where=MARGIN.join([f"no {names} {_in(raw_folders)}", *foreign, *said]),
            to_do=MARGIN.join(ways),
        )

    def _name(self) -> str:
        """Return the name under which this data set is registered."""
        mine = (entry.name for entry in registry.entries() if entry.thing is type(self))
        return next(mine, type(self).__name__)

    def _join(self, images: "Tensor", labels: "Tensor") -> LabelledImages:
        if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels):
            raise DataError(
                f"the files of {self.folder} do not belong together.",
                where=f"images are {tuple(images.shape)}, labels are {tuple(labels.shape)}",
                to_do="correct the data set's table of files",
            )
        if int(labels.max()) >= len(self.classes):
            raise DataError(
                f"{self.folder} has more classes than names for them.",
                where=f"label {int(labels.max())}, but {len(self.classes)} classes",
                to_do="correct the data set's `classes`",
            )
        return LabelledImages(images.unsqueeze(1), labels.long())


def _in(raw_folders: list[RawFolder], word: str = "in") -> str:
    return f"{word} {', '.join(tilde(raw_folder.path) for raw_folder in raw_folders)}"


def _fault(thing: Any) -> str | None:
    """Return why a thing cannot be a data set, or None."""
    if not (isinstance(thing, type) and issubclass(thing, Dataset)):
        return "it is not a subclass of nca.data.dataset.Dataset"
    if inspect.isabstract(thing):
        return f"it lacks {', '.join(sorted(thing.__abstractmethods__))}"
    if not takes(thing.load, None, "train", None, SILENT):
        return "its load cannot be called with a split, a folder and a progress"
    classes = getattr(thing, "classes", ("set when it is made",))
    named = isinstance(classes, tuple | list) and all(isinstance(c, str) and c for c in classes)
    if not isinstance(classes, property) and not (named and classes):
        return 'its `classes` are no names of classes: ("cat", "dog")'
    return None


registry.demand("dataset", _fault)
