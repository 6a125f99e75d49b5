"""What arrays mean: which are images and which labels, where their channels stand.

Legend: N sample, C channel, H height, W width.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from nca import DataError
from nca_plugins.own_data.names import Layout

TOGETHER = (("images", "labels"),)
APART = (
    (("train_images", "train_labels"), ("test_images", "test_labels")),
    (("x_train", "y_train"), ("x_test", "y_test")),
)
"""What arrays may be called where a file says which are for the test."""
CHANNELS = (1, 3)


def refusal(name: str, what: str, to_do: str) -> DataError:
    """Return the refusal of a file that holds something else."""
    return DataError(f"{name!r} {what}.", where=name, to_do=to_do)


def only_array(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return the one array of a file.

    Raises:
        DataError: It has another number of them.
    """
    if len(arrays) != 1:
        to_do = "give files of one array each, or one .npz as path"
        raise refusal(name, f"holds {len(arrays)} arrays, not one", to_do)
    return next(iter(arrays.values()))


def split_arrays(
    arrays: Mapping[str, np.ndarray], name: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and labels: of all samples, or of those to train on and those for the test.

    Raises:
        DataError: They are not there.
    """
    for form in (TOGETHER, *APART):
        if all(key in arrays for part in form for key in part):
            return [(arrays[images], arrays[labels]) for images, labels in form]
    found = ", ".join(sorted(arrays)) or "no array"
    to_do = "call them images and labels; or train_images, train_labels, test_images, test_labels"
    raise refusal(name, f"holds no images with labels, but {found}", to_do)


def to_pictures(array: np.ndarray, layout: Layout, name: str) -> np.ndarray:
    """Return images as `(N, C, H, W)`, uint8.

    Raises:
        DataError: Their axes or numbers can be nothing of the kind, or several things.
    """
    last, first = array.shape[-1:] or (0,), array.shape[1:2] or (0,)
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4:
        if layout == "auto":
            fits = [at for at, c in (("NHWC", last[0]), ("NCHW", first[0])) if c in CHANNELS]
            if len(fits) != 1:
                which = "either end" if fits else "neither end"
                what = f"has images {array.shape}: 1 or 3 channels could stand at {which}"
                raise refusal(name, what, 'say where: layout = "NHWC" or layout = "NCHW"')
            layout = "NHWC" if fits == ["NHWC"] else "NCHW"
        array = array.transpose(0, 3, 1, 2) if layout == "NHWC" else array
    if array.ndim != 4 or array.shape[1] not in CHANNELS or 0 in array.shape[1:]:
        to_do = "give (N, H, W), (N, H, W, C) or (N, C, H, W), with 1 or 3 channels"
        raise refusal(name, f"has images of shape {array.shape}", to_do)
    return np.ascontiguousarray(_bytes(array, name))


def to_numbers(
    labels: Sequence[np.ndarray], names: tuple[str, ...], name: str
) -> tuple[tuple[str, ...], list[np.ndarray]]:
    """Return the names of the classes, and labels as int64 `(N,)`.

    Args:
        labels: Whole numbers, or words, `(N,)` or `(N, 1)`.
        names: Of the classes, if they are known.
        name: What to call the file.

    Raises:
        DataError: They are something else, or do not fit the names.
    """
    flat = [each.reshape(len(each)) if each.size == each.shape[0] else each
            for each in labels if each.ndim]  # fmt: skip
    if len(flat) != len(labels) or any(each.ndim != 1 for each in flat):
        shapes = " and ".join(str(each.shape) for each in labels)
        raise refusal(name, f"has labels of shape {shapes}", "give one label for each image: (N,)")
    if all(each.dtype.kind == "U" for each in flat):
        known = names or tuple(map(str, np.unique(np.concatenate(flat))))
        if strange := sorted({*map(str, np.concatenate(flat))} - {*known}):
            raise refusal(name, f"has labels that are no class: {', '.join(strange[:5])}",
                          "name all classes, or leave out `classes`")  # fmt: skip
        place = {word: number for number, word in enumerate(known)}
        return known, [np.array([place[str(w)] for w in e], dtype=np.int64) for e in flat]
    if any(each.dtype.kind not in "iu" for each in flat):
        kinds = " and ".join(str(each.dtype) for each in flat)
        raise refusal(name, f"has labels of type {kinds}", "give whole numbers from 0, or words")
    whole = np.concatenate(flat)
    low, high = (int(whole.min()), int(whole.max())) if whole.size else (0, -1)
    count = len(names) or high + 1
    if low < 0 or high >= count or not 1 <= count <= MOST_CLASSES:
        to_do = f"give whole numbers from 0 to {len(names) - 1 if names else MOST_CLASSES - 1}"
        raise refusal(name, f"has labels from {low} to {high}", to_do)
    return names or tuple(map(str, range(count))), [each.astype(np.int64) for each in flat]


MOST_CLASSES = 10_000


def _bytes(array: np.ndarray, name: str) -> np.ndarray:
    """Return numbers as bytes: 0 to 255 as they are, true or false, or 0 to 1 as shares of white.

    Raises:
        DataError: They are others.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:  # NaN is neither
        return (array.astype(np.float64) * 255).round().astype(np.uint8)
    what = f"has images of {array.dtype} from {low} to {high}"
    raise refusal(name, what, "give uint8, or numbers from 0 to 1")
