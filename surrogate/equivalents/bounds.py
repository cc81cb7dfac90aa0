"""Bounds that let an element come back: CompressAI, TensorFlow Compression, magic-clamp."""

from __future__ import annotations

from typing import Literal

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.equivalents.base import Package
from surrogate.pair import SurrogateActivation

Gradient = Literal["identity_if_towards", "identity", "disconnected"]


class CompressAI(Package):
    """Compared by hand with CompressAI 1.2.8."""

    def LowerBound(self, bound: float) -> SurrogateActivation:
        """max(x, bound). Reports 1 if x ≥ bound or g < 0, else 0, g the upstream gradient."""
        return SurrogateActivation(f.Clamp(low=bound, high=None), d.Towards(low=bound))


class TensorFlowCompression(Package, name="tensorflow_compression"):
    """g is the upstream gradient. With `gradient="identity"` 1 is reported everywhere; with
    "disconnected" the true derivative, which in TensorFlow is 1 at the bound itself. The formulas
    were read from its code, which was not run; the tie was compared by hand with TensorFlow 2.21.
    """

    def lower_bound(
        self, bound: float, gradient: Gradient = "identity_if_towards"
    ) -> SurrogateActivation:
        """max(x, bound). Reports 1 if x ≥ bound or g < 0, else 0."""
        derivatives: dict[str, d.Derivative] = {
            "identity_if_towards": d.Towards(low=bound),
            "identity": d.Constant(),
            "disconnected": d.Split(d.Constant(0.0), d.Constant(), at=bound),
        }
        return SurrogateActivation(f.Clamp(low=bound, high=None), derivatives[gradient])

    def upper_bound(
        self, bound: float, gradient: Gradient = "identity_if_towards"
    ) -> SurrogateActivation:
        """min(x, bound). Reports 1 if x ≤ bound or g > 0, else 0."""
        derivatives: dict[str, d.Derivative] = {
            "identity_if_towards": d.Towards(high=bound),
            "identity": d.Constant(),
            "disconnected": d.Split(d.Constant(), d.Constant(0.0), at=bound, tie="left"),
        }
        return SurrogateActivation(f.Clamp(low=None, high=bound), derivatives[gradient])


class MagicClamp(Package, name="magic_clamp"):
    """Compared by hand with magic-clamp 0.0.4."""

    def magic_clamp(
        self, min_value: float | None, max_value: float | None, preserve_norm: bool = True
    ) -> SurrogateActivation:
        """min(max(x, min_value), max_value). Reports 0 if x < min_value and g > 0, or x > max_value
        and g < 0, else 1, g the upstream gradient.

        With `preserve_norm` the whole is stretched to the norm of g. One of the bounds may be None.
        """
        derivative = d.Towards(min_value, max_value)
        return SurrogateActivation(
            f.Clamp(min_value, max_value),
            d.PreserveNorm(derivative) if preserve_norm else derivative,
        )
