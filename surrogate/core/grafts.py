"""What `torch.compile` sees of a report: the slope as an ordinary tensor, grafted on to the value.

A graft is one opaque node of the graph. Whatever the slope keeps for the backward pass is then for
the compiler to choose.
"""

# torch's stubs give backward and jvp one argument.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from surrogate.core.report import no_forward_mode, sum_of_tangents


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
def without_forward_mode(x: Tensor) -> Tensor:
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
        of_x = None if x_tangent is None else x_tangent * slope
        return sum_of_tangents(of_x, value_tangent)


@torch.compiler.allow_in_graph
def graft(value: Tensor, x: Tensor, slope: Tensor) -> Tensor:
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
def graft_by_sign(value: Tensor, x: Tensor, of_one: Tensor, of_minus_one: Tensor) -> Tensor:
    return _GraftBySign.apply(value, x, of_one, of_minus_one)
