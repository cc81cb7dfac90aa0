"""Derivatives with a given shape, and the true ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogate.derivatives.base import Derivative, Pointwise, derivatives
from surrogate.describe import require_number
from surrogate.functions.base import Elementwise, Function, slope_by_autograd
from surrogate.varying import Number


@derivatives.register
@dataclass(frozen=True, repr=False)
class Exact(Pointwise):
    """The function's own derivative, by autograd: 0 almost everywhere for a step function.

    A pair with it simply calls its function. Inside another derivative, such as
    `Noisy(Exact(), std=0.1)`, it is `DerivativeOf` the pair's function.
    """

    def bind(self, function: Elementwise) -> DerivativeOf:
        return DerivativeOf(function)

    def slope(self, x: Tensor) -> Tensor:
        raise unbound(self)


def unbound(derivative: Derivative) -> RuntimeError:
    """The error for a derivative that is asked for a slope before it knows its pair's function."""
    return RuntimeError(
        f"{derivative!r} has no slope by itself: it takes its pair's function. "
        "Put it in a SurrogateActivation, or call .bind(function)"
    )


@derivatives.register
@dataclass(frozen=True, repr=False)
class DerivativeOf(Pointwise):
    """slope(x) = h'(x) for any differentiable elementwise function h.

    In closed form for our functions, by autograd for others.

    Source: "a staircase with hard corners whose derivative is that of a soft-cornered one".
    """

    function: Elementwise

    def slope(self, x: Tensor) -> Tensor:
        if isinstance(self.function, Function):
            return self.function.slope(x)
        return slope_by_autograd(self.function, x)


@derivatives.register
@dataclass(frozen=True, repr=False)
class Constant(Pointwise):
    """slope(x) = value. With value = 1 it is the straight-through estimator. Keeps nothing.

    Source: Hinton 2012 (Coursera lectures); Bengio et al. 2013 (arXiv 1308.3432).
    """

    value: Number = 1.0
    keeps = "nothing"

    def __post_init__(self) -> None:
        require_number(self, "value", may_vary=True)

    @property
    def peak(self) -> Any:  # type: ignore[override]
        return abs(self.value)

    area = math.inf

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x) * self.value

    def keep(self, x: Tensor) -> None:
        return None

    def slope_from_kept(self, kept: object) -> Any:
        return self.value


@derivatives.register
@dataclass(frozen=True, repr=False)
class Box(Pointwise):
    """slope(x) = height if left ≤ x ≤ right, else 0. Keeps one byte for each element.

    With the defaults it is the straight-through estimator of binarised nets, which cancels the
    gradient where |x| > 1.

    Source: Hubara et al. 2016 (arXiv 1602.02830).
    """

    left: float = -1.0
    right: float = 1.0
    height: float = 1.0
    keeps = "mask"

    def __post_init__(self) -> None:
        require_number(self, "left")
        require_number(self, "right", above=self.left)
        require_number(self, "height")

    def slope(self, x: Tensor) -> Tensor:
        return self.slope_from_kept(self.keep(x)).to(x.dtype)

    def keep(self, x: Tensor) -> Tensor:
        return (x >= self.left) & (x <= self.right)

    def slope_from_kept(self, kept: Tensor) -> Tensor:
        return self.height * kept
