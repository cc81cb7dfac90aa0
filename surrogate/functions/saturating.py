"""Clamps and shrinkages: straight pieces, flat at the ends or in the middle."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.numbers import Limits, NotNegative, OrNone
from surrogate.functions.arithmetic import above, at_least, below, choose
from surrogate.functions.base import Function
from surrogate.functions.kernels import Kernel

# A lower bound, and an upper one above it; each can be left out.
Lower = Annotated[Any, OrNone(Limits())]
Upper = Annotated[Any, OrNone(Limits(above="low"))]


class Clamp(Function):
    """min(max(x, low), high). Derivative: 1 if low < x < high, else 0 (also at both ties).

    With one of the two None it is a bound on one side.
    """

    native: ClassVar[bool] = True
    low: Lower = 0.0
    high: Upper = 1.0
    one_of: ClassVar[tuple[str, ...]] = ("low", "high")

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        ends = [end for end in (self.low, self.high) if end is not None]
        return ends[0], ends[-1]

    def value(self, x: Tensor) -> Tensor:
        # torch.clamp has one derivative at the ties in some versions and another in others.
        if isinstance(self.low, (int, float)) and isinstance(self.high, (int, float)):
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


class Hardtanh(Clamp):
    """min(max(x, low), high). Derivative: 1 if low < x < high, else 0 (also at both ties).

    It is `Clamp` with the ends of tanh.

    Source: Collobert 2004.
    """

    low: Lower = -1.0
    high: Upper = 1.0


class ReLU6(Function):
    """min(max(x, 0), 6). Derivative: 1 if 0 < x < 6, else 0 (also at both ties).

    Source: Krizhevsky 2010; Howard et al. 2017 (arXiv 1704.04861).
    """

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (0.0, 6.0)

    def value(self, x: Tensor) -> Tensor:
        return F.relu6(x)

    def slope(self, x: Tensor) -> Tensor:
        return above(x, 0) * below(x, 6)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.cumulative(x) - kernel.cumulative(x - 6)


class Hardsigmoid(Function):
    """(x + 3) / 6, clamped to [0, 1]. Derivative: 1/6 if |x| < 3, else 0 (also at both ties).

    Source: Courbariaux et al. 2015 (arXiv 1511.00363), there with the slope 1/2.
    """

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-3.0, 3.0)

    def value(self, x: Tensor) -> Tensor:
        # torch's own derivative has 1/6 in single precision only.
        return (F.hardtanh(x, -3, 3) + 3) / 6

    def slope(self, x: Tensor) -> Tensor:
        return below(x.abs(), 3) / 6

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return (kernel.cumulative(x + 3) - kernel.cumulative(x - 3)) / 6


class Hardswish(Function):
    """x · (x + 3) / 6 if |x| < 3, else max(0, x). Derivative: (2x + 3) / 6 if |x| < 3, 0 at −3 and
    below, 1 at 3 and above.

    Source: Howard et al. 2019 (arXiv 1905.02244).
    """

    straight_outside: ClassVar[Any] = (-3.0, 3.0)

    def value(self, x: Tensor) -> Tensor:
        return x.clamp(min=-3) * ((x.clamp(-3, 3) + 3) / 6)  # −∞ would meet 0

    def slope(self, x: Tensor) -> Tensor:
        near = x.clamp(-3, 3)
        return choose(below(x.abs(), 3), (2 * near + 3) / 6, above(x, 0))


class Shrinkage(Function, register=False):
    """Flat near 0, of slope 1 on either side: the threshold and the derivative of both kinds."""

    threshold: NotNegative = 0.5
    straight_outside = property(lambda self: (-self.threshold, self.threshold))

    def slope(self, x: Tensor) -> Tensor:
        return above(x.abs(), self.threshold)


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


class Softshrink(Shrinkage):
    """0 if |x| ≤ threshold, else x − threshold · sign(x). Derivative: 0 if |x| ≤ threshold, else 1.

    Source: Donoho 1995 (soft thresholding).
    """

    def value(self, x: Tensor) -> Tensor:
        if isinstance(self.threshold, Tensor) or torch.compiler.is_compiling():
            # Compiled by torch 2.11, F.softshrink is 0 for NaN.
            return x - x.clamp(-self.threshold, self.threshold)
        return F.softshrink(x, self.threshold)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        left, right = x + self.threshold, x - self.threshold
        return 1 - kernel.cumulative(left) + kernel.cumulative(right)
