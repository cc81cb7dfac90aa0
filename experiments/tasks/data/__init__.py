"""The images that networks are trained and measured on."""

from experiments.common.errors import DataError
from experiments.tasks.data.batches import Batches, EpochShuffle
from experiments.tasks.data.fashion_mnist import FashionMNIST
from experiments.tasks.data.folders import Folder, Imagenette, Imagewoof
from experiments.tasks.data.images import Images, ImageSet
from experiments.tasks.data.mnist import MNIST

__all__ = [
    "MNIST",
    "Batches",
    "DataError",
    "EpochShuffle",
    "FashionMNIST",
    "Folder",
    "ImageSet",
    "Imagenette",
    "Images",
    "Imagewoof",
]
