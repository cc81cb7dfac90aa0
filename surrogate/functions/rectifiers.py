"""Rectifiers: two half-lines, or a half-line and a bend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from surrogate.describe import Described, require_number
from surrogate.evaluation import evaluate, require_floating
from surrogate.functions.base import Function, functions

if TYPE_CHECKING:
    from surrogate.derivatives.kernels import Kernel


@functions.register
@dataclass(frozen=True, repr=False)
class ReLU(Function):
    """max(0, x). Derivative: 1 if x > 0, else 0 (also at the tie x = 0).

    Source: Nair & Hinton 2010.
    """

    straight_outside = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def slope(self, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.cumulative(x)


@functions.register
@dataclass(frozen=True, repr=False)
class LeakyReLU(Function):
    """x if x > 0, else negative_slope · x. Derivative: 1 if x > 0, else negative_slope.

    Source: Maas et al. 2013.
    """

    negative_slope: float = 0.01
    straight_outside = (0.0, 0.0)

    def __post_init__(self) -> None:
        require_number(self, "negative_slope")

    def value(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.negative_slope)

    def slope(self, x: Tensor) -> Tensor:
        return torch.full_like(x, self.negative_slope).masked_fill(x > 0, 1)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return self.negative_slope + (1 - self.negative_slope) * kernel.cumulative(x)


@functions.register
class RReLU(Described, nn.Module):
    """x if x > 0, else a · x, with a drawn from U(lower, upper) for each element while training.

    In evaluation a is the mean (lower + upper) / 2, as `torch.nn.RReLU` has it. The draws come
    from torch's global generator. Derivative: 1 if x > 0, else the a that was drawn.

    Source: Xu et al. 2015 (arXiv 1505.00853).
    """

    straight_outside = (0.0, 0.0)

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3) -> None:
        super().__init__()
        self.lower, self.upper = lower, upper
        require_number(self, "upper")
        require_number(self, "lower", most=upper)

    def forward(self, x: Tensor) -> Tensor:
        require_floating(x, "RReLU")
        return evaluate(self._value, x)

    def _value(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.leaky_relu(x, (self.lower + self.upper) / 2)
        drawn = torch.empty_like(x).uniform_(self.lower, self.upper)
        return torch.where(x > 0, x, drawn * x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        """Of the mean over the draws."""
        return LeakyReLU((self.lower + self.upper) / 2).blurred_slope(x, kernel)

    def __repr__(self) -> str:
        changed = {"lower": (self.lower, 1 / 8), "upper": (self.upper, 1 / 3)}
        return f"RReLU({', '.join(f'{k}={v!r}' for k, (v, d) in changed.items() if v != d)})"


@functions.register
@dataclass(frozen=True, repr=False)
class ELU(Function):
    """x if x > 0, else alpha · (eˣ − 1). Derivative: 1 if x > 0, else alpha · eˣ.

    Source: Clevert et al. 2016 (arXiv 1511.07289).
    """

    alpha: float = 1.0
    straight_outside = (-40.0, 0.0)

    def __post_init__(self) -> None:
        require_number(self, "alpha")

    def value(self, x: Tensor) -> Tensor:
        return F.elu(x, self.alpha)

    def slope(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, 1.0, self.alpha * torch.exp(x.clamp(max=0)))
