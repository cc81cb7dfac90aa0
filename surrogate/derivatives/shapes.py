"""True derivatives, and those of the simplest shapes."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from surrogate.core.evaluate import in_own_dtype
from surrogate.core.numbers import FixedNumber, Learnable, Limits, Number
from surrogate.core.parts import text_of
from surrogate.core.torch_private import is_transformed
from surrogate.derivatives.base import (
    AnyFunction,
    Derivative,
    PairsFunction,
    Pointwise,
    required_arguments,
)
from surrogate.functions.arithmetic import above, below, choose
from surrogate.functions.base import Elementwise, Function, PiecewiseConstant, mean_magnitude
from surrogate.functions.callables import left_alone


class Exact(Pointwise):
    """slope(x) = F'(x): the pair's function's own derivative; 0 for a step function.

    A pair with it simply calls its function, or, where autograd would keep more than x for that,
    takes the function's slope in closed form. Inside another derivative, such as
    `Noisy(Exact(), std=0.1)`, it is `DerivativeOf` the pair's function.
    """

    def bind(self, function: Elementwise) -> Derivative:
        return DerivativeOf(function).bind(function)

    def slope(self, x: Tensor) -> Tensor:
        raise unbound(self)


def unbound(derivative: Derivative) -> RuntimeError:
    """The error for a derivative that is asked for a slope before it knows its pair's function."""
    return RuntimeError(
        f"{derivative!r} has no slope by itself: it takes its pair's function. "
        "Put it in a SurrogateActivation, or call .bind(function)"
    )


class OfFunction(Derivative, register=False):
    """Mixin for a derivative that takes its pair's function if it is given none."""

    # A field `function` here would come before those of a subclass.

    def bind(self, function: Elementwise) -> Derivative:
        bound: Any = super().bind(function)
        given = bound.function is not None
        return bound if given else dataclasses.replace(bound, function=function)


class DerivativeOf(Derivative):
    """grad_input = the gradient that h(x) would give to x, for any differentiable h.

    h need not be elementwise: softmax for an argmax, for example. It can be a callable of x, or of
    (x, value), where value is what the pair computes, held fixed. Parameters in h are not learned.
    A function of ours that has its slope in closed form is pointwise, slope(x) = h'(x); that of a
    step function is 0, and saves nothing.

    Raises:
        TypeError: function is not callable.
        ValueError: when it is called, h(x) has another shape or dtype than the pair's value.

    Source: the note that this project began with ("a staircase with hard corners whose derivative
    is that of a soft-cornered one").
    """

    function: AnyFunction
    linear: ClassVar[bool] = True

    def decide(self) -> None:
        flat = isinstance(self.function, PiecewiseConstant)
        has_slope = isinstance(self.function, Function) and self.function.has_slope
        self.keep(pointwise=flat or has_slope, saves="nothing" if flat else "x")

    def bind(self, function: Elementwise) -> Derivative:
        return self if self.pointwise else Through(self.function, function)

    def save(self, x: Tensor) -> Tensor | None:
        return None if self.saves == "nothing" else x

    def slope(self, x: Tensor) -> Tensor:
        return self.function.slope(x) if self.pointwise else super().slope(x)

    def pull(self, saved: Tensor | None, grad_output: Tensor) -> Tensor:
        if saved is None:
            return grad_output * 0.0
        if self.pointwise:
            return self.function.vjp(saved, grad_output)
        return Through(self.function, None).pull(saved, grad_output)


class Through(Derivative, register=False):
    """`DerivativeOf` an h of which no slope is known, bound to its pair's function.

    A pair of its own sends the gradient through h(x) by ordinary autograd (`target`). In a
    combination, h is evaluated again in the backward pass.
    """

    function: AnyFunction
    of: PairsFunction
    linear: ClassVar[bool] = True
    takes_value: ClassVar[bool]

    def decide(self) -> None:
        self.keep(takes_value=required_arguments(self.function) == 2)

    def target(self, x: Tensor, value: Tensor) -> Tensor:
        """h(x), or h(x, value), through which the gradient goes to x."""
        h = _without_parameters(self.function)
        arguments = (value.detach(), x) if self.takes_value else (x,)
        result = in_own_dtype(lambda *given: left_alone(h, *reversed(given), role="h"), *arguments)
        if not isinstance(result, Tensor):
            kind = type(result).__name__
            raise TypeError(f"{text_of(self.of)} / {self!r}: h must return a tensor, got {kind}")
        if result.shape != value.shape:
            raise ValueError(
                f"{text_of(self.of)} / {self!r}: h(x) must have the shape of the value, "
                f"{tuple(value.shape)}, got {tuple(result.shape)}"
            )
        return result.to(value.dtype)

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        if self.takes_value and self.of is None:
            raise unbound(self)
        # Where h does not take the value, its shape and dtype are all that matters.
        value = self.of(saved.detach()) if self.takes_value else grad_output  # type: ignore[misc]
        return torch.func.vjp(lambda x: self.target(x, value), saved)[1](grad_output)[0]

    def __repr__(self) -> str:
        return f"DerivativeOf(function={text_of(self.function)})"


