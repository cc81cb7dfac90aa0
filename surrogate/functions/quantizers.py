"""Rounding and quantisers: what a number becomes when few numbers are left. All are flat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from surrogate.core.arithmetic import above, below, nan_where_nan
from surrogate.core.messages import require_number
from surrogate.core.numbers import Number
from surrogate.functions.base import PiecewiseConstant, functions

if TYPE_CHECKING:
    from surrogate.core.kernels import Kernel

__all__ = [
    "Ceil",
    "FakeQuantize",
    "Floor",
    "MultiSpike",
    "Round",
    "Ternary",
    "Trunc",
    "UniformQuantizer",
]


@functions.register
@dataclass(frozen=True, repr=False)
class Round(PiecewiseConstant):
    """round(x), the nearest integer; ties go to the even one. Derivative: 0 almost everywhere."""

    period = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.round(x)


@functions.register
@dataclass(frozen=True, repr=False)
class Floor(PiecewiseConstant):
    """⌊x⌋, the largest integer that is not above x. Derivative: 0 almost everywhere."""

    period = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.floor(x)


@functions.register
@dataclass(frozen=True, repr=False)
class Ceil(PiecewiseConstant):
    """⌈x⌉, the least integer that is not below x. Derivative: 0 almost everywhere."""

    period = 1.0

    def value(self, x: Tensor) -> Tensor:
        return torch.ceil(x)


@functions.register
@dataclass(frozen=True, repr=False)
class Trunc(PiecewiseConstant):
    """The integer part of x, rounded towards 0. Derivative: 0 almost everywhere."""

    def value(self, x: Tensor) -> Tensor:
        return torch.trunc(x)


@functions.register
@dataclass(frozen=True, repr=False)
class Ternary(PiecewiseConstant):
    """0 if |x| < threshold, the sign of x if |x| > threshold. Derivative: 0 almost everywhere.

    At the ties ±threshold it is ±at_tie: with the default 0, larq's `ste_tern` has 1.

    Source: Li et al. 2016 (arXiv 1605.04711).
    """

    threshold: Number = 0.5
    at_tie: float = 0.0

    def __post_init__(self) -> None:
        require_number(self, "threshold", least=0, may_vary=True)
        require_number(self, "at_tie")

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        return -self.threshold, self.threshold

    def value(self, x: Tensor) -> Tensor:
        size = x.abs()
        far, near = above(size, self.threshold), below(size, self.threshold)
        return nan_where_nan(x, torch.sign(x) * (far + self.at_tie * (1 - far - near)))

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.density(x + self.threshold) + kernel.density(x - self.threshold)


@functions.register
@dataclass(frozen=True, repr=False)
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

    bits: int = 8
    low: Number = -1.0
    high: Number = 1.0

    def __post_init__(self) -> None:
        require_number(self, "bits", least=1, most=16, integer=True)
        require_number(self, "low", may_vary=True)
        require_number(self, "high", above=self.low, may_vary=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        return self.low, self.high

    def value(self, x: Tensor) -> Tensor:
        steps, length = 2**self.bits - 1, self.high - self.low
        place = (x.clamp(min=self.low).clamp(max=self.high) - self.low) / length
        return self.low + length * (torch.round(place * steps) / steps)


@functions.register
@dataclass(frozen=True, repr=False)
class FakeQuantize(PiecewiseConstant):
    """(q − zero_point) · scale with the integer q = round(x / scale) + zero_point, clamped to
    [quant_min, quant_max]; ties go to the even integer. Derivative: 0 almost everywhere.

    The value of `torch.fake_quantize_per_tensor_affine`, which pretends that the derivative is 1
    where q is not clamped: a `Box` from (quant_min − zero_point − ½) · scale to
    (quant_max − zero_point + ½) · scale.

    Source: Jacob et al. 2018 (arXiv 1712.05877).
    """

    scale: Number = 1.0
    zero_point: int = 0
    quant_min: int = -128
    quant_max: int = 127

    def __post_init__(self) -> None:
        require_number(self, "scale", above=0, may_vary=True)
        require_number(self, "quant_min", integer=True)
        require_number(self, "quant_max", above=self.quant_min, integer=True)
        require_number(self, "zero_point", least=self.quant_min, most=self.quant_max, integer=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        low, high = self.quant_min - self.zero_point, self.quant_max - self.zero_point
        return low * self.scale, high * self.scale

    def value(self, x: Tensor) -> Tensor:
        q = torch.round(x / self.scale) + self.zero_point
        return (q.clamp(self.quant_min, self.quant_max) - self.zero_point) * self.scale


@functions.register
@dataclass(frozen=True, repr=False)
class MultiSpike(PiecewiseConstant):
    """How many spikes: ⌊x / threshold⌋, at least 0 and at most `most`. Derivative: 0 almost
    everywhere. At a multiple of the threshold the spike is fired.

    Args:
        threshold: for each spike.
        most: the largest number of spikes; None for no limit.

    Source: sinabs (MultiSpike and MaxSpike).
    """

    threshold: Number = 1.0
    most: int | None = None

    def __post_init__(self) -> None:
        require_number(self, "threshold", above=0, may_vary=True)
        if self.most is not None:
            require_number(self, "most", least=1, integer=True)

    @property
    def straight_outside(self) -> tuple[float, float] | None:  # type: ignore[override]
        return None if self.most is None else (self.threshold, self.most * self.threshold)

    def value(self, x: Tensor) -> Tensor:
        return torch.floor(x / self.threshold).clamp(min=0, max=self.most)
