"""Brevitas's `brevitas.function.ops_ste`: the straight-through estimator everywhere."""

from __future__ import annotations

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation


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
