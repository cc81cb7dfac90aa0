"""Where the lie is told: forward, a function's value; backward, another derivative.

In eager mode it is told by a `torch.autograd.Function` that keeps for the backward pass only what
the derivative needs. A tracer can't follow that everywhere (torch.compile drops a custom forward
mode, torch.export drops the whole Function), so it is told in two more ways that mean the same:

* `torch.compile` sees the slope as an ordinary tensor, grafted on to the value by one opaque node.
  Whatever the slope keeps is then for the compiler to choose;
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

from surrogate.derivatives.base import Derivative, Pointwise
from surrogate.evaluation import evaluate, is_exporting, is_transformed, require_like
from surrogate.functions.base import Elementwise
from surrogate.varying import settled


def report(
    x: Tensor, function: Elementwise, derivative: Derivative, numbers: Sequence[Tensor] = ()
) -> Tensor:
    """function(x), which reports the derivative for x and its true gradient for everything else.

    `numbers` are the values of the derivative's varying numbers. The value does not depend on them,
    so they get no gradient; what is reported does, so second order does.
    """
    hidden = x.detach()
    value = require_like(function(hidden), x, "function", function)
    if isinstance(derivative, Pointwise):
        if is_exporting():
            return _spelled_out(value, x, partial(_slope, settled(derivative, numbers)))
        if torch.compiler.is_compiling():
            return _graft(value, x, _slope(settled(derivative, numbers), x))
        return _apply(_PointwiseReport, value, x, derivative, numbers)
    if is_exporting():
        raise RuntimeError(
            f"{derivative!r} depends on the upstream gradient, which torch.export can't represent: "
            "export the function by itself, or use a pointwise derivative"
        )
    if torch.compiler.is_compiling():
        if derivative.sign_dependent and derivative.elementwise is not False:
            rule, ones = partial(_rule, settled(derivative, numbers), x), torch.ones_like(x)
            return _graft_by_sign(value, x, rule(ones), rule(-ones))
        return _UpstreamRule.apply(_without_forward_mode(x), value, derivative, *numbers)
    return _apply(_UpstreamReport, value, x, derivative, numbers)


def _slope(derivative: Pointwise, x: Tensor) -> Tensor:
    return evaluate(derivative.slope, x, blocks=bool(derivative.elementwise))


def _rule(derivative: Derivative, x: Tensor, grad_output: Tensor) -> Tensor:
    return evaluate(derivative.rule, x, grad_output, blocks=bool(derivative.elementwise))


class _Held:
    """A value that is hidden from autograd, so that it can be returned without a copy."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def _apply(
    rule: type[Function],
    value: Tensor,
    x: Tensor,
    derivative: Derivative,
    numbers: Sequence[Tensor],
) -> Tensor:
    if is_transformed() or value.requires_grad:
        return rule.apply(x, value, derivative, *numbers)
    if not (x.requires_grad and torch.is_grad_enabled()):
        return value
    # A function that returns its own input would make input and output one tensor.
    shared = torch._C._is_alias_of(value, x)  # pyright: ignore[reportAttributeAccessIssue]
    return rule.apply(x, _Held(value.clone() if shared else value), derivative, *numbers)


class _Report(Function):
    """The value goes forward; backward is for the subclass, which says what to keep for it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, value: Tensor | _Held, derivative: Derivative, *numbers: Tensor
    ) -> Tensor:
        # Returned as it is, a tensor argument would make the output a view of it.
        return value.tensor if isinstance(value, _Held) else value.clone()


class _PointwiseReport(_Report):
    """grad_input = grad_output · slope(x)."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, _, ctx.derivative, *numbers = inputs
        ctx.dtype = x.dtype
        kept = settled(ctx.derivative, numbers).keep(x)
        ctx.save_for_backward(kept, *numbers)
        ctx.save_for_forward(kept, *numbers)

    @staticmethod
    def slope(ctx: Any) -> Tensor | float:
        kept, *numbers = ctx.saved_tensors
        derivative = settled(ctx.derivative, numbers)
        if kept is None or not kept.is_floating_point():
            slope = derivative.slope_from_kept(kept)
            return slope.to(ctx.dtype) if isinstance(slope, Tensor) else slope
        blocks = not numbers and bool(derivative.elementwise)
        return evaluate(derivative.slope_from_kept, kept, blocks=blocks)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        of_x, of_value, *others = ctx.needs_input_grad
        return (
            _scaled(grad_output, _PointwiseReport.slope(ctx)) if of_x else None,
            grad_output if of_value else None,
            *(None for _ in others),
        )

    @staticmethod
    def jvp(ctx: Any, x_tangent: Tensor | None, value_tangent: Tensor | None, *_: Any) -> Tensor:
        return _sum_of_tangents(x_tangent, _PointwiseReport.slope(ctx), value_tangent)


