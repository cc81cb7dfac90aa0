"""Polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import torch
from torch import Tensor

from surrogate.core.messages import shown
from surrogate.core.numbers import Allowed, is_finite
from surrogate.functions.base import Function

MOST_COEFFICIENTS = 1000


class Coefficients(Allowed):
    """One or several finite numbers, as a tuple."""

    def check(self, owner: object, name: str, value: Any) -> tuple[float, ...]:
        needed = f"Polynomial: {name} must be 1 to {MOST_COEFFICIENTS} finite numbers"
        if not isinstance(value, (tuple, list)) or not all(map(_is_number, value)):
            raise TypeError(f"{needed}, got {shown(value)}")
        if not 0 < len(value) <= MOST_COEFFICIENTS or not all(map(is_finite, value)):
            raise ValueError(f"{needed}, got {shown(value)}")
        return tuple(value)


class Polynomial(Function):
    """a₀ + a₁x + a₂x² + …, x² by default. Derivative: a₁ + 2a₂x + ….

    Values that are beyond the largest number of the dtype are infinite.

    Args:
        coefficients: a₀, a₁, a₂ …: 1 to 1000 finite numbers.
    """

    coefficients: Annotated[tuple[float, ...], Coefficients()] = (0.0, 0.0, 1.0)

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
