"""Brevitas's `brevitas.function.ops_ste`: the straight-through estimator everywhere."""

from __future__ import annotations

from surrogate.derivatives import Constant
from surrogate.equivalents.base import Package
from surrogate.functions import Ceil, Clamp, Floor, Round, Sign
from surrogate.pair import SurrogateActivation

__all__ = [
    "binary_sign_ste",
    "ceil_ste",
    "floor_ste",
    "round_ste",
    "scalar_clamp_ste",
    "ternary_sign_ste",
]

brevitas = Package("brevitas", "Compared by hand with Brevitas 0.13.4.")


@brevitas
def round_ste() -> SurrogateActivation:
    """The nearest integer, ties to the even one. Reports 1."""
    return SurrogateActivation(Round(), Constant())


@brevitas
def ceil_ste() -> SurrogateActivation:
    """The least integer that is not below x. Reports 1."""
    return SurrogateActivation(Ceil(), Constant())


@brevitas
def floor_ste() -> SurrogateActivation:
    """The largest integer that is not above x. Reports 1."""
    return SurrogateActivation(Floor(), Constant())


@brevitas
def binary_sign_ste() -> SurrogateActivation:
    """1 if x ≥ 0, else −1. Reports 1."""
    return SurrogateActivation(Sign(at_zero=1.0), Constant())


@brevitas
def ternary_sign_ste() -> SurrogateActivation:
    """1 if x > 0, 0 if x = 0, −1 if x < 0. Reports 1."""
    return SurrogateActivation(Sign(), Constant())


@brevitas
def scalar_clamp_ste(min_val: float, max_val: float) -> SurrogateActivation:
    """min(max(x, min_val), max_val). Reports 1, outside the bounds too."""
    return SurrogateActivation(Clamp(min_val, max_val), Constant())
