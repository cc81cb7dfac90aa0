"""norse's threshold functions, by the names of `norse.torch.functional.threshold`'s methods."""

from __future__ import annotations

import math

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


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
