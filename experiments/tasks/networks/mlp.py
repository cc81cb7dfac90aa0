"""Fully connected layers."""

from __future__ import annotations

import math
from itertools import pairwise

from torch import nn

from experiments.common.numbers import PositiveFloat, PositiveInt
from experiments.tasks.networks.parts import Normalise, activation, seeded


class MLP(nn.Sequential):
    """Fully connected layers with σ behind each but the last, and PyTorch's initial weights.

    A university's tutorial on activations compared them in this network on Fashion-MNIST.

    Args:
        act: the activation, by name or as text.
        shape: of an image: channels, height, width.
        classes: number of classes.
        hidden: widths of the hidden layers, one after another: 512 256.
        mean: taken off the images, whose values are from 0 to 1: one number or one a channel.
        std: what they are then divided by: one number or one a channel.
        seed: seed of the initial weights.
    """

    def __init__(
        self,
        act: str,
        shape: tuple[int, int, int],
        classes: int,
        hidden: list[PositiveInt] = [512, 256, 256, 128],  # noqa: B006
        mean: list[float] = [0.5],  # noqa: B006
        std: list[PositiveFloat] = [0.5],  # noqa: B006
        seed: int = 0,
    ) -> None:
        layers: list[nn.Module] = [Normalise(mean, std, shape[0]), nn.Flatten()]
        widths = [math.prod(shape), *hidden]
        with seeded(seed):
            for before, after in pairwise(widths):
                layers += [nn.Linear(before, after), activation(act)]
            layers.append(nn.Linear(widths[-1], classes))
        super().__init__(*layers)
