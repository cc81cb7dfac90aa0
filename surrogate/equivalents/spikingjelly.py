"""SpikingJelly's `spikingjelly.activation_based.surrogate`: a spike at 0 too."""

from __future__ import annotations

import math
from typing import Annotated

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Count, Limits, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


class SpikingJelly(Package, distribution="spikingjelly"):
    """With `spiking=True`, the default; `spiking=False` would compute the primitive function."""

    def pair(self, made: d.Derivative) -> SurrogateActivation:
        return SurrogateActivation(f.Heaviside(), made)

    def PiecewiseQuadratic(self, alpha: Positive = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports max(0, alpha − alpha²·|x|)."""
        return d.Triangle(width=1 / alpha, height=alpha)

    def PiecewiseExp(self, alpha: Positive = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports (alpha/2) · e^(−alpha·|x|)."""
        return d.Laplace(width=1 / alpha, height=alpha / 2)

    def Sigmoid(self, alpha: Positive = 4.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports alpha · s(alpha·x) · (1 − s(alpha·x)), s the logistic
        sigmoid."""
        return d.Logistic(width=1 / alpha, height=alpha / 4)

    def SoftSign(self, alpha: Positive = 2.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports 1 / (2·alpha·(1/alpha + |x|)²)."""
        return d.FastSigmoid(width=1 / alpha, height=alpha / 2)

    def SuperSpike(self, alpha: float = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports alpha / (|x| + 1)²."""
        return d.FastSigmoid(height=alpha)

    def ATan(self, alpha: Positive = 2.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports (alpha/2) / (1 + (π·alpha·x/2)²)."""
        return d.Cauchy(width=2 / (math.pi * alpha), height=alpha / 2)

    def NonzeroSignLogAbs(self, alpha: Positive = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports 1 / (1/alpha + |x|)."""
        return d.FastSigmoid(width=1 / alpha, height=alpha, power=1.0)

    def Erf(self, alpha: Positive = 2.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports (alpha/√π) · e^(−(alpha·x)²)."""
        return d.Gaussian(width=1 / (math.sqrt(2) * alpha), height=alpha / math.sqrt(math.pi))

    def PiecewiseLeakyReLU(self, w: Positive = 1.0, c: float = 0.01) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports 1/(2w) if |x| < w, else c.

        The document has 1/(2w) at |x| = w too; the code, and this, have c there.
        """
        return d.Box(-w, w, height=1 / (2 * w), outside=c, closed=False)

    def SquarewaveFourierSeries(self, n: Count = 2, T_period: Positive = 8.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports (4/T_period) · Σᵢ cos((2i − 1)·2π·x/T_period),
        i = 1 … n − 1."""
        if n == 1:
            return d.Constant(0.0)
        return d.Cosines(period=T_period, terms=n - 1, height=4 / T_period)

    def S2NN(self, alpha: Positive = 4.0, beta: float = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports alpha·s(alpha·x)·(1 − s(alpha·x)) if x < 0, else
        beta/(x + 1)."""
        left = d.Logistic(width=1 / alpha, height=alpha / 4)
        return d.Split(left, d.FastSigmoid(height=beta, power=1.0))

    def QPseudoSpike(self, alpha: Annotated[float, Limits(above=1)] = 2.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports (1 + 2·|x| / (alpha − 1))^(−alpha)."""
        return d.FastSigmoid(width=(alpha - 1) / 2, power=alpha)

    def LeakyKReLU(self, leak: float = 0.0, k: float = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports k if x ≥ 0, else leak."""
        return d.Split(d.Constant(leak), d.Constant(k))

    def FakeNumericalGradient(self, alpha: Positive = 0.3) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports min(1/|x|, alpha).

        The code reports −∞ for the input −0.0: here it is alpha, as for 0.0.
        """
        return d.Hyperbola(width=1 / alpha, height=alpha)

    def LogTailedReLU(self, alpha: float = 0.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports alpha if x ≤ 0, 1 if 0 < x ≤ 1, 1/x if x > 1."""
        return d.Split(d.Constant(alpha), d.Hyperbola(), tie="left")

    def Rect(self, alpha: Positive = 1.0) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports alpha if |x| < 0.5/alpha, else 0."""
        return d.Box(-0.5 / alpha, 0.5 / alpha, height=alpha, closed=False)

    def DeterministicPass(self) -> d.Derivative:
        """1 if x ≥ 0, else 0. Reports 1."""
        return d.Constant()
