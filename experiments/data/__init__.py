"""The images that networks are trained and measured on."""

from experiments.data.batches import Batches, EpochShuffle
from experiments.data.fashion_mnist import FashionMNIST
from experiments.data.folders import Folder, Imagenette, Imagewoof
from experiments.data.images import DataError, Images, ImageSet
from experiments.data.mnist import MNIST

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