def _without_parameters(h: Any) -> Any:
    """h, with its parameters held fixed if it is a module that has some."""
    if not isinstance(h, nn.Module):
        return h
    fixed = {name: each.detach() for name, each in (*h.named_parameters(), *h.named_buffers())}
    return (lambda *x: torch.func.functional_call(h, fixed, x)) if fixed else h


class Constant(Pointwise):
    """slope(x) = value. With value = 1 it is the straight-through estimator. Saves nothing.

    Source: Hinton 2012 (Coursera lectures); Bengio et al. 2013 (arXiv 1308.3432).
    """

    value: Number = 1.0
    saves: ClassVar[str] = "nothing"
    area: ClassVar[float] = math.inf
    peak = property(lambda self: abs(self.value))

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x) * self.value

    def save(self, x: Tensor) -> None:
        return None

    def pull(self, saved: None, grad_output: Tensor) -> Tensor:
        if not isinstance(self.value, Tensor) and self.value == 1:
            return grad_output
        return grad_output * self.value


def blind_numbers(function: Any, derivative: Derivative) -> list[str]:
    """The numbers of a function that are to be learned, but whose gradient is 0 everywhere.

    Only jumps move with them, and no derivative is reported that would say so.
    """
    if isinstance(function, PiecewiseConstant):
        flat = isinstance(derivative, DerivativeOf) and derivative.saves == "nothing"
        if not flat and derivative != Constant(0.0):
            return []
    inner = getattr(function, "inner", ())
    return [name for name in inner if isinstance(getattr(function, name), Learnable)]


class Box(Pointwise):
    """slope(x) = height if left ≤ x ≤ right, else outside. Saves one byte for each element.

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

    left: FixedNumber = -1.0
    right: Annotated[float, Limits(above="left", fixed=True)] = 1.0
    height: Number = 1.0
    outside: Number = 0.0
    closed: Literal[True, False, "left", "right"] = True
    saves: ClassVar[str] = "mask"

    @property
    def area(self) -> Any:  # type: ignore[override]
        nothing_outside = not isinstance(self.outside, Tensor) and self.outside == 0
        return (self.right - self.left) * self.height if nothing_outside else math.inf

    peak = property(lambda self: max(self.height, self.outside, key=abs))

    def slope(self, x: Tensor) -> Tensor:
        left, right = 1 - below(x, self.left), 1 - above(x, self.right)
        if self.closed in (False, "right"):
            left = above(x, self.left)
        if self.closed in (False, "left"):
            right = below(x, self.right)
        is_number = above(x, -torch.inf)  # and not −inf, which is outside as NaN is
        return choose(is_number * left * right, self.height, self.outside)

    def save(self, x: Tensor) -> Tensor:
        if self.closed is True:
            return x.clamp(self.left, self.right) == x
        from_left = x >= self.left if self.closed == "left" else x > self.left
        to_right = x <= self.right if self.closed == "right" else x < self.right
        return from_left & to_right

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        return grad_output * choose(as_numbers(saved, grad_output), self.height, self.outside)


class MeanMagnitude(Pointwise):
    """slope(x) = mean |x| over all dimensions but the last: one number for each channel.

    That of |x| itself for a vector. It is no function of each x alone, but does not depend on the
    upstream gradient. It is the factor of `MagnitudeSign`.

    Source: Liu et al. 2018 (arXiv 1808.00278). Also: larq `MagnitudeAwareSign`, times a window.
    """

    elementwise = False  # type: ignore[override]

    def slope(self, x: Tensor) -> Tensor:
        return mean_magnitude(x).expand_as(x)


def as_numbers(mask: Tensor, like: Tensor) -> Tensor:
    """0 and 1 for a mask of booleans, in the dtype of another tensor.

    Where nothing is transformed by way of integers, which torch converts in a quarter of the time.
    """
    return (mask if is_transformed() else mask.view(torch.int8)).to(like.dtype)
