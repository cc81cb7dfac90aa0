"""Rounding and quantisers: what a number becomes when few numbers are left. All are flat."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from surrogate.core.numbers import (
    Count,
    FixedNumber,
    Integer,
    Limits,
    NotNegative,
    Number,
    Positive,
)
from surrogate.functions.arithmetic import above, below, nan_where_nan
from surrogate.functions.base import PiecewiseConstant, stretched
from surrogate.functions.kernels import Kernel


class Round(PiecewiseConstant):
    """round(x), the nearest integer; ties go to the even one. Derivative: 0 almost everywhere."""

    period: ClassVar[Any] = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.round(x)


class Floor(PiecewiseConstant):
    """⌊x⌋, the largest integer that is not above x. Derivative: 0 almost everywhere."""

    period: ClassVar[Any] = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.floor(x)


class Ceil(PiecewiseConstant):
    """⌈x⌉, the least integer that is not below x. Derivative: 0 almost everywhere."""

    period: ClassVar[Any] = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.ceil(x)


class Trunc(PiecewiseConstant):
    """The integer part of x, rounded towards 0. Derivative: 0 almost everywhere."""

    def value(self, x: Tensor) -> Tensor:
        return torch.trunc(x)


class Ternary(PiecewiseConstant):
    """0 if |x| < threshold, the sign of x if |x| > threshold. Derivative: 0 almost everywhere.

    At the ties ±threshold it is ±at_tie: with the default 0, larq's `ste_tern` has 1.

    Source: Li et al. 2016 (arXiv 1605.04711).
    """

    threshold: NotNegative = 0.5
    at_tie: FixedNumber = 0.0
    inner: ClassVar[tuple[str, ...]] = ("threshold",)
    stretched_by: ClassVar[str] = "threshold"
    straight_outside = property(lambda self: (-self.threshold, self.threshold))

    def value(self, x: Tensor) -> Tensor:
        size = x.abs()
        far, near = above(size, self.threshold), below(size, self.threshold)
        return nan_where_nan(x, torch.sign(x) * (far + self.at_tie * (1 - far - near)))

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.density(x + self.threshold) + kernel.density(x - self.threshold)


class UniformQuantizer(PiecewiseConstant):
    """The nearest of 2^bits evenly spaced levels from low to high, both included.

    With n = 2^bits − 1 and p = (min(max(x, low), high) − low) / (high − low), the value is
    low + (high − low) · round(n · p) / n; ties go to the even multiple. Derivative: 0 almost
    everywhere. With low = −high, 0 is not among the levels, as their number is even.

    Args:
        bits: 1 to 16. `UniformQuantizer(bits=k, low=0)` is DoReFa's quantiser of activations.
        low: the lowest level.
        high: the highest level.

    Source: Zhou et al. 2016 (arXiv 1606.06160).
    """

    bits: Annotated[int, Limits(least=1, most=16, integer=True)] = 8
    low: Number = -1.0
    high: Annotated[Any, Limits(above="low")] = 1.0
    straight_outside = property(lambda self: (self.low, self.high))

    def placed(self, x: Tensor) -> Tensor:
        return stretched(x - self.low, self.high - self.low)

    def value(self, x: Tensor) -> Tensor:
        steps, length = 2**self.bits - 1, self.high - self.low
        place = (x.clamp(min=self.low).clamp(max=self.high) - self.low) / length
        return self.low + length * (torch.round(place * steps) / steps)


class FakeQuantize(PiecewiseConstant):
    """(q − zero_point) · scale with the integer q = round(x / scale) + zero_point, clamped to
    [quant_min, quant_max]; ties go to the even integer. Derivative: 0 almost everywhere.

    The value of `torch.fake_quantize_per_tensor_affine`, which pretends that the derivative is 1
    where q is not clamped: a `Box` from (quant_min − zero_point − ½) · scale to
    (quant_max − zero_point + ½) · scale.

    Source: Jacob et al. 2018 (arXiv 1712.05877).
    """

    scale: Positive = 1.0
    zero_point: Annotated[int, Limits(least="quant_min", most="quant_max", integer=True)] = 0
    quant_min: Integer = -128
    quant_max: Annotated[int, Limits(above="quant_min", integer=True)] = 127
    stretched_by: ClassVar[str] = "scale"

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        low, high = self.quant_min - self.zero_point, self.quant_max - self.zero_point
        return low * self.scale, high * self.scale

    def value(self, x: Tensor) -> Tensor:
        q = torch.round(x / self.scale) + self.zero_point
        return (q.clamp(self.quant_min, self.quant_max) - self.zero_point) * self.scale


class MultiSpike(PiecewiseConstant):
    """How many spikes: ⌊x / threshold⌋, at least 0 and at most `most`. Derivative: 0 almost
    everywhere. At a multiple of the threshold the spike is fired.

    Args:
        threshold: for each spike.
        most: the largest number of spikes; None for no limit.

    Source: sinabs (MultiSpike and MaxSpike).
    """

    threshold: Positive = 1.0
    most: Count | None = None
    inner: ClassVar[tuple[str, ...]] = ("threshold",)
    stretched_by: ClassVar[str] = "threshold"

    @property
    def straight_outside(self) -> tuple[float, float] | None:  # type: ignore[override]
        return None if self.most is None else (self.threshold, self.most * self.threshold)

    def value(self, x: Tensor) -> Tensor:
        return torch.floor(x / self.threshold).clamp(min=0, max=self.most)
