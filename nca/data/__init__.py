"""Data sets: named, verified, and fetched from whichever source answers first."""

from nca.data.dataset import Dataset, IdxDataset, LabelledImages, Split
from nca.data.idx import Finding, IdxFile, Pair, cache_folder, roots
from nca.data.sources import (
    DebianPackage,
    Intake,
    NpmPackage,
    Report,
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
    "Pair",
    "Finding",
    "Report",
    "Source",
    "Intake",
    "UnavailableError",
    "TorchvisionMirrors",
    "NpmPackage",
    "DebianPackage",
    "cache_folder",
    "roots",
]
