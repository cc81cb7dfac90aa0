"""SpikingJelly's `spikingjelly.activation_based.surrogate`: a spike at 0 too."""

from __future__ import annotations

import math
from typing import Annotated

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Count, Limits, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation

spikingjelly = Package(
    "spikingjelly",
    "With `spiking=True`, the default; `spiking=False` would compute the primitive function.",
    distribution="spikingjelly",
)


def spike(derivative: d.Derivative) -> SurrogateActivation:
    return SurrogateActivation(f.Heaviside(), derivative)


@spikingjelly
def PiecewiseQuadratic(alpha: Positive = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports max(0, alpha − alpha²·|x|)."""
    return spike(d.Triangle(width=1 / alpha, height=alpha))


@spikingjelly
def PiecewiseExp(alpha: Positive = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports (alpha/2) · e^(−alpha·|x|)."""
    return spike(d.Laplace(width=1 / alpha, height=alpha / 2))


@spikingjelly
def Sigmoid(alpha: Positive = 4.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports alpha · s(alpha·x) · (1 − s(alpha·x)), s the logistic sigmoid."""
    return spike(d.Logistic(width=1 / alpha, height=alpha / 4))


@spikingjelly
def SoftSign(alpha: Positive = 2.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports 1 / (2·alpha·(1/alpha + |x|)²)."""
    return spike(d.FastSigmoid(width=1 / alpha, height=alpha / 2))


@spikingjelly
def SuperSpike(alpha: float = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports alpha / (|x| + 1)²."""
    return spike(d.FastSigmoid(height=alpha))


@spikingjelly
def ATan(alpha: Positive = 2.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports (alpha/2) / (1 + (π·alpha·x/2)²)."""
    return spike(d.Cauchy(width=2 / (math.pi * alpha), height=alpha / 2))


@spikingjelly
def NonzeroSignLogAbs(alpha: Positive = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports 1 / (1/alpha + |x|)."""
    return spike(d.FastSigmoid(width=1 / alpha, height=alpha, power=1.0))


@spikingjelly
def Erf(alpha: Positive = 2.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports (alpha/√π) · e^(−(alpha·x)²)."""
    return spike(d.Gaussian(width=1 / (math.sqrt(2) * alpha), height=alpha / math.sqrt(math.pi)))


@spikingjelly
def PiecewiseLeakyReLU(w: Positive = 1.0, c: float = 0.01) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports 1/(2w) if |x| < w, else c.

    The document has 1/(2w) at |x| = w too; the code, and this, have c there.
    """
    return spike(d.Box(-w, w, height=1 / (2 * w), outside=c, closed=False))


@spikingjelly
def SquarewaveFourierSeries(n: Count = 2, T_period: Positive = 8.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports (4/T_period) · Σᵢ cos((2i − 1)·2π·x/T_period), i = 1 … n − 1."""
    if n == 1:
        return spike(d.Constant(0.0))
    return spike(d.Cosines(period=T_period, terms=n - 1, height=4 / T_period))


@spikingjelly
def S2NN(alpha: Positive = 4.0, beta: float = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports alpha·s(alpha·x)·(1 − s(alpha·x)) if x < 0, else beta/(x + 1)."""
    left = d.Logistic(width=1 / alpha, height=alpha / 4)
    return spike(d.Split(left, d.FastSigmoid(height=beta, power=1.0)))


@spikingjelly
def QPseudoSpike(alpha: Annotated[float, Limits(above=1)] = 2.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports (1 + 2·|x| / (alpha − 1))^(−alpha)."""
    return spike(d.FastSigmoid(width=(alpha - 1) / 2, power=alpha))


@spikingjelly
def LeakyKReLU(leak: float = 0.0, k: float = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports k if x ≥ 0, else leak."""
    return spike(d.Split(d.Constant(leak), d.Constant(k)))


@spikingjelly
def FakeNumericalGradient(alpha: Positive = 0.3) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports min(1/|x|, alpha).

    The code reports −∞ for the input −0.0: here it is alpha, as for 0.0.
    """
    return spike(d.Hyperbola(width=1 / alpha, height=alpha))


@spikingjelly
def LogTailedReLU(alpha: float = 0.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports alpha if x ≤ 0, 1 if 0 < x ≤ 1, 1/x if x > 1."""
    return spike(d.Split(d.Constant(alpha), d.Hyperbola(), tie="left"))


@spikingjelly
def Rect(alpha: Positive = 1.0) -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports alpha if |x| < 0.5/alpha, else 0."""
    return spike(d.Box(-0.5 / alpha, 0.5 / alpha, height=alpha, closed=False))


@spikingjelly
def DeterministicPass() -> SurrogateActivation:
    """1 if x ≥ 0, else 0. Reports 1."""
    return spike(d.Constant())
