"""Rectifiers: two half-lines, or a half-line and a bend."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.drawn import Drawn
from surrogate.core.numbers import FixedNumber, Limits, Number, Positive
from surrogate.functions.arithmetic import above, below, choose, over
from surrogate.functions.base import Function
from surrogate.functions.kernels import Kernel


class ReLU(Function):
    """max(0, x). Derivative: 1 if x > 0, else 0 (also at the tie x = 0).

    Source: Nair & Hinton 2010.
    """

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def slope(self, x: Tensor) -> Tensor:
        return above(x, 0)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.cumulative(x)


def leaky(x: Tensor, negative_slope: Number) -> Tensor:
    """x if x > 0, else negative_slope · x."""
    if isinstance(negative_slope, Tensor):
        return x * choose(above(x, 0), 1, negative_slope)  # autocast lowers F.prelu's precision
    return F.leaky_relu(x, negative_slope)


class LeakyReLU(Function):
    """x if x > 0, else negative_slope · x. Derivative: 1 if x > 0, else negative_slope.

    Source: Maas et al. 2013.
    """

    native: ClassVar[bool] = True
    negative_slope: Number = 0.01
    straight_outside: ClassVar[Any] = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return leaky(x, self.negative_slope)

    def slope(self, x: Tensor) -> Tensor:
        return choose(above(x, 0), 1, self.negative_slope)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return self.negative_slope + (1 - self.negative_slope) * kernel.cumulative(x)


def RReLU(lower: float = 1 / 8, upper: float = 1 / 3) -> LeakyReLU:  # noqa: N802
    """x if x > 0, else a · x, with a drawn from U(lower, upper) for each element while training.

    It is `LeakyReLU` with a drawn slope: in evaluation a is the mean (lower + upper) / 2, as
    `torch.nn.RReLU` has it. The draws come from torch's global generator. Derivative: 1 if x > 0,
    else the a that was drawn.

    Source: Xu et al. 2015 (arXiv 1505.00853).
    """
    Limits(fixed=True).check("RReLU", "upper", upper)
    Limits(most=upper, fixed=True).check("RReLU", "lower", lower)
    return LeakyReLU(negative_slope=Drawn(lower, upper))


Function.registry.register(RReLU)


class ELU(Function):
    """x if x > 0, else alpha · (eˣ − 1). Derivative: 1 if x > 0, else alpha · eˣ.

    Source: Clevert et al. 2016 (arXiv 1511.07289).
    """

    native: ClassVar[bool] = True
    alpha: Number = 1.0
    straight_outside: ClassVar[Any] = (-40.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        if isinstance(self.alpha, Tensor):
            return torch.where(x > 0, x, self.alpha * torch.expm1(_negative_part(x)))
        return F.elu(x, self.alpha)

    def slope(self, x: Tensor) -> Tensor:
        return choose(above(x, 0), 1, self.alpha * torch.exp(x.clamp(max=0)))


class CELU(Function):
    """x if x > 0, else alpha · (e^(x / alpha) − 1). Derivative: 1 if x > 0, else e^(x / alpha).

    Source: Barron 2017 (arXiv 1704.07483).
    """

    alpha: Positive = 1.0
    straight_outside = property(lambda self: (-40 * self.alpha, 0.0))

    def value(self, x: Tensor) -> Tensor:
        if isinstance(self.alpha, Tensor):
            return torch.where(x > 0, x, self.alpha * torch.expm1(_negative_part(x) / self.alpha))
        return F.celu(x, self.alpha)

    def slope(self, x: Tensor) -> Tensor:
        return torch.exp(over(x.clamp(max=0), self.alpha))


def _negative_part(x: Tensor) -> Tensor:
    """min(0, x), with the derivative 1 at the tie."""
    return torch.where(x > 0, 0.0, x)


class SELU(Function):
    """scale · x if x > 0, else scale · alpha · (eˣ − 1). Derivative: scale if x > 0, else
    scale · alpha · eˣ (scale · alpha at the tie x = 0).

    With scale = 1.0507… and alpha = 1.6733…, mean 0 and variance 1 are a fixed point.

    Source: Klambauer et al. 2017 (arXiv 1706.02515).
    """

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-40.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return F.selu(x)

    def slope(self, x: Tensor) -> Tensor:
        alpha, scale = 1.6732632423543772, 1.0507009873554805
        return scale * choose(above(x, 0), 1, alpha * torch.exp(x.clamp(max=0)))


class Threshold(Function):
    """x if x > threshold, else replacement. Derivative: 1 if x > threshold, else 0.

    The arguments are those of `torch.nn.Threshold`, which calls the second one value.
    """

    native: ClassVar[bool] = True
    threshold: FixedNumber = 0.0
    replacement: FixedNumber = 0.0
    straight_outside = property(lambda self: (self.threshold, self.threshold))

    def value(self, x: Tensor) -> Tensor:
        return F.threshold(x, self.threshold, self.replacement)

    def slope(self, x: Tensor) -> Tensor:
        return above(x, self.threshold)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        u, jump = x - self.threshold, self.threshold - self.replacement
        return kernel.cumulative(u) + jump * kernel.density(u)


class GradedSpike(Function):
    """x / scale if x ≥ threshold, else 0. Derivative: 1 / scale if x ≥ threshold, else 0.

    Source: lava (`Spike` with `graded_spike=True`).
    """

    native: ClassVar[bool] = True
    inner: ClassVar[tuple[str, ...]] = ("threshold",)
    threshold: Number = 1.0
    scale: Positive = 1.0
    straight_outside = property(lambda self: (self.threshold, self.threshold))

    def value(self, x: Tensor) -> Tensor:
        return torch.where(x < self.threshold, 0.0, x / self.scale)

    def slope(self, x: Tensor) -> Tensor:
        return (1 - below(x, self.threshold)) / self.scale

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        u = x - self.threshold
        return (kernel.cumulative(u) + self.threshold * kernel.density(u)) / self.scale
