"""torch's `fake_quantize_per_tensor_affine`, and element-wise gradient scaling."""

from __future__ import annotations

from typing import Annotated

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Integer, Limits, NotNegative, Positive
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


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
    which was not run.
    """

    def EWGS(
        self, delta: NotNegative, num_levels: Annotated[int, Limits(integer=True, least=2)] = 2
    ) -> SurrogateActivation:
        """x_q = round(n·x) / n, n = num_levels − 1. Reports 1 + delta · sign(g) · (x − x_q), g the
        upstream gradient.

        Rounding ties go to the even multiple. The code expects inputs from 0 to 1.
        """
        return SurrogateActivation(f.Staircase(1 / (num_levels - 1)), d.EWGS(delta))
