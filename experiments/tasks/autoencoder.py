"""Which activation gives the best autoencoder of Fashion-MNIST, and is it better than none?


The network is `experiments.networks.Autoencoder`; the score is the mean squared error on the
test images. Optimiser, learning rate, batch size and loss are our choice: the comparison that
this one follows did not publish its own.
"""

from __future__ import annotations

from torch import Tensor, nn

from experiments.tasks.data import FashionMNIST
from experiments.tasks.experiment import Experiment, Network, register
from experiments.tasks.networks import Autoencoder


class Reconstruction:
    """The mean squared error of the reconstructed images."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"loss": network.loss(images, labels)}  # type: ignore[operator]


EXPERIMENT = register(
    Experiment(
        "autoencoder",
        networks={"autoencoder": Network(Autoencoder, "laptop.yaml")},
        data={"fashion_mnist": FashionMNIST},
        measures=Reconstruction,
        metrics=("loss",),
        unit="mean squared error",
    )
)
