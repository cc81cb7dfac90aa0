"""Where the lie is told: forward, a function's value; backward, another derivative.

In eager mode it is told by a `torch.autograd.Function` that keeps for the backward pass only what
the derivative needs. A tracer can't follow that everywhere (torch.compile drops a custom forward
mode, torch.export drops the whole Function), so it is told in two more ways that mean the same:

* `torch.compile` sees the slope as an ordinary tensor, grafted on to the value (`grafts.py`, which
  is imported while something is compiled, as it brings in the compiler: a second);
* `torch.export` sees ordinary operators only: value + (x − x.detach()) · slope.
"""

# torch's stubs give backward and jvp one argument.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from surrogate.core.evaluate import FUSED_FROM, evaluate, is_exporting, is_transformed, require_like
from surrogate.core.numbers import settled
from surrogate.derivatives.base import Derivative, Pointwise
from surrogate.functions.base import Elementwise


def report(
    x: Tensor,
    function: Elementwise,
    derivative: Derivative,
    numbers: Sequence[Tensor] = (),
    learns: bool = True,
) -> Tensor:
    """function(x), which reports the derivative for x and its true gradient for everything else.

    `numbers` are the values of the derivative's varying numbers. The value does not depend on them,
    so they get no gradient; what is reported does, so second order does. `learns` is whether there
    may be anything in the function that gets a gradient.
    """
    if not (torch.compiler.is_compiling() or is_exporting() or is_transformed()):
        return _report_eagerly(x, function, derivative, numbers, learns)
    value = require_like(function(x.detach()), x, "function", function)
    pointwise = isinstance(derivative, Pointwise)
    if is_exporting():
        if not pointwise:
            raise RuntimeError(
                f"{derivative!r} depends on the upstream gradient, which torch.export can't "
                "represent: export the function by itself, or use a pointwise derivative"
            )
        return _spelled_out(value, x, partial(_slope, settled(derivative, numbers)))
    if not torch.compiler.is_compiling():
        rule = _PointwiseReport if pointwise else _UpstreamReport
        return rule.apply(x, value, derivative, *numbers)
    from surrogate.core.grafts import graft, graft_by_sign, without_forward_mode

    if pointwise:
        return graft(value, x, _slope(settled(derivative, numbers), x))
    if derivative.sign_dependent and derivative.elementwise is not False:
        rule, ones = partial(_rule, settled(derivative, numbers), x), torch.ones_like(x)
        return graft_by_sign(value, x, rule(ones), rule(-ones))
    return _UpstreamRule.apply(without_forward_mode(x), value, derivative, *numbers)


def _report_eagerly(
    x: Tensor,
    function: Elementwise,
    derivative: Derivative,
    numbers: Sequence[Tensor],
    learns: bool,
) -> Tensor:
    pointwise = isinstance(derivative, Pointwise)
    if learns:
        value = require_like(function(x.detach()), x, "function", function)
        if value.requires_grad:
            rule = _PointwiseReport if pointwise else _UpstreamReport
            return rule.apply(x, value, derivative, *numbers)
        function = _Known(value)
    if not (x.requires_grad and torch.is_grad_enabled()):
        return require_like(function(x), x, "function", function)
    plain = _PlainPointwise if pointwise else _PlainUpstream
    return plain.apply(x, function, derivative, *numbers)


def _slope(derivative: Pointwise, x: Tensor) -> Tensor:
    return evaluate(derivative.slope, x, elementwise=bool(derivative.elementwise))


def _rule(derivative: Derivative, x: Tensor, grad_output: Tensor) -> Tensor:
    return evaluate(derivative.rule, x, grad_output, elementwise=bool(derivative.elementwise))


class _Known:
    """A function of which the value is known, and hidden from autograd."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def __call__(self, x: Tensor) -> Tensor:
        return self.value


class _Report(Function):
    """The value goes forward; backward is for the subclass, which says what to keep for it.

    In the form that every transform takes. Where none is going on, the plain form of each costs a
    call 15 µs less.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, value: Tensor, derivative: Derivative, *numbers: Tensor) -> Tensor:
        return value.clone()  # as it is, an argument would make the output a view of it


