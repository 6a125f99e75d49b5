"""Labelled images, and the check of what a data set loads."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from nca.errors import DataError, PluginError, ShapeError

if TYPE_CHECKING:  # data sets are listed, fetched and checked without torch
    from torch import Tensor


@dataclass(frozen=True)
class LabelledImages:
    """Pictures and what they show.

    Attributes:
        images: uint8 `(sample, channel, height, width)`.
        labels: int64 `(sample,)`, indices into the data set's `classes`.

    Raises:
        ShapeError: Another dtype, another number of axes, or unequal counts.
    """

    images: "Tensor"
    labels: "Tensor"

    def __post_init__(self) -> None:
        """Refuse what no task could use."""
        import torch

        images, labels = self.images, self.labels
        if (
            (images.dtype, images.ndim) != (torch.uint8, 4)
            or (labels.dtype, labels.ndim) != (torch.int64, 1)
            or len(images) != len(labels)
        ):
            raise ShapeError(
                "these are no labelled images.",
                where=f"images are {images.dtype} {tuple(images.shape)}, "
                f"labels are {labels.dtype} {tuple(labels.shape)}",
                to_do="give uint8 images (sample, channel, height, width) and one int64 label each",
            )


def checked_load(load: Callable[..., Any]) -> Callable[..., LabelledImages]:
    """Return the `load` of a data set as one that refuses what is no split of it.

    Raises:
        PluginError: In a call: it returns something else than labelled images.
        DataError: In a call: there are none, or a label is no class of the data set.
    """

    @wraps(load)
    def loading(self: Any, *given: Any, **options: Any) -> LabelledImages:
        loaded = load(self, *given, **options)
        split = given[0] if given else options.get("split")
        where = f"{type(self).__module__}.{type(self).__qualname__}"
        _check(loaded, len(self.classes), where, split)
        return loaded

    return loading


def _check(loaded: object, classes: int, where: str, split: object) -> None:
    if not isinstance(loaded, LabelledImages):
        raise PluginError(
            f"a data set has loaded {type(loaded).__name__}, not nca.LabelledImages.",
            where=f"{where}.load",
            to_do="let it return LabelledImages(images, labels)",
        )
    if not len(loaded.images) and split != "train" and loaded.images.shape[1:].numel():
        return  # there may be nothing to test on, which is said where it is asked for
    if not loaded.images.numel():
        raise DataError(
            "a data set has loaded no pixel.",
            where=f"{where}.load: images are {tuple(loaded.images.shape)}",
            to_do="let it return at least one sample",
        )
    low, high = (int(bound) for bound in loaded.labels.aminmax())
    if low < 0 or high >= classes:
        raise DataError(
            f"a data set has loaded labels from {low} to {high}, but has {classes} classes.",
            where=f"{where}.load",
            to_do=f"give labels from 0 to {classes - 1}, or correct its `classes`",
        )
