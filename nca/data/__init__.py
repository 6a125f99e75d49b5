"""Data sets: named, verified, and fetched from whichever source answers first.

    nca data list
    nca data fetch NAME
    nca data check NAME

Files lie in torchvision's layout, so that both share one copy; `--data FOLDER` says where. The
sha256 of the uncompressed bytes is checked at every reading. A data set of your own is a subclass
of `nca.Dataset` under `@register.dataset("name")`; the keyword-only arguments of its constructor
are its options, `nca.types.DataPath` is the type of one that names a file or folder, and
`read_picture` reads pictures. `nca help data` shows how recipes name them, `nca help rules` says
how plugins enter.

`dataset` is the contract, `idx` reads and keeps files, `sources` fetches them, `known` is what a
run knows of its data, `pictures` and `arrays` read, `cache` keeps what was read. Public to the
other folders: `dataset`, `idx`, and what `__all__` names.
"""

from nca.data.arrays import parse_arrays, read_whole
from nca.data.cache import cached_arrays
from nca.data.dataset import Dataset, IdxDataset, LabelledImages, Split
from nca.data.idx import (
    FileStatus,
    IdxFile,
    SplitFiles,
    cache_folder,
    gunzip,
    parse_idx,
    roots,
)
from nca.data.known import NamedDataset
from nca.data.pictures import (
    Fit,
    Mode,
    by_number,
    pictures_below,
    read_picture,
    read_picture_file,
)
from nca.data.sources import (
    DebianPackage,
    Download,
    NpmPackage,
    Source,
    TorchvisionMirrors,
    UnavailableError,
)

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
    "NamedDataset",
    "Fit",
    "Mode",
    "by_number",
    "pictures_below",
    "read_picture",
    "read_picture_file",
    "cached_arrays",
    "parse_arrays",
    "read_whole",
    "parse_idx",
    "gunzip",
]
