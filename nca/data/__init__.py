"""Data sets: named, verified, and fetched from whichever source answers first."""

from nca.data.dataset import Dataset, IdxDataset, LabelledImages, Split
from nca.data.idx import FileStatus, IdxFile, SplitFiles, cache_folder, roots
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
]
