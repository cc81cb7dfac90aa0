"""The networks under study: plain torch modules whose activation is given as text.

The initial weights depend on `seed` alone, so that networks which differ only in their activation
start from the same point.
"""

from experiments.tasks.networks.autoencoder import Autoencoder
from experiments.tasks.networks.convnet import ConvNet
from experiments.tasks.networks.mlp import MLP
from experiments.tasks.networks.xresnet import XResNet18, XResNet34, XResNet50

__all__ = ["MLP", "Autoencoder", "ConvNet", "XResNet18", "XResNet34", "XResNet50"]
