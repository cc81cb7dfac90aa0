"""Residual networks with the changes of He et al. 2018 (arXiv 1812.01187), as fast.ai made them.

To ResNet (He et al. 2015, arXiv 1512.03385): a stem of three 3×3 convolutions for one of 7×7; the
stride of a bottleneck block in its 3×3 convolution; a shortcut that is averaged over 2×2 before
its 1×1 convolution; and 0 for the first scale of each block's last BatchNorm, so that each block
starts as its shortcut.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from experiments.common.numbers import PositiveFloat, PositiveInt
from experiments.tasks.networks.parts import Normalise, activation, seeded


class XResNet(nn.Sequential):
    """The stem, four stages of blocks at 1, 2, 4 and 8 times the width, and one linear layer.

    σ sits behind BatchNorm, and behind the sum at the end of each block. Weights start as
    Kaiming's normal ones, biases at 0.

    Args:
        act: the activation, by name or as text.
        shape: of an image: channels, height, width.
        classes: number of classes.
        width: channels of the first stage.
        mean: taken off the images, whose values are from 0 to 1: one number or one a channel.
        std: what they are then divided by: one number or one a channel.
        seed: seed of the initial weights.
    """

    blocks: ClassVar[tuple[int, int, int, int]]
    expansion: ClassVar[int]

    def __init__(
        self,
        act: str,
        shape: tuple[int, int, int],
        classes: int,
        width: PositiveInt = 64,
        mean: list[float] = [0.47, 0.48, 0.45],  # noqa: B006
        std: list[PositiveFloat] = [0.29, 0.28, 0.3],  # noqa: B006
        seed: int = 0,
    ) -> None:
        channels = shape[0]
        stem = [channels, max(1, (channels + 1) * width // 8), width, width]
        with seeded(seed):
            layers: list[nn.Module] = [
                normalised(before, after, 3, 1 if place else 2, act)
                for place, (before, after) in enumerate(pairwise(stem))
            ]
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
            before = width
            for stage, blocks in enumerate(self.blocks):
                inner, after = width * 2**stage, width * 2**stage * self.expansion
                stride = 2 if stage else 1
                for block in range(blocks):
                    layers.append(Block(act, before, inner, after, 1 if block else stride))
                    before = after
            head = nn.Linear(before, classes)
            nn.init.kaiming_normal_(head.weight)
            nn.init.zeros_(head.bias)
        super().__init__(
            Normalise(mean, std, channels), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head
        )


class XResNet18(XResNet):
    """XResNet18: blocks of two 3×3 convolutions."""

    blocks = (2, 2, 2, 2)
    expansion = 1


class XResNet34(XResNet):
    """XResNet34: blocks of two 3×3 convolutions."""

    blocks = (3, 4, 6, 3)
    expansion = 1


class XResNet50(XResNet):
    """XResNet50: bottleneck blocks, of a 1×1, a 3×3 and a 1×1 convolution."""

    blocks = (3, 4, 6, 3)
    expansion = 4


class Block(nn.Module):
    """σ(convolutions(x) + shortcut(x)).

    Args:
        act: the activation.
        before: channels of x.
        inner: channels between the convolutions.
        after: channels of the result; more than `inner` make it a bottleneck block.
        stride: 2 halves the sides.
    """

    def __init__(self, act: str, before: int, inner: int, after: int, stride: int) -> None:
        super().__init__()
        if after == inner:
            self.convolutions = nn.Sequential(
                normalised(before, inner, 3, stride, act), normalised(inner, after, 3)
            )
        else:
            self.convolutions = nn.Sequential(
                normalised(before, inner, 1, 1, act),
                normalised(inner, inner, 3, stride, act),
                normalised(inner, after, 1),
            )
        nn.init.zeros_(self.convolutions[-1][1].weight)  # type: ignore[index]
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut.append(nn.AvgPool2d(2, ceil_mode=True))
        if before != after:
            self.shortcut.append(normalised(before, after, 1))
        self.activation = activation(act)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.convolutions(x) + self.shortcut(x))


def normalised(
    before: int, after: int, kernel: int, stride: int = 1, act: str | None = None
) -> nn.Sequential:
    """A convolution without bias, BatchNorm and, if one is given, an activation."""
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight)
    last = [] if act is None else [activation(act)]
    return nn.Sequential(convolution, nn.BatchNorm2d(after), *last)
