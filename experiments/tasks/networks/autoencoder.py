"""A convolutional autoencoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import surrogate
from experiments.common.numbers import PositiveInt


class Autoencoder(nn.Module):
    """A convolutional autoencoder of 28×28 images with σ before BatchNorm at all its 15 sites.

    Encoder: 3×3 convolutions 1→C and four times C→C, two C→C with stride 3, one 2×2 C→latent.
    The decoder is its mirror, of transposed convolutions, and ends in a sigmoid. Nothing is
    padded: the sides are 28, 26, 24, 22, 20, 18, 6, 2, 1 and back. The latent code passes
    through σ and BatchNorm too. The published comparison used C = 128, latent = 16.

    The initial weights depend on `seed` alone, so that networks which differ only in their
    activation start from the same point.

    Args:
        act: the activation, by name or as text.
        channels: channels of every layer but the first, the code and the last.
        latent: length of the latent code.
        seed: seed of the initial weights.
    """

    def __init__(
        self, act: str, channels: PositiveInt = 16, latent: PositiveInt = 16, seed: int = 0
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder: list[nn.Conv2d] = [
                nn.Conv2d(1, channels, 3),
                *(nn.Conv2d(channels, channels, 3) for _ in range(4)),
                *(nn.Conv2d(channels, channels, 3, stride=3) for _ in range(2)),
                nn.Conv2d(channels, latent, 2),
            ]
            decoder: list[nn.ConvTranspose2d] = [
                nn.ConvTranspose2d(latent, channels, 2),
                *(nn.ConvTranspose2d(channels, channels, 3, stride=3) for _ in range(2)),
                *(nn.ConvTranspose2d(channels, channels, 3) for _ in range(4)),
            ]
            last = nn.ConvTranspose2d(channels, 1, 3)
            # Activations come after all the weights: one that draws parameters cannot shift them.
            self.encoder = nn.Sequential(*(activated(layer, act) for layer in encoder))
            self.decoder = nn.Sequential(
                *(activated(layer, act) for layer in decoder), last, nn.Sigmoid()
            )

    def forward(self, images: Tensor) -> Tensor:
        return self.decoder(self.encoder(images))

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Mean squared error of the reconstruction; the labels are not used."""
        return F.mse_loss(self(images).to(images.dtype), images)


def activated(layer: nn.Conv2d | nn.ConvTranspose2d, act: str) -> nn.Sequential:
    """The layer, an activation of its own (it may hold state), and BatchNorm."""
    return nn.Sequential(layer, surrogate.get(act), nn.BatchNorm2d(layer.out_channels))
