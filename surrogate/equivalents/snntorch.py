"""snnTorch's `snntorch.surrogate`: spikes above 0, none at it."""

from __future__ import annotations

import math

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Positive, Seed
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
