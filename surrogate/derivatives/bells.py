"""Even derivatives that are largest at 0: the surrogate gradients of spiking and binary nets.

Each has a `peak`, its value at 0, and an `area`, its integral over all x (∞ if that is not finite).
In the list of names that a shape goes by, k and α are the parameters of the packages.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from surrogate.core.numbers import FixedPositive, Limits, Number, Positive
from surrogate.derivatives.base import Pointwise
from surrogate.functions.arithmetic import divisible, over, times


class Bell(Pointwise, register=False):
    """slope(x) = height · shape(x / width), with shape(0) = 1."""

    width: Positive = 1.0
    height: Number = 1.0
    unit_area: ClassVar[float]  # the area for width 1 and height 1

    def slope(self, x: Tensor) -> Tensor:
        return times(self.height, self.shape(over(x, self.width)))

    @abstractmethod
    def shape(self, v: Tensor) -> Tensor:
        """The slope for width 1 and height 1."""

    area = property(lambda self: self.width * self.height * self.unit_area)
    peak = property(lambda self: self.height)


class Gaussian(Bell):
    """slope(x) = height · exp(−x² / (2 width²)). Area: √(2π) · width · height.

    Source: Yin et al. 2021 (doi 10.1038/s42256-021-00397-w). Also: SpikingJelly `Erf`
    (width 1/(√2 α), height α/√π), norse `heavi_erfc` (1/(√2 k), k/√π), sinabs `Gaussian`
    (σ, 1/(√(2π) σ)) and, as a sum of three, `MultiGaussian`.
    """

    unit_area: ClassVar[float] = math.sqrt(2 * math.pi)

    def shape(self, v: Tensor) -> Tensor:
        return torch.exp(-0.5 * v * v)


class Logistic(Bell):
    """slope(x) = height · 4 s(v) (1 − s(v)) = height · sech²(v / 2), v = x / width, s the logistic
    sigmoid. Area: 4 · width · height.

    Source: Neftci et al. 2019 (arXiv 1901.09948). Also: snnTorch `sigmoid` (width 1/k, height k/4),
    SpikingJelly `Sigmoid` (1/α, α/4) and the left half of `S2NN`, norse `tanh` and `logistic`
    (1/(2k), k/2).
    """

    unit_area: ClassVar[float] = 4.0

    def shape(self, v: Tensor) -> Tensor:
        return 4 * torch.sigmoid(v) * torch.sigmoid(-v)


class Cauchy(Bell):
    """slope(x) = height · (1 + (x / width)²)^−power.

    Area: √π · Γ(power − ½) / Γ(power) · width · height, ∞ if power ≤ ½; for power 1, that of the
    arc tangent, π · width · height.

    Source: Fang et al. 2021 (arXiv 2007.05785) for the arc tangent. Also: snnTorch `atan` and
    SpikingJelly `ATan` (width 2/(πα), height α/2), norse `circ` and `circ_dist` (α, 1, power 1.5).
    """

    power: FixedPositive = 1.0

    @property
    def unit_area(self) -> float:  # type: ignore[override]
        if self.power <= 0.5:
            return math.inf
        ratio = math.exp(math.lgamma(self.power - 0.5) - math.lgamma(self.power))
        return math.sqrt(math.pi) * ratio

    def shape(self, v: Tensor) -> Tensor:
        return (1 + v * v) ** -self.power


class FastSigmoid(Bell):
    """slope(x) = height · (1 + |x| / width)^−power.

    Area: 2 / (power − 1) · width · height, ∞ if power ≤ 1. With power 2 it is the derivative of
    the fast sigmoid v / (1 + |v|).

    Source: Zenke & Ganguli 2018 (arXiv 1705.11146). Also: snnTorch `fast_sigmoid` and, above a
    bound, `SFS` (width 1/k), SpikingJelly `SoftSign` (1/α, height α/2), `SuperSpike` (1, α),
    `QPseudoSpike` ((α − 1)/2, power α), `NonzeroSignLogAbs` (1/α, height α, power 1) and the right
    half of `S2NN` (1, β, power 1), norse `super` (1/α).
    """

    power: FixedPositive = 2.0

    @property
    def unit_area(self) -> float:  # type: ignore[override]
        return 2 / (self.power - 1) if self.power > 1 else math.inf

    def shape(self, v: Tensor) -> Tensor:
        return (1 + v.abs()) ** -self.power


class Triangle(Bell):
    """slope(x) = height · max(0, 1 − |x| / width): width is half the base. Area: width · height.

    Source: Esser et al. 2016 (doi 10.1073/pnas.1604850113); Bellec et al. 2018 (arXiv 1803.09574).
    Also: SpikingJelly `PiecewiseQuadratic` (width 1/α, height α), norse `triangle` (1, α), larq
    `approx_sign` (1, 2; Liu et al. 2018, arXiv 1808.00278), FreeGrad `triangular` (width).
    """

    unit_area: ClassVar[float] = 1.0

    def shape(self, v: Tensor) -> Tensor:
        return (1 - v.abs()).clamp(min=0)


class Laplace(Bell):
    """slope(x) = height · exp(−|x| / width). Area: 2 · width · height.

    Source: Shrestha & Orchard 2018 (arXiv 1810.08646). Also: SpikingJelly `PiecewiseExp`
    (width 1/α, height α/2), snnTorch `spike_rate_escape` (1/β, k; at 1), sinabs
    `SingleExponential` (thr·w, 1/(thr·w)), lava `Spike` (τ, ρ/(2τ)).
    """

    unit_area: ClassVar[float] = 2.0

    def shape(self, v: Tensor) -> Tensor:
        return torch.exp(-v.abs())


class Hyperbola(Bell):
    """slope(x) = height · min(1, width / |x|). Area: ∞.

    Source: SpikingJelly `FakeNumericalGradient` (width 1/α, height α); the right half of its
    `LogTailedReLU` (width 1; Cai et al. 2017, arXiv 1702.00953).
    """

    unit_area: ClassVar[float] = math.inf

    def shape(self, v: Tensor) -> Tensor:
        return 1 / v.abs().clamp(min=1)


class PeriodicLaplace(Bell):
    """slope(x) = height · exp(−d / width), d the distance from x to the nearest multiple of period.

    Area: ∞. NaN at ±inf, where there is no limit.

    Source: Weidel & Sheik 2021 (arXiv 2111.01456). sinabs `PeriodicExponential(w)` is it above the
    threshold thr, with width w/2 and period thr, and `Laplace(w)` at thr below.
    """

    period: FixedPositive = 1.0

    unit_area: ClassVar[float] = math.inf

    def slope(self, x: Tensor) -> Tensor:
        past = torch.fmod(divisible(x, self.period).abs(), self.period)
        return super().slope(torch.minimum(past, self.period - past))

    def shape(self, v: Tensor) -> Tensor:
        return torch.exp(-v)


class SwishSign(Pointwise):
    """slope(x) = β (2 − u · tanh(u / 2)) / (1 + cosh u), u = βx. Peak: β. Area: 2.

    The derivative of 2 s(u) (1 + u (1 − s(u))) − 1, which goes from −1 to 1. It is negative from
    |u| = 2.4 on.

    Source: Darabi et al. 2018 (arXiv 1812.11800). Also: larq `swish_sign`.
    """

    beta: FixedPositive = 5.0
    area: ClassVar[float] = 2.0
    peak = property(lambda self: self.beta)

    def slope(self, x: Tensor) -> Tensor:
        u = (self.beta * x).clamp(-1000, 1000)  # else 0 · ∞
        bell = 2 * torch.sigmoid(u) * torch.sigmoid(-u)  # 1 / (1 + cosh u)
        return self.beta * bell * (2 - u * torch.tanh(u / 2))


class Cosines(Pointwise):
    """slope(x) = height · Σᵢ cos((2i − 1) · 2πx / period), i = 1 … terms.

    Peak: terms · height. It has no area. NaN at ±inf, where there is no limit.

    Source: SpikingJelly `SquarewaveFourierSeries(n, T)`: period T, n − 1 terms, height 4/T. It is
    the derivative of the Fourier series of a square wave.
    """

    period: FixedPositive = 8.0
    terms: Annotated[int, Limits(integer=True, least=1, most=64)] = 2
    height: Number = 1.0
    area: ClassVar[float] = math.inf
    peak = property(lambda self: self.terms * self.height)

    def slope(self, x: Tensor) -> Tensor:
        past = torch.fmod(divisible(x, self.period), self.period)
        angle = past * (2 * math.pi / self.period)
        total = torch.cos(angle)
        for odd in range(3, 2 * self.terms, 2):
            total = total + torch.cos(odd * angle)
        return self.height * total