class _PointwiseReport(_Report):
    """grad_input = grad_output · slope(x)."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, ctx.derivative, *numbers = inputs
        kept = settled(ctx.derivative, numbers).keep(x)
        ctx.save_for_backward(kept, *numbers)
        ctx.save_for_forward(kept, *numbers)

    @staticmethod
    def passed_on(ctx: Any, grad_output: Tensor) -> Tensor:
        """grad_output · slope(x)."""
        kept, *numbers = ctx.saved_tensors
        derivative = settled(ctx.derivative, numbers)
        if kept is None:
            slope = derivative.slope_from_kept(kept)
            one = isinstance(slope, float) and slope == 1
            return grad_output if one else grad_output * slope
        # Not if autograd has to follow it to numbers; and a small tensor is one block in any case.
        blocks = not numbers and kept.numel() >= FUSED_FROM and bool(derivative.elementwise)
        return evaluate(derivative.passed_on, grad_output, kept, elementwise=blocks)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        of_x, of_value, *others = ctx.needs_input_grad
        return (
            _PointwiseReport.passed_on(ctx, grad_output) if of_x else None,
            grad_output if of_value else None,
            *(None for _ in others),
        )

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, value_tangent: Tensor | None, *_: Any) -> Tensor:
        of_x = None if x_tangent is None else _PointwiseReport.passed_on(ctx, x_tangent)
        return sum_of_tangents(of_x, value_tangent)


class _PlainPointwise(Function):
    """The same where no transform is going on, of a function in which nothing gets a gradient: it
    is evaluated in here, where autograd does not look."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, function: Elementwise, derivative: Pointwise, *numbers: Tensor
    ) -> Tensor:
        ctx.derivative = derivative
        ctx.save_for_backward(settled(derivative, numbers).keep(x), *numbers)
        return _value(function, x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _PointwiseReport.backward(ctx, grad_output)


def _value(function: Elementwise, x: Tensor) -> Tensor:
    """function(x), which is not x itself: that would make input and output one tensor."""
    value = require_like(function(x), x, "function", function)
    shared = torch._C._is_alias_of(value, x)  # pyright: ignore[reportAttributeAccessIssue]
    return value.clone() if shared else value


def sum_of_tangents(of_x: Tensor | None, of_value: Tensor | None) -> Tensor:
    """What has come by way of x, and by way of numbers in the function; one of them may be None."""
    if of_x is None:
        assert of_value is not None
        return of_value.clone()
    return of_x if of_value is None else of_x + of_value


class _UpstreamRule(_Report):
    """grad_input = rule(x, grad_output); without forward mode, so torch.compile can trace it."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, ctx.derivative, *numbers = inputs
        ctx.save_for_backward(x, *numbers)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        x, *numbers = ctx.saved_tensors
        of_x, of_value, *others = ctx.needs_input_grad
        return (
            _rule(settled(ctx.derivative, numbers), x, grad_output) if of_x else None,
            grad_output if of_value else None,
            *(None for _ in others),
        )


class _UpstreamReport(_UpstreamRule):
    """The same for eager mode, where forward mode is refused with a reason."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        raise no_forward_mode(repr(ctx.derivative))


class _PlainUpstream(Function):
    """The same where no transform is going on, of a function in which nothing gets a gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, function: Elementwise, derivative: Derivative, *numbers: Tensor
    ) -> Tensor:
        ctx.derivative = derivative
        ctx.save_for_backward(x, *numbers)
        return _value(function, x)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        return _UpstreamRule.backward(ctx, grad_output)


def no_forward_mode(derivative: str) -> RuntimeError:
    """The error for a forward-mode derivative that does not exist."""
    return RuntimeError(
        f"{derivative} depends on the upstream gradient, which forward mode (jvp, jacfwd, hessian) "
        "does not have: there is no such derivative. Use reverse mode (grad, vjp, jacrev), or a "
        "pointwise derivative"
    )


def _spelled_out(value: Tensor, x: Tensor, slope: Elementwise) -> Tensor:
    """The same in ordinary operators, for torch.export; right to second order.

    The factor that is 0 has the derivative 1 in x. Where x is infinite, ∞ − ∞ would be NaN: the
    slope is 0 there for good.
    """
    x = x.masked_fill(x.detach().isinf(), 0)
    hidden = x.detach()
    return value + (x - hidden) * (0.5 * (slope(x) + slope(hidden)))
