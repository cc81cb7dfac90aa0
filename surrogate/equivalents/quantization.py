"""Quantisers: those of larq, Brevitas's `brevitas.function.ops_ste`, torch's
`fake_quantize_per_tensor_affine`, and element-wise gradient scaling."""

from __future__ import annotations

from typing import Annotated

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Integer, Limits, NotNegative, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation

SIGN = f.Sign(at_zero=1.0)


def window(clip_value: float | None) -> d.Pointwise:
    """The straight-through estimator, inside ±clip_value if that is given."""
    return d.Constant() if clip_value is None else d.Box(-clip_value, clip_value)


class Larq(Package):
    """Compared by hand with the quantizers of larq 0.14.0, on TensorFlow 2.21."""

    def ste_sign(self, clip_value: Positive | None = 1.0) -> SurrogateActivation:
        """1 if x ≥ 0, else −1. Reports 1 if |x| ≤ clip_value, else 0; 1 everywhere for None."""
        return SurrogateActivation(SIGN, window(clip_value))

    def ste_heaviside(self, clip_value: Positive | None = 1.0) -> SurrogateActivation:
        """1 if x > 0, else 0. Reports 1 if |x| ≤ clip_value, else 0; 1 everywhere for None."""
        return SurrogateActivation(f.Heaviside(at_zero=0.0), window(clip_value))

    def ste_tern(
        self, threshold_value: NotNegative = 0.05, clip_value: Positive | None = 1.0
    ) -> SurrogateActivation:
        """0 if |x| < threshold_value, else the sign of x. Reports 1 if |x| ≤ clip_value, else 0; 1
        everywhere for None.

        The document leaves the tie open; in the code it has the sign of x.
        `ternary_weight_networks`, which takes the threshold from all of the weights, is left out.
        """
        return SurrogateActivation(f.Ternary(threshold_value, at_tie=1.0), window(clip_value))

    def approx_sign(self) -> SurrogateActivation:
        """1 if x ≥ 0, else −1. Reports 2 · max(0, 1 − |x|)."""
        return SurrogateActivation(SIGN, d.Triangle(height=2.0))

    def swish_sign(self, beta: Positive = 5.0) -> SurrogateActivation:
        """1 if x ≥ 0, else −1. Reports beta·(2 − beta·x·tanh(beta·x/2)) / (1 + cosh(beta·x))."""
        return SurrogateActivation(SIGN, d.SwishSign(beta))

    def MagnitudeAwareSign(self, clip_value: Positive | None = 1.0) -> SurrogateActivation:
        """m if x ≥ 0, else −m, m = mean |x| over all dimensions but the last. Reports m if
        |x| ≤ clip_value, else 0; m everywhere for None.

        So it is not elementwise: the last dimension is that of the channels, and each has its m.
        """
        inside = d.MeanMagnitude() if clip_value is None else d.MeanMagnitude() * window(clip_value)
        return SurrogateActivation(f.MagnitudeSign(), inside)

    def DoReFa(
        self, k_bit: Annotated[int, Limits(integer=True, least=1, most=16)] = 2
    ) -> SurrogateActivation:
        """round(n·x) / n, n = 2^k_bit − 1, of x clamped to [0, 1]. Reports 1 if 0 ≤ x ≤ 1, else 0.

        Rounding ties go to the even multiple. That is `mode="activations"`; the other one
        normalises by all of the weights, and is left out.
        """
        return SurrogateActivation(f.UniformQuantizer(k_bit, low=0.0), d.Box(0.0, 1.0))


class Brevitas(Package):
    """Compared by hand with Brevitas 0.13.4."""

    def round_ste(self) -> SurrogateActivation:
        """The nearest integer, ties to the even one. Reports 1."""
        return SurrogateActivation(f.Round(), d.Constant())

    def ceil_ste(self) -> SurrogateActivation:
        """The least integer that is not below x. Reports 1."""
        return SurrogateActivation(f.Ceil(), d.Constant())

    def floor_ste(self) -> SurrogateActivation:
        """The largest integer that is not above x. Reports 1."""
        return SurrogateActivation(f.Floor(), d.Constant())

    def binary_sign_ste(self) -> SurrogateActivation:
        """1 if x ≥ 0, else −1. Reports 1."""
        return SurrogateActivation(f.Sign(at_zero=1.0), d.Constant())

    def ternary_sign_ste(self) -> SurrogateActivation:
        """1 if x > 0, 0 if x = 0, −1 if x < 0. Reports 1."""
        return SurrogateActivation(f.Sign(), d.Constant())

    def scalar_clamp_ste(self, min_val: float, max_val: float) -> SurrogateActivation:
        """min(max(x, min_val), max_val). Reports 1, outside the bounds too."""
        return SurrogateActivation(f.Clamp(min_val, max_val), d.Constant())


class Torch(Package, distribution="torch"):
    """`torch.fake_quantize_per_tensor_affine`, with its arguments."""

    def fake_quantize(
        self, scale: Positive, zero_point: Integer, quant_min: Integer, quant_max: Integer
    ) -> SurrogateActivation:
        """(q − zero_point)·scale, q = round(x / scale) + zero_point clamped to
        [quant_min, quant_max]. Reports 1 if q is not clamped, else 0.

        Rounding ties go to the even integer, so an end of the window is inside if it rounds
        inwards.
        """
        low, high = quant_min - zero_point, quant_max - zero_point
        inside = {(True, True): True, (True, False): "left", (False, True): "right"}
        closed = inside.get((low % 2 == 0, high % 2 == 0), False)
        window = d.Box((low - 0.5) * scale, (high + 0.5) * scale, closed=closed)
        return SurrogateActivation(f.FakeQuantize(scale, zero_point, quant_min, quant_max), window)


class Ewgs(Package):
    """Lee et al. 2021 (arXiv 2104.00903). The formulas were read from the discretizer of its code,
    which was not run."""

    def EWGS(
        self, delta: NotNegative, num_levels: Annotated[int, Limits(integer=True, least=2)] = 2
    ) -> SurrogateActivation:
        """x_q = round(n·x) / n, n = num_levels − 1. Reports 1 + delta · sign(g) · (x − x_q), g the
        upstream gradient.

        Rounding ties go to the even multiple. The code expects inputs from 0 to 1.
        """
        return SurrogateActivation(f.Staircase(1 / (num_levels - 1)), d.EWGS(delta))
