"""Derivatives with a given shape, and the true ones."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from surrogate.core.arithmetic import above, below, choose
from surrogate.core.evaluate import is_watched
from surrogate.core.messages import require_callable, require_choice, require_number
from surrogate.core.numbers import Number
from surrogate.derivatives.base import Derivative, Keeps, Pointwise, derivatives
from surrogate.functions.base import (
    Elementwise,
    Function,
    PiecewiseConstant,
    mean_magnitude,
    slope_by_autograd,
)

__all__ = ["Box", "Constant", "DerivativeOf", "Exact", "MeanMagnitude"]


@derivatives.register
@dataclass(frozen=True, repr=False)
class Exact(Pointwise):
    """slope(x) = F'(x): the pair's function's own derivative, by autograd; 0 for a step function.

    A pair with it simply calls its function, or, where autograd would keep more than x for that,
    takes the function's slope in closed form. Inside another derivative, such as
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


class OfFunction(Derivative):
    """Mixin for a derivative that takes its pair's function if it is given none."""

    function: Any

    def require_function(self) -> None:
        """Raise TypeError if a function is given that can't be called."""
        if self.function is not None:
            require_callable(self, "function")

    def bind(self, function: Elementwise) -> Derivative:
        bound = super().bind(function)
        if self.function is None:
            bound = dataclasses.replace(bound, function=function)  # type: ignore[type-var]
        return bound


@derivatives.register
@dataclass(frozen=True, repr=False)
class DerivativeOf(Pointwise):
    """slope(x) = h'(x) for any differentiable elementwise function h.

    In closed form for our functions, by autograd for others. That of a step function is 0, and
    keeps nothing.

    Source: the note that this project began with ("a staircase with hard corners whose derivative
    is that of a soft-cornered one").
    """

    function: Elementwise

    def __post_init__(self) -> None:
        require_callable(self, "function")

    def slope(self, x: Tensor) -> Tensor:
        if isinstance(self.function, Function):
            return self.function.slope(x)
        return slope_by_autograd(self.function, x)

    @property
    def keeps(self) -> Keeps:  # type: ignore[override]
        return "nothing" if isinstance(self.function, PiecewiseConstant) else "x"

    def keep(self, x: Tensor) -> Tensor | None:
        return None if self.keeps == "nothing" else x

    def slope_from_kept(self, kept: Tensor | None) -> Tensor | float:
        return 0.0 if kept is None else self.slope(kept)

    def passed_on(self, grad_output: Tensor, kept: Tensor) -> Tensor:
        # Not all of torch's own kernels have a derivative.
        followed = is_watched(grad_output) or is_watched(kept)
        if isinstance(self.function, Function) and not followed:
            return self.function.slope_times(kept, grad_output)
        return super().passed_on(grad_output, kept)


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
    def peak(self) -> Any:
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
    """slope(x) = height if left ≤ x ≤ right, else outside. Keeps one byte for each element.

    With `closed=False` the ends are outside: left < x < right; with `closed="left"` or "right" one
    of them is inside. NaN is outside. Peak: the larger of height and outside, by its size. Area:
    (right − left) · height, ∞ unless outside is 0.

    With the defaults it is the straight-through estimator of binarised nets, which cancels the
    gradient where |x| > 1.

    Source: Hubara et al. 2016 (arXiv 1602.02830). Also: larq `ste_sign`, `ste_heaviside` and
    `ste_tern` (±clip), `DoReFa` (0 to 1), FreeGrad `rectangular` (a, b), torch's `fake_quantize`
    (with one end open); with open ends SpikingJelly `Rect` (±0.5/α, height α; Wu et al. 2018,
    arXiv 1706.02609) and `PiecewiseLeakyReLU` (±w, height 1/(2w), outside c).
    """

    left: float = -1.0
    right: float = 1.0
    height: Number = 1.0
    outside: Number = 0.0
    closed: bool | str = True
    keeps = "mask"

    def __post_init__(self) -> None:
        require_number(self, "left")
        require_number(self, "right", above=self.left)
        require_number(self, "height", may_vary=True)
        require_number(self, "outside", may_vary=True)
        if not isinstance(self.closed, (bool, str)):
            raise TypeError(f"Box: closed must be True or False, or a side, got {self.closed!r}")
        if isinstance(self.closed, str):
            require_choice(self, "closed", ("left", "right"))

    @property
    def area(self) -> Any:
        return (self.right - self.left) * self.height if _is_zero(self.outside) else math.inf

    @property
    def peak(self) -> Any:
        return max(self.height, self.outside, key=abs)

    def slope(self, x: Tensor) -> Tensor:
        left, right = 1 - below(x, self.left), 1 - above(x, self.right)
        if self.closed in (False, "right"):
            left = above(x, self.left)
        if self.closed in (False, "left"):
            right = below(x, self.right)
        is_number = above(x, -torch.inf)  # and not −inf, which is outside as NaN is
        return self._slope(is_number * left * right)

    def keep(self, x: Tensor) -> Tensor:
        if self.closed is True:
            return x.clamp(self.left, self.right) == x
        from_left = x >= self.left if self.closed == "left" else x > self.left
        to_right = x <= self.right if self.closed == "right" else x < self.right
        return from_left & to_right

    def slope_from_kept(self, kept: Tensor) -> Tensor:
        ones = kept.view(torch.int8)  # torch converts these in a quarter of the time
        return self._slope(ones.to(dtype_for(self.height, self.outside)))

    def _slope(self, inside: Tensor) -> Tensor:
        """From 1 inside and 0 outside; torch.where would take several times as long."""
        return choose(inside, self.height, self.outside)


@derivatives.register
@dataclass(frozen=True, repr=False)
class MeanMagnitude(Pointwise):
    """slope(x) = mean |x| over all dimensions but the last: one number for each channel.

    That of |x| itself for a vector. It is no function of each x alone, but does not depend on the
    upstream gradient. It is the factor of `MagnitudeSign`.

    Source: Liu et al. 2018 (arXiv 1808.00278). Also: larq `MagnitudeAwareSign`, times a window.
    """

    elementwise = False  # type: ignore[override]

    def slope(self, x: Tensor) -> Tensor:
        return mean_magnitude(x).expand_as(x)


def _is_zero(number: float | Tensor) -> bool:
    return not isinstance(number, Tensor) and number == 0


def dtype_for(*numbers: float | Tensor) -> torch.dtype:
    """The dtype for what is made of a mask, which does not tell that of x: float32 if it holds the
    numbers, else float64."""
    return torch.float32 if all(map(_is_short, numbers)) else torch.float64


def _is_short(number: float | Tensor) -> bool:
    """Whether float32 holds it: 24 bits, and not far out."""
    if isinstance(number, Tensor):
        return False
    mantissa, exponent = math.frexp(number)
    return (mantissa * 2**24) % 1 == 0 and abs(exponent) < 120
