"""Polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogate.core.messages import is_finite
from surrogate.functions.base import Function, functions

__all__ = ["Polynomial"]


@functions.register
@dataclass(frozen=True, repr=False)
class Polynomial(Function):
    """a₀ + a₁x + a₂x² + …, x² by default. Derivative: a₁ + 2a₂x + ….

    Values that are beyond the largest number of the dtype are infinite.

    Args:
        coefficients: a₀, a₁, a₂ …: one finite number at least.
    """

    coefficients: tuple[float, ...] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        given = self.coefficients
        needed = "Polynomial: coefficients must be one or several finite numbers"
        if not isinstance(given, (tuple, list)) or not all(map(_is_number, given)):
            raise TypeError(f"{needed}, got {given!r}")
        if not given or not all(map(is_finite, given)):
            raise ValueError(f"{needed}, got {given!r}")
        object.__setattr__(self, "coefficients", tuple(given))

    def value(self, x: Tensor) -> Tensor:
        return _horner(self.coefficients, x)

    def slope(self, x: Tensor) -> Tensor:
        return _horner([power * a for power, a in enumerate(self.coefficients)][1:], x)


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def _horner(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """From the highest power that counts: zeros before it would meet x = ∞."""
    powers = [power for power, a in enumerate(coefficients) if a]
    degree = max(powers, default=0)
    constant = coefficients[degree] if coefficients else 0.0
    y = torch.where(x.isnan(), x, constant)
    for a in reversed(coefficients[:degree]):
        y = y * x + a
    return y
