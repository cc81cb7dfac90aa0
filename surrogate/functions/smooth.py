"""Smooth functions, finite with finite slopes wherever the mathematics is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.describe import require_choice
from surrogate.functions.base import Function, functions

if TYPE_CHECKING:
    from surrogate.derivatives.kernels import Kernel


@functions.register
@dataclass(frozen=True, repr=False)
class Identity(Function):
    """x. Derivative: 1. As an activation it makes the linear baseline."""

    straight_outside = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return x

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return torch.ones_like(x)


@functions.register
@dataclass(frozen=True, repr=False)
class Sigmoid(Function):
    """s(x) = 1 / (1 + e⁻ˣ). Derivative: s(x) · (1 − s(x))."""

    straight_outside = (-40.0, 40.0)

    def value(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * torch.sigmoid(-x)


@functions.register
@dataclass(frozen=True, repr=False)
class Tanh(Function):
    """tanh(x). Derivative: 1 − tanh²(x)."""

    straight_outside = (-20.0, 20.0)

    def value(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.cosh(x) ** -2


@functions.register
@dataclass(frozen=True, repr=False)
class Sin(Function):
    """sin(x). Derivative: cos(x). NaN at ±inf, where there is no limit."""

    period = 2 * torch.pi

    def value(self, x: Tensor) -> Tensor:
        return torch.sin(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.cos(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return torch.cos(x) * kernel.characteristic(1.0, x)


def _rectified_beyond(limit: float, formula: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """0 far below and x far above, where formulas of the kind x · s(x) meet ∞ · 0."""
    return torch.where(x > limit, x, formula(x.clamp(-limit, limit)))


@functions.register
@dataclass(frozen=True, repr=False)
class SiLU(Function):
    """x · s(x), also known as Swish. Derivative: s(x) · (1 + x · (1 − s(x))).

    Source: Elfwing et al. 2017 (arXiv 1702.03118); Ramachandran et al. 2017 (arXiv 1710.05941).
    """

    straight_outside = (-45.0, 45.0)

    def value(self, x: Tensor) -> Tensor:
        return _rectified_beyond(1000.0, F.silu, x)

    def slope(self, x: Tensor) -> Tensor:
        x = x.clamp(-1000, 1000)
        return torch.sigmoid(x) * (1 + x * torch.sigmoid(-x))


Swish = SiLU
functions.register(SiLU, "Swish")


@functions.register
@dataclass(frozen=True, repr=False)
class GELU(Function):
    """x · Φ(x), Φ the normal distribution function. Derivative: Φ(x) + x · φ(x).

    `approximate="tanh"` is x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) and its derivative.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415).
    """

    approximate: str = "none"
    straight_outside = (-10.0, 10.0)

    def __post_init__(self) -> None:
        require_choice(self, "approximate", ("none", "tanh"))

    def value(self, x: Tensor) -> Tensor:
        return _rectified_beyond(100.0, lambda x: F.gelu(x, approximate=self.approximate), x)

    def slope(self, x: Tensor) -> Tensor:
        x = x.clamp(-100, 100)
        if self.approximate == "none":
            return torch.special.ndtr(x) + x * torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        scale, cubic = math.sqrt(2 / math.pi), 0.044715
        inner = torch.tanh(scale * (x + cubic * x**3))
        return (1 + inner + x * (1 - inner**2) * scale * (1 + 3 * cubic * x**2)) / 2
