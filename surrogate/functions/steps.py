"""Step functions, hard and soft: flat where they are hard, so the truth teaches nothing."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from surrogate.core.drawn import Drawn
from surrogate.core.numbers import Choice, FixedNumber, Limits, Number, Positive
from surrogate.functions.arithmetic import divisible, times
from surrogate.functions.base import Function, PiecewiseConstant, mean_magnitude
from surrogate.functions.kernels import Kernel


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
    at_zero: FixedNumber = 1.0
    inner: ClassVar[tuple[str, ...]] = ("threshold",)
    straight_outside = property(lambda self: (self.threshold, self.threshold))

    def placed(self, x: Tensor) -> Tensor:
        return x - self.threshold

    def value(self, x: Tensor) -> Tensor:
        return _step(x, self.threshold, low=0.0, at_zero=self.at_zero)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.density(x - self.threshold)


class Sign(PiecewiseConstant):
    """1 if x > 0, −1 if x < 0, `at_zero` at the tie x = 0. Derivative: 0 almost everywhere.

    Source: Hubara et al. 2016 (arXiv 1602.02830).
    """

    at_zero: FixedNumber = 0.0
    straight_outside: ClassVar[Any] = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return _step(x, 0.0, low=-1.0, at_zero=self.at_zero)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return 2 * kernel.density(x)


class MagnitudeSign(PiecewiseConstant):
    """mean |x| · (1 if x ≥ 0, else −1), the mean over all dimensions but the last.

    So it has two values for each channel, and is no function of each x alone: of a vector, it is
    the vector itself. Under vmap the mean is that of each sample. Derivative: 0 almost everywhere,
    as the factor is taken for a constant.

    Source: Liu et al. 2018 (arXiv 1808.00278). Also: larq `MagnitudeAwareSign`.
    """

    elementwise: ClassVar[bool] = False

    def value(self, x: Tensor) -> Tensor:
        return mean_magnitude(x.detach()) * _step(x, 0.0, low=-1.0, at_zero=1.0)


def Bernoulli(  # noqa: N802
    width: float = 1.0, law: Literal["logistic", "algebraic"] = "logistic"
) -> Heaviside:
    """1 with probability P(x / width), else 0: a step with noise. Derivative: 0 almost everywhere.

        law="logistic": P(v) = 1 / (1 + exp(−v))        law="algebraic": P(v) = ½ + ½ v / √(1 + v²)

    It is `Heaviside` with a drawn threshold: the draws are new in each call, in evaluation too,
    and come from torch's global generator.

    Args:
        width: how wide the noise is; the step is hard for width → 0.
        law: of the noise.

    Source: norse (`logistic` and `circ_dist`).
    """
    Limits(above=0, fixed=True).check("Bernoulli", "width", width)
    Choice(("logistic", "algebraic")).check("Bernoulli", "law", law)
    return Heaviside(threshold=Drawn(0.0, width, law, in_eval="draw"))


Function.registry.register(Bernoulli)


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


class Staircase(PiecewiseConstant):
    """step · round(x / step). Derivative: 0 almost everywhere.

    It goes through the origin; ties (x an odd multiple of step / 2) go to the even step.
    """

    step: Positive = 1.0
    stretched_by: ClassVar[str] = "step"
    period = property(lambda self: self.step)

    def value(self, x: Tensor) -> Tensor:
        # Beyond 4 step / ε the numbers are further apart than the steps, and are left as they are:
        # there the quotient, or the product, could overflow.
        step = self.step.to(x.dtype) if isinstance(self.step, Tensor) else self.step
        limits = torch.finfo(x.dtype)
        limit = 1 / (limits.eps / (4 * step) + 2 / limits.max)
        near = x.clamp(-limit, limit)
        return step * torch.round(near / step) + (x - near).detach()


class SoftStaircase(Function):
    """The staircase with rounded corners: with θ = 2πx / step and r = 1 − softness,

        y  = x − step/π · atan2(r sin θ, 1 + r cos θ)
        y' = (1 − r²) / (1 + 2 r cos θ + r²)

    From almost hard corners (softness → 0) to a straight line (softness = 1). It has the hard
    staircase's fixed points and is smooth and strictly increasing: y' (the Poisson kernel) runs
    from softness / (2 − softness) on the treads to (2 − softness) / softness on the risers. At
    ±inf, where it has no limit but for softness = 1, y' is 1, its mean.
    """

    step: Positive = 1.0
    softness: Annotated[Any, Limits(above=0, most=1)] = 0.5
    period = property(lambda self: self.step)

    def value(self, x: Tensor) -> Tensor:
        r, angle = 1 - self.softness, self._angle(x)
        return x - self.step / math.pi * torch.atan2(r * angle.sin(), 1 + r * angle.cos())

    def slope(self, x: Tensor) -> Tensor:
        r, angle = 1 - self.softness, self._angle(x)
        return (1 - r**2) / (1 + 2 * r * angle.cos() + r**2)

    def _angle(self, x: Tensor) -> Tensor:
        """θ, less the turns that are whole: the sine of a large angle would be inaccurate."""
        largest = torch.finfo(x.dtype).max
        turns = divisible(x.clamp(-largest, largest), self.step) / self.step
        return (turns - turns.detach().round()) * (2 * math.pi)
