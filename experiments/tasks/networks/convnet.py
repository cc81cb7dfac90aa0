"""A few strided convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from experiments.common.numbers import PositiveFloat, PositiveInt
from experiments.tasks.networks.parts import Normalise, activation, seeded


class ConvNet(nn.Sequential):
    """Convolutions of stride 2 with σ behind each, the mean over places, and one linear layer.

    The first kernel is 5×5, the others 3×3. Convolutions start with Kaiming's normal weights and
    without bias: the small network on MNIST of fast.ai's course of 2019.

    Args:
        act: the activation, by name or as text.
        shape: of an image: channels, height, width.
        classes: number of classes.
        widths: channels of the convolutions, one after another: 8 16.
        batch_norm: BatchNorm behind each activation.
        mean: taken off the images, whose values are from 0 to 1: one number or one a channel.
        std: what they are then divided by: one number or one a channel.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        act: str,
        shape: tuple[int, int, int],
        classes: int,
        widths: list[PositiveInt] = [8, 16, 32, 32],  # noqa: B006
        batch_norm: bool = False,
        mean: list[float] = [0.5],  # noqa: B006
        std: list[PositiveFloat] = [0.5],  # noqa: B006
        seed: int = 0,
    ) -> None:
        layers: list[nn.Module] = [Normalise(mean, std, shape[0])]
        with seeded(seed):
            for place, (before, after) in enumerate(pairwise([shape[0], *widths])):
                kernel = 3 if place else 5
                convolution = nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2)
                nn.init.kaiming_normal_(convolution.weight)
                nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
                normalisation = [nn.BatchNorm2d(after)] if batch_norm else []
                layers.append(nn.Sequential(convolution, activation(act), *normalisation))
            head = nn.Linear(widths[-1], classes)
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
