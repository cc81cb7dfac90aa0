"""Which activation gives the best classifier: of a few small networks, and of residual ones?


The default settings of each network are those of the comparison that it was published in
(`configs/classifier/`); the score is the accuracy on the test images.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from experiments.common.numbers import ClosedUnitInterval
from experiments.tasks.data import MNIST, FashionMNIST, Folder, Imagenette, Imagewoof
from experiments.tasks.experiment import Experiment, Network, register
from experiments.tasks.networks import MLP, ConvNet, XResNet18, XResNet34, XResNet50


class Classification:
    """The cross-entropy of the classes, and the share of images that are classified right.

    Args:
        label_smoothing: share of a label that is spread over all classes, while training only.
    """

    def __init__(self, label_smoothing: ClosedUnitInterval = 0.0) -> None:
        self.label_smoothing = label_smoothing

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        outputs = network(images).to(images.dtype)
        smoothing = self.label_smoothing if network.training else 0.0
        return {
            "loss": F.cross_entropy(outputs, labels, label_smoothing=smoothing),
            "accuracy": (outputs.argmax(1) == labels).to(images.dtype).mean(),
        }


EXPERIMENT = register(
    Experiment(
        "classifier",
        networks={
            "mlp": Network(MLP, "classifier/mlp.yaml"),
            "convnet": Network(ConvNet, "classifier/convnet.yaml"),
            "xresnet18": Network(XResNet18, "classifier/xresnet.yaml"),
            "xresnet34": Network(XResNet34, "classifier/xresnet.yaml"),
            "xresnet50": Network(XResNet50, "classifier/xresnet.yaml"),
        },
        data={
            "fashion_mnist": FashionMNIST,
            "mnist": MNIST,
            "imagenette": Imagenette,
            "imagewoof": Imagewoof,
            "folder": Folder,
        },
        measures=Classification,
        metrics=("loss", "accuracy"),
        unit="cross-entropy",
        best_by="accuracy",
        of_the_data=("shape", "classes"),
    )
)
