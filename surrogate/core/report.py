"""The autograd rule: the value of the function, the gradient of the derivative.

One autograd Function, `Report`, hands a value on and pulls the upstream gradient back by a `Rule`.
It serves eager mode, double backward, `torch.func`, forward mode and checkpointing, and is one
opaque node under `torch.compile`. For `torch.export` the rule is spelled out in operators.
"""

# torch's stubs give backward and jvp one argument.
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import Function

from surrogate.core.evaluate import evaluate, in_own_dtype
from surrogate.core.parts import is_ours, text_of, varying_numbers, with_tensors
from surrogate.core.torch_private import (
    is_exporting,
    is_forward_mode,
    is_plain,
    is_transformed,
    register_constant,
    shares_memory,
)

if TYPE_CHECKING:
    from surrogate.derivatives.base import Derivative

Tensors = Sequence[Tensor]


class Rule:
    """How the upstream gradient is pulled back: a derivative that is bound to its function. Not a
    dataclass: torch.compile takes its instances for constants, frozen dataclasses apart."""

    def __init__(self, derivative: Derivative, pair: tuple[object, object]) -> None:
        self.derivative = derivative
        self.pair = pair  # for messages: the function, and the derivative as it was given
        self.numbers = varying_numbers(derivative)
        self.blockwise = bool(derivative.elementwise) and not self.numbers
        self.ours = is_ours(derivative)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self.derivative == other.derivative

    def __hash__(self) -> int:
        return hash(self.derivative)

    def __str__(self) -> str:
        return " / ".join(map(text_of, self.pair))

    def with_numbers(self, tensors: Sequence[Any]) -> Derivative:
        """The derivative with tensors in place of its varying numbers."""
        return with_tensors(self.derivative, dict(zip(self.numbers, tensors, strict=True)))

    def save(self, at: Tensor, *numbers: Tensor) -> tuple[Tensor | None, ...]:
        """What the backward pass needs of the place `at`, and the numbers."""
        derivative = self.with_numbers(numbers) if numbers else self.derivative
        return (derivative.save(at), *numbers)

    def pull(self, saved: Sequence[Tensor | None], grad_output: Tensor) -> Tensor:
        """The reported grad_input."""
        kept, *numbers = saved
        derivative = self.with_numbers(numbers) if numbers else self.derivative
        try:
            if kept is None:
                return derivative.pull(None, grad_output).to(grad_output.dtype)
            return evaluate(derivative.pull, kept, grad_output, elementwise=self.blockwise)
        except Exception as error:
            error.add_note(f"(in the backward pass of {self})")
            raise

    def push(self, saved: Sequence[Tensor | None], tangent: Tensor) -> Tensor:
        """The tangent of the output, for forward mode: the transpose of `pull`."""
        if not self.derivative.linear:
            raise no_forward_mode(self)
        if self.derivative.pointwise:
            return self.pull(saved, tangent)
        _, transpose, *_ = torch.func.vjp(lambda g: self.pull(saved, g), torch.zeros_like(tangent))
        return transpose(tangent)[0]


class Slope:
    """The rule of a slope that is known as a tensor, which the compiler may save or recompute."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slope)

    def __hash__(self) -> int:
        return 0

    def save(self, slope: Tensor) -> tuple[Tensor]:
        return (slope,)

    def pull(self, saved: tuple[Tensor], grad_output: Tensor) -> Tensor:
        return grad_output * saved[0]

    push = pull


SLOPE = Slope()
for kind in (Rule, Slope):  # when it is imported, as a trace that is under way would not see it
    register_constant(kind)


class Report(Function):
    """The value goes forward; backward, grad_output is pulled back to `to`. What the rule saves of
    the tensors gets no gradient, but second order sees it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(to: Tensor, value: Tensor, rule: Rule, *tensors: Tensor) -> Tensor:
        return value.clone()  # as it is, an argument would make the output a view of it

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, _, ctx.rule, *tensors = inputs
        saved = ctx.rule.save(*tensors)
        ctx.save_for_backward(*saved)
        ctx.save_for_forward(*saved)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        to_needs, value_needs, *others = ctx.needs_input_grad
        return (
            ctx.rule.pull(ctx.saved_tensors, grad_output) if to_needs else None,
            grad_output if value_needs else None,
            *[None] * len(others),
        )

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None, value_tangent: Tensor | None, *_: Any) -> Tensor:
        pushed = None if tangent is None else ctx.rule.push(ctx.saved_tensors, tangent)
        given = [each for each in (pushed, value_tangent) if each is not None]
        return given[0].clone() if len(given) == 1 else given[0] + given[1]