def _scaled(gradient: Tensor, slope: Tensor | float) -> Tensor:
    return gradient if isinstance(slope, float) and slope == 1 else gradient * slope


def _sum_of_tangents(
    x_tangent: Tensor | None, slope: Tensor | float, value_tangent: Tensor | None
) -> Tensor:
    if x_tangent is None:
        assert value_tangent is not None
        return value_tangent.clone()
    tangent = x_tangent * slope
    return tangent if value_tangent is None else tangent + value_tangent


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


def no_forward_mode(derivative: str) -> RuntimeError:
    """The error for a forward-mode derivative that does not exist."""
    return RuntimeError(
        f"{derivative} depends on the upstream gradient, which forward mode (jvp, jacfwd, hessian) "
        "does not have: there is no such derivative. Use reverse mode (grad, vjp, jacrev), or a "
        "pointwise derivative"
    )


class _ReverseModeOnly(Function):
    """The identity, for torch.compile, which would replace a missing forward mode by the truth."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Tensor:
        return grad_output

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        raise no_forward_mode("This derivative")


@torch.compiler.allow_in_graph
def _without_forward_mode(x: Tensor) -> Tensor:
    return _ReverseModeOnly.apply(x)


class _Graft(Function):
    """value, with the slope grafted on: what torch.compile sees of a pointwise report."""

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, x: Tensor, slope: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])
        ctx.save_for_forward(inputs[2])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        (slope,) = ctx.saved_tensors
        return grad_output, grad_output * slope, None

    @staticmethod
    def jvp(
        ctx: Any, value_tangent: Tensor | None, x_tangent: Tensor | None, _: Tensor | None
    ) -> Tensor:
        (slope,) = ctx.saved_tensors
        return _sum_of_tangents(x_tangent, slope, value_tangent)


@torch.compiler.allow_in_graph
def _graft(value: Tensor, x: Tensor, slope: Tensor) -> Tensor:
    return _Graft.apply(value, x, slope)


class _GraftBySign(Function):
    """The same for a rule that is linear on each side of grad_output = 0.

    It is known by what it makes of the upstream gradients 1 and −1.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(value: Tensor, x: Tensor, of_one: Tensor, of_minus_one: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        of_one, of_minus_one = ctx.saved_tensors
        positive = grad_output > 0
        of_x = torch.where(positive, grad_output * of_one, -grad_output * of_minus_one)
        return grad_output, of_x, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        raise no_forward_mode("This derivative")


@torch.compiler.allow_in_graph
def _graft_by_sign(value: Tensor, x: Tensor, of_one: Tensor, of_minus_one: Tensor) -> Tensor:
    return _GraftBySign.apply(value, x, of_one, of_minus_one)


def _spelled_out(value: Tensor, x: Tensor, slope: Elementwise) -> Tensor:
    """The same in ordinary operators, for torch.export; right to second order.

    The factor that is 0 has the derivative 1 in x. Where x is infinite, ∞ − ∞ would be NaN: the
    slope is 0 there for good.
    """
    x = x.masked_fill(x.detach().isinf(), 0)
    hidden = x.detach()
    return value + (x - hidden) * (0.5 * (slope(x) + slope(hidden)))
