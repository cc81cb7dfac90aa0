"""Clamps and shrinkages: straight pieces, flat at the ends or in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.arithmetic import above, below, choose
from surrogate.core.messages import require_number
from surrogate.core.numbers import Number, varies
from surrogate.functions.base import Function, functions

if TYPE_CHECKING:
    from surrogate.core.kernels import Kernel

__all__ = ["Clamp", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "ReLU6", "Softshrink"]


def at_least(x: Tensor, low: Number) -> Tensor:
    """max(x, low), with the derivative 0 at the tie."""
    if isinstance(low, Tensor):
        return torch.where(x <= low, low, x)
    return F.threshold(x, low, low)


@functions.register
@dataclass(frozen=True, repr=False)
class Clamp(Function):
    """min(max(x, low), high). Derivative: 1 if low < x < high, else 0 (also at both ties).

    With one of the two None it is a bound on one side.
    """

    autograd_keeps = "one"
    low: Number | None = 0.0
    high: Number | None = 1.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.low is None and self.high is None:
            raise ValueError(f"{name}: low or high must be a number, got None for both")
        if self.low is not None:
            require_number(self, "low", may_vary=True)
        if self.low is not None and self.high is not None:
            require_number(self, "high", above=self.low, may_vary=True)
        elif self.high is not None:
            require_number(self, "high", may_vary=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        ends = [end for end in (self.low, self.high) if end is not None]
        return ends[0], ends[-1]

    def value(self, x: Tensor) -> Tensor:
        # torch.clamp has one derivative at the ties in some versions and another in others.
        if self.low is not None and self.high is not None and not varies(self):
            return F.hardtanh(x, self.low, self.high)
        if self.low is not None:
            x = at_least(x, self.low)
        if self.high is not None:
            x = -at_least(-x, -self.high)
        return x

    def slope(self, x: Tensor) -> Tensor:
        slope = torch.ones_like(x)
        if self.low is not None:
            slope = slope * above(x, self.low)
        if self.high is not None:
            slope = slope * below(x, self.high)
        return slope

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        slope = torch.ones_like(x)
        if self.low is not None:
            slope = kernel.cumulative(x - self.low)
        if self.high is not None:
            slope = slope - kernel.cumulative(x - self.high)
        return slope


@functions.register
@dataclass(frozen=True, repr=False)
class Hardtanh(Clamp):
    """min(max(x, low), high). Derivative: 1 if low < x < high, else 0 (also at both ties).

    It is `Clamp` with the ends of tanh.

    Source: Collobert 2004.
    """

    low: Number | None = -1.0
    high: Number | None = 1.0


@functions.register
@dataclass(frozen=True, repr=False)
class ReLU6(Function):
    """min(max(x, 0), 6). Derivative: 1 if 0 < x < 6, else 0 (also at both ties).

    Source: Krizhevsky 2010; Howard et al. 2017 (arXiv 1704.04861).
    """

    autograd_keeps = "one"
    straight_outside = (0.0, 6.0)

    def value(self, x: Tensor) -> Tensor:
        return F.relu6(x)

    def slope(self, x: Tensor) -> Tensor:
        return above(x, 0) * below(x, 6)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.cumulative(x) - kernel.cumulative(x - 6)


@functions.register
@dataclass(frozen=True, repr=False)
class Hardsigmoid(Function):
    """(x + 3) / 6, clamped to [0, 1]. Derivative: 1/6 if |x| < 3, else 0 (also at both ties).

    Source: Courbariaux et al. 2015 (arXiv 1511.00363), there with the slope 1/2.
    """

    autograd_keeps = "one"
    straight_outside = (-3.0, 3.0)

    def value(self, x: Tensor) -> Tensor:
        # torch's own derivative has 1/6 in single precision only.
        return (F.hardtanh(x, -3, 3) + 3) / 6

    def slope(self, x: Tensor) -> Tensor:
        return below(x.abs(), 3) / 6

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return (kernel.cumulative(x + 3) - kernel.cumulative(x - 3)) / 6


@functions.register
@dataclass(frozen=True, repr=False)
class Hardswish(Function):
    """x · (x + 3) / 6 if |x| < 3, else max(0, x). Derivative: (2x + 3) / 6 if |x| < 3, 0 at −3 and
    below, 1 at 3 and above.

    Source: Howard et al. 2019 (arXiv 1905.02244).
    """

    straight_outside = (-3.0, 3.0)

    def value(self, x: Tensor) -> Tensor:
        return x.clamp(min=-3) * ((x.clamp(-3, 3) + 3) / 6)  # −∞ would meet 0

    def slope(self, x: Tensor) -> Tensor:
        near = x.clamp(-3, 3)
        return choose(below(x.abs(), 3), (2 * near + 3) / 6, above(x, 0))


@dataclass(frozen=True, repr=False)
class Shrinkage(Function):
    """Flat near 0, of slope 1 on either side: the threshold and the derivative of both kinds."""

    threshold: Number = 0.5

    def __post_init__(self) -> None:
        require_number(self, "threshold", least=0, may_vary=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        return -self.threshold, self.threshold

    def slope(self, x: Tensor) -> Tensor:
        return above(x.abs(), self.threshold)


@functions.register
@dataclass(frozen=True, repr=False)
class Hardshrink(Shrinkage):
    """0 if |x| ≤ threshold, else x. Derivative: 0 if |x| ≤ threshold, else 1.

    Source: Donoho & Johnstone 1994 (hard thresholding).
    """

    def value(self, x: Tensor) -> Tensor:
        if isinstance(self.threshold, Tensor):
            return torch.where(x.abs() <= self.threshold, 0.0, x)
        return F.hardshrink(x, self.threshold)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        left, right = x + self.threshold, x - self.threshold
        jumps = self.threshold * (kernel.density(left) + kernel.density(right))
        return 1 - kernel.cumulative(left) + kernel.cumulative(right) + jumps


@functions.register
@dataclass(frozen=True, repr=False)
class Softshrink(Shrinkage):
    """0 if |x| ≤ threshold, else x − threshold · sign(x). Derivative: 0 if |x| ≤ threshold, else 1.

    Source: Donoho 1995 (soft thresholding).
    """

    def value(self, x: Tensor) -> Tensor:
        if isinstance(self.threshold, Tensor):
            far = torch.where(x.abs() <= self.threshold, 0.0, x)
            return far - self.threshold * torch.sign(far)
        return F.softshrink(x, self.threshold)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        left, right = x + self.threshold, x - self.threshold
        return 1 - kernel.cumulative(left) + kernel.cumulative(right)