class Plain(Report):
    """For eager mode, where nothing in the value gets a gradient: it comes in a tuple, in which
    autograd does not look for it, and so need not be copied."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, to: Tensor, value: tuple[Tensor], rule: Rule, *tensors: Tensor
    ) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward(*rule.save(*tensors))
        return value[0]

    setup_context = staticmethod(Function.setup_context)


class Traced(Report):
    """For torch.compile, of a rule with a user's callable: what that captures is guarded, so that
    the code is compiled anew when it changes. A Function with a forward mode is not looked into."""

    jvp = staticmethod(Function.jvp)  # type: ignore[assignment]


def report(to: Tensor, at: Tensor, value: Tensor, rule: Rule, numbers: Tensors = ()) -> Tensor:
    """The value, which reports to `to` what the rule makes of the upstream gradient at `at`.

    What autograd sees in the value keeps its true gradient. `numbers` are for the rule's numbers.
    """
    if not is_plain():
        if is_exporting():
            return _spelled_out(to, at, value, rule, numbers)
        if torch.compiler.is_compiling():
            return _in_graph(to, at, value, rule, numbers)
        return Report.apply(to, value, rule, at, *numbers)
    if value.requires_grad:
        return Report.apply(to, value, rule, at, *numbers)
    if shares_memory(value, at):
        value = value.clone()
    if not (to.requires_grad and torch.is_grad_enabled()):
        return value
    return Plain.apply(to, (value,), rule, at, *numbers)


def _in_graph(to: Tensor, at: Tensor, value: Tensor, rule: Rule, numbers: Tensors) -> Tensor:
    """For torch.compile: one opaque node, to which a slope comes as an ordinary tensor."""
    from surrogate.core.opaque import opaque_report

    derivative = rule.with_numbers(numbers)
    if derivative.pointwise and derivative.saves != "nothing":
        return opaque_report(to, value, SLOPE, in_own_dtype(derivative.slope, at))
    if is_forward_mode() and not derivative.linear:
        raise no_forward_mode(rule)
    if rule.ours:
        return opaque_report(to, value, rule, at, *numbers)
    if is_transformed():
        raise RuntimeError(
            f"{rule} has code of yours, of which torch.compile loses vmap, forward mode and "
            "second order in silence: use the transforms of torch.func eagerly, or backward()"
        )
    return Traced.apply(to.view_as(to), value, rule, at, *numbers)


def _spelled_out(to: Tensor, at: Tensor, value: Tensor, rule: Rule, numbers: Tensors) -> Tensor:
    """In ordinary operators, for torch.export; right to second order, as to − to.detach() is 0 with
    the derivative 1. Where that would be ∞ − ∞, 0 is reported."""
    derivative = rule.with_numbers(numbers)
    if not derivative.pointwise:
        raise RuntimeError(
            f"{rule} depends on the upstream gradient, or on a callable of yours, which "
            "torch.export can't represent: use a pointwise derivative"
        )
    to, at = (each.masked_fill(each.detach().isinf(), 0) for each in (to, at))
    slopes = (in_own_dtype(derivative.slope, place) for place in (at, at.detach()))
    return value + (to - to.detach()) * (0.5 * sum(slopes))


def no_forward_mode(rule: Rule) -> RuntimeError:
    """The error for a forward-mode derivative that does not exist."""
    reason = "depends on the upstream gradient, which forward mode (jvp, jacfwd) does not have"
    return RuntimeError(f"{rule} {reason}: use reverse mode (grad, vjp, jacrev)")
