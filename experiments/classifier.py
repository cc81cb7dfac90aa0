"""Which activation gives the best classifier: of a few small networks, and of residual ones?

    python -m experiments.classifier --act relu gelu
    python -m experiments.classifier --model.name xresnet18 --data.name imagenette --act relu trelu

The default settings of each network are those of the comparison that it was published in
(`configs/classifier/`); the score is the accuracy on the test images.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from experiments import cli
from experiments.data import MNIST, FashionMNIST, Folder, Imagenette, Imagewoof
from experiments.experiment import Experiment, Network
from experiments.networks import MLP, ConvNet, XResNet18, XResNet34, XResNet50
from experiments.numbers import ClosedUnitInterval


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


EXPERIMENT = Experiment(
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


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.main(EXPERIMENT.name, arguments)


if __name__ == "__main__":
    sys.exit(main())
