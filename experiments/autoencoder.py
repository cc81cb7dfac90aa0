"""Which activation gives the best autoencoder of Fashion-MNIST, and is it better than none?

    python -m experiments.autoencoder --act cantor2
    python -m experiments.autoencoder --act relu gelu "Staircase(step=0.5) / Blurred(width=0.3)"

The network is `experiments.networks.Autoencoder`; the score is the mean squared error on the
test images. Optimiser, learning rate, batch size and loss are our choice: the comparison that
this one follows did not publish its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from torch import Tensor, nn

from experiments import cli
from experiments.data import FashionMNIST
from experiments.experiment import Experiment, Network
from experiments.networks import Autoencoder


class Reconstruction:
    """The mean squared error of the reconstructed images."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": network.loss(images, labels)}  # type: ignore[operator]


EXPERIMENT = Experiment(
    "autoencoder",
    networks={"autoencoder": Network(Autoencoder, "laptop.yaml")},
    data={"fashion_mnist": FashionMNIST},
    measures=Reconstruction,
    metrics=("loss",),
    unit="mean squared error",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.main(EXPERIMENT.name, arguments)


if __name__ == "__main__":
    sys.exit(main())
