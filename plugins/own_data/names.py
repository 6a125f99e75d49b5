"""The names of the classes of torchvision's data sets, in the order of their labels, and others."""

import string
from typing import Literal, NamedTuple

Layout = Literal["auto", "NHWC", "NCHW"]
"""Where the channels of images stand."""


class PackedFile(NamedTuple):
    """An archive of plain bytes.

    Attributes:
        name: Of the file.
        md5: Which its authors give, and torchvision checks.
        sha256: Which is checked here.
    """

    name: str
    md5: str
    sha256: str


CIFAR_ARCHIVES = {
    "CIFAR10": PackedFile(
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    "CIFAR100": PackedFile(
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ),
}
"""What is read of CIFAR; the usual archives hold pickles."""

DIGITS = tuple(string.digits)
LIKE_CAPITALS = set("cijklmopsuvwxyz")
"""Small letters that EMNIST counts as their capitals."""
MERGED = tuple(sorted({*string.digits, *string.ascii_letters} - LIKE_CAPITALS))

EMNIST_CLASSES: dict[str, tuple[str, ...]] = {
    "byclass": tuple(sorted(string.digits + string.ascii_letters)),
    "bymerge": MERGED,
    "balanced": MERGED,
    "letters": tuple(string.ascii_lowercase),
    "digits": DIGITS,
    "mnist": DIGITS,
}

TEN = "airplane automobile bird cat deer dog frog horse ship truck"
HUNDRED = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach "
    "couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster "
    "house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree "
    "motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
    "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket "
    "rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar "
    "sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip "
    "turtle wardrobe whale willow_tree wolf woman worm"
)

CLASSES: dict[str, tuple[str, ...]] = {
    "KMNIST": ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    "QMNIST": DIGITS,
    "SVHN": DIGITS,
    "CIFAR10": tuple(TEN.split()),
    "CIFAR100": tuple(HUNDRED.split()),
}
