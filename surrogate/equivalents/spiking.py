"""Spiking networks: the surrogate gradients of snnTorch (`snntorch.surrogate`), SpikingJelly
(`spikingjelly.activation_based.surrogate`) and norse (`norse.torch.functional.threshold`)."""

from __future__ import annotations

import math
from typing import Annotated

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Count, Limits, Positive, Seed
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


class SnnTorch(Package, distribution="snntorch"):
    """The documents write U ≥ U_thr; the code, with x = U − U_thr, fires for x > 0 alone, and so do
    these. The code returns float32 whatever the input."""

    def pair(self, made: d.Derivative) -> SurrogateActivation:
        return SurrogateActivation(f.Heaviside(at_zero=0.0), made)

    def straight_through_estimator(self) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1."""
        return d.Constant()

    def fast_sigmoid(self, slope: Positive = 25) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 / (slope·|x| + 1)²."""
        return d.FastSigmoid(width=1 / slope)

    def sigmoid(self, slope: Positive = 25) -> d.Derivative:
        """1 if x > 0, else 0. Reports slope · s(slope·x) · (1 − s(slope·x)), s the logistic
        sigmoid.

        The code computes e^(−slope·x) / (e^(−slope·x) + 1)², which is NaN where the exponential
        overflows (slope·x < −89 in float32): here it is the limit, 0.
        """
        return d.Logistic(width=1 / slope, height=slope / 4)

    def atan(self, alpha: Positive = 2.0) -> d.Derivative:
        """1 if x > 0, else 0. Reports (alpha/2) / (1 + (π·alpha·x/2)²).

        The document's formula has 1/π for alpha/2, unlike the derivative of the function that it
        names, the code, and this.
        """
        return d.Cauchy(width=2 / (math.pi * alpha), height=alpha / 2)

    def heaviside(self) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 if x > 0, else 0."""
        return d.Split(d.Constant(0.0), d.Constant(), tie="left")

    def spike_rate_escape(self, beta: Positive = 1, slope: float = 25) -> d.Derivative:
        """1 if x > 0, else 0. Reports slope · e^(−beta·|x − 1|)."""
        return d.Laplace(width=1 / beta, height=slope).shift(1)

    def SFS(self, slope: Positive = 25, B: float = 1) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 / (slope·|x| + 1)² if x > B, else 0."""
        return d.Split(d.Constant(0.0), d.FastSigmoid(width=1 / slope), at=B, tie="left")

    def SSO(self, mean: float = 0, variance: Positive = 0.2, seed: Seed = 0) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 if x > 0, else (u − 0.5 + mean) · variance, u from U(0, 1).

        u is a fixed random field: it depends on the seed (which the package does not have) and on
        x, so that equal inputs get equal noise. The package draws anew in every backward pass.
        """
        noise = d.Uniform((mean - 0.5) * variance, (mean + 0.5) * variance, seed)
        return d.Split(noise, d.Constant(), tie="left")

    def LSO(self, slope: float = 0.1) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 if x > 0, else slope.

        In the package `LSO` calls another function and raises a TypeError; its `LeakySpikeOperator`
        raises in the backward pass.
        """
        return d.Split(d.Constant(slope), d.Constant(), tie="left")


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


class Norse(Package, distribution="norse"):
    """Spikes above 0, none at it; `logistic` and `circ_dist` draw them: the package draws anew in
    every pass, and so do these, from torch's global generator."""

    def pair(self, made: d.Derivative) -> SurrogateActivation:
        return SurrogateActivation(f.Heaviside(at_zero=0.0), made)

    def super(self, alpha: Positive = 100.0) -> d.Derivative:
        """1 if x > 0, else 0. Reports 1 / (alpha·|x| + 1)².

        norse 1.1.0 ignores alpha: its code reports 1 / (|x| + 1)².
        """
        return d.FastSigmoid(width=1 / alpha)

    def tanh(self, k: Positive = 100.0) -> d.Derivative:
        """1 if x > 0, else 0. Reports (k/2) · (1 − tanh(k·x)²).

        That is the derivative of the document's ½ + ½ tanh(k·x); the code leaves out k/2.
        """
        return hyperbolic(k)

    def heavi_erfc(self, k: Positive = 100.0) -> d.Derivative:
        """1 if x > 0, else 0. Reports (k/√π) · e^(−(k·x)²).

        That is the derivative of the document's ½ + ½ erf(k·x) (it writes erfc, which falls); the
        code's 2/√π · e^(−(k·x)²) leaves out k/2.
        """
        return d.Gaussian(width=1 / (math.sqrt(2) * k), height=k / math.sqrt(math.pi))

    def circ(self, alpha: Positive = 100.0) -> d.Derivative:
        """1 if x > 0, else 0. Reports alpha³ / (alpha² + x²)^1.5.

        That is 2·alpha times the derivative of the function that the document names,
        ½ + ½ x / √(x² + alpha²).
        """
        return circle(alpha)

    def triangle(self, alpha: float = 0.3) -> d.Derivative:
        """1 if x > 0, else 0. Reports alpha · max(0, 1 − |x|)."""
        return d.Triangle(height=alpha)

    def logistic(self, k: Positive = 100.0) -> SurrogateActivation:
        """1 with probability ½ + ½ tanh(k·x), else 0. Reports (k/2) · (1 − tanh(k·x)²).

        The code leaves out k/2.
        """
        return SurrogateActivation(f.Bernoulli(width=1 / (2 * k)), hyperbolic(k))

    def circ_dist(self, alpha: Positive = 100.0) -> SurrogateActivation:
        """1 with probability ½ + ½ x / √(x² + alpha²), else 0. Reports
        alpha³ / (alpha² + x²)^1.5."""
        return SurrogateActivation(f.Bernoulli(alpha, "algebraic"), circle(alpha))


def hyperbolic(k: float) -> d.Logistic:
    """(k/2) · (1 − tanh(k·x)²)."""
    return d.Logistic(width=1 / (2 * k), height=k / 2)


def circle(alpha: float) -> d.Cauchy:
    """alpha³ / (alpha² + x²)^1.5."""
    return d.Cauchy(width=alpha, power=1.5)
