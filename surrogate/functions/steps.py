"""Step functions, hard and soft: flat where they are hard, so the truth teaches nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor

from surrogate.core.arithmetic import above, choose, nan_where_nan, times
from surrogate.core.messages import require_choice, require_number
from surrogate.core.noise import require_seed, uniform_field
from surrogate.core.numbers import Number
from surrogate.functions.base import (
    Function,
    PiecewiseConstant,
    divisible,
    functions,
    mean_magnitude,
)

if TYPE_CHECKING:
    from surrogate.core.kernels import Kernel

__all__ = ["Bernoulli", "Heaviside", "MagnitudeSign", "Sign", "SoftStaircase", "Staircase"]


@functions.register
@dataclass(frozen=True, repr=False)
class Heaviside(PiecewiseConstant):
    """1 if x > threshold, 0 if x < threshold, `at_zero` at the tie. Derivative: 0.

    The default fires at the threshold (x ≥ threshold), as SpikingJelly, sinabs, Lava and Rockpool
    do; `at_zero=0.0` fires above it, as snnTorch, Norse and FreeGrad do.

    Args:
        threshold: where the step is.
        at_zero: the value at the tie x − threshold = 0.

    Source: McCulloch & Pitts 1943.
    """

    threshold: Number = 0.0
    at_zero: float = 1.0

    def __post_init__(self) -> None:
        require_number(self, "threshold", may_vary=True)
        require_number(self, "at_zero")

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        return self.threshold, self.threshold

    def value(self, x: Tensor) -> Tensor:
        return _step(x, self.threshold, low=0.0, at_zero=self.at_zero)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.density(x - self.threshold)


@functions.register
@dataclass(frozen=True, repr=False)
class Sign(PiecewiseConstant):
    """1 if x > 0, −1 if x < 0, `at_zero` at the tie x = 0. Derivative: 0 almost everywhere.

    Source: Hubara et al. 2016 (arXiv 1602.02830).
    """

    at_zero: float = 0.0
    straight_outside = (0.0, 0.0)

    def __post_init__(self) -> None:
        require_number(self, "at_zero")

    def value(self, x: Tensor) -> Tensor:
        return _step(x, 0.0, low=-1.0, at_zero=self.at_zero)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return 2 * kernel.density(x)


@functions.register
@dataclass(frozen=True, repr=False)
class MagnitudeSign(PiecewiseConstant):
    """mean |x| · (1 if x ≥ 0, else −1), the mean over all dimensions but the last.

    So it has two values for each channel, and is no function of each x alone: of a vector, it is
    the vector itself. Under vmap the mean is that of each sample. Derivative: 0 almost everywhere,
    as the factor is taken for a constant.

    Source: Liu et al. 2018 (arXiv 1808.00278). Also: larq `MagnitudeAwareSign`.
    """

    elementwise = False

    def value(self, x: Tensor) -> Tensor:
        return mean_magnitude(x.detach()) * _step(x, 0.0, low=-1.0, at_zero=1.0)


@functions.register
@dataclass(frozen=True, repr=False)
class Bernoulli(PiecewiseConstant):
    """1 with probability P(x / width), else 0: a step with noise. Derivative: 0 almost everywhere.

        law="logistic": P(v) = 1 / (1 + exp(−v))        law="algebraic": P(v) = ½ + ½ v / √(1 + v²)

    The draws are a fixed random field, as that of the derivative `Noisy`: each depends on the seed
    and on the float32 value of x alone. So equal inputs get equal draws, in every mode, dtype and
    device.

    Args:
        width: how wide the noise is; the step is hard for width → 0.
        law: of the noise.
        seed: of the field.

    Source: norse (`logistic` and `circ_dist`).
    """

    width: Number = 1.0
    law: str = "logistic"
    seed: int = 0

    def __post_init__(self) -> None:
        require_number(self, "width", above=0, may_vary=True)
        require_choice(self, "law", ("logistic", "algebraic"))
        require_seed(self)

    def value(self, x: Tensor) -> Tensor:
        v = x / self.width
        if self.law == "logistic":
            probability = torch.sigmoid(v)
        else:
            v = v.clamp(-1e9, 1e9)  # or its square overflows
            probability = 0.5 + 0.5 * v / torch.sqrt(1 + v * v)
        return nan_where_nan(x, above(probability, uniform_field(x, self.seed)))

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> NoReturn:
        raise ValueError(f"Blurred: {self!r} is noise, which has no blurred derivative")


def _step(x: Tensor, threshold: Number, low: float, at_zero: float) -> Tensor:
    """1 above the threshold, low below it, at_zero at it."""
    if isinstance(threshold, Tensor) or threshold != 0:
        x = x - threshold
    # Clamped and rounded: 1 above and 0 else, or −1 below and 0 else; NaN stays NaN.
    if at_zero == low:
        return low + times(1 - low, x.clamp(0, 1).ceil())
    if at_zero == 1:
        return 1 + times(1 - low, x.clamp(-1, 0).floor())
    up, down = x.clamp(0, 1).ceil(), x.clamp(-1, 0).floor()
    return up - low * down + at_zero * (1 - up + down)


@functions.register
@dataclass(frozen=True, repr=False)
class Staircase(PiecewiseConstant):
    """step · round(x / step). Derivative: 0 almost everywhere.

    It goes through the origin; ties (x an odd multiple of step / 2) go to the even step.
    """

    step: Number = 1.0

    def __post_init__(self) -> None:
        require_number(self, "step", above=0, may_vary=True)

    @property
    def period(self) -> float:  # type: ignore[override]
        return self.step

    def value(self, x: Tensor) -> Tensor:
        # Beyond 4 step / ε the numbers are further apart than the steps, and are left as they are:
        # there the quotient, or the product, could overflow.
        step = self.step.to(x.dtype) if isinstance(self.step, Tensor) else self.step
        limits = torch.finfo(x.dtype)
        limit = 1 / (limits.eps / (4 * step) + 2 / limits.max)
        near = x.clamp(-limit, limit)
        return step * torch.round(near / step) + (x - near).detach()


@functions.register
@dataclass(frozen=True, repr=False)
class SoftStaircase(Function):
    """The staircase with rounded corners: with θ = 2πx / step and r = 1 − softness,

        y  = x − step/π · atan2(r sin θ, 1 + r cos θ)
        y' = (1 − r²) / (1 + 2 r cos θ + r²)

    From almost hard corners (softness → 0) to a straight line (softness = 1). It has the hard
    staircase's fixed points and is smooth and strictly increasing: y' (the Poisson kernel) runs
    from softness / (2 − softness) on the treads to (2 − softness) / softness on the risers. At
    ±inf, where it has no limit but for softness = 1, y' is 1, its mean.
    """

    step: Number = 1.0
    softness: Number = 0.5

    def __post_init__(self) -> None:
        require_number(self, "step", above=0, may_vary=True)
        require_number(self, "softness", above=0, most=1, may_vary=True)

    @property
    def period(self) -> float:  # type: ignore[override]
        return self.step

    def value(self, x: Tensor) -> Tensor:
        r, angle = 1 - self.softness, self._angle(x)
        return x - self.step / math.pi * torch.atan2(r * angle.sin(), 1 + r * angle.cos())

    def slope(self, x: Tensor) -> Tensor:
        r, angle = 1 - self.softness, self._angle(x)
        slope = (1 - r**2) / (1 + 2 * r * angle.cos() + r**2)
        return choose(above(x.abs(), torch.finfo(x.dtype).max), 1, slope)

    def _angle(self, x: Tensor) -> Tensor:
        """θ, less the turns that are whole: the sine of a large angle would be inaccurate."""
        largest = torch.finfo(x.dtype).max
        turns = divisible(x.clamp(-largest, largest), self.step) / self.step
        return (turns - turns.detach().round()) * (2 * math.pi)
