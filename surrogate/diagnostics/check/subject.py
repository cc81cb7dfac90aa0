"""What is checked, and what it says that its derivative is."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor, nn

from surrogate.core.drawn import Drawn
from surrogate.core.messages import name_of
from surrogate.core.numbers import Learnable
from surrogate.core.parts import rebuilt
from surrogate.functions.base import Function
from surrogate.pair import SurrogateActivation, named_pairs

Rule = Callable[[Tensor, Tensor], Tensor]  # (x, grad_output) → grad_input

# d/dx, of fourth order in the step.
STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
STEP = 1e-3

POINTS = 32


class NotApplicableError(Exception):
    """There is nothing to compare with, or nothing to run on."""


@dataclass(frozen=True)
class Subject:
    """A module in one dtype, in evaluation mode, with the definition of its derivative.

    The definition of a pair is its derivative's own rule. That of any other module is the
    reference, or else what eager backward reports. It is evaluated in float64, of the same
    (rounded) inputs.

    Args:
        module: a copy of what was given, with one fixed number in place of each that is drawn in
            evaluation too, and in place of each learned tensor.
        original: the same without these changes.
        dtype: of inputs and parameters.
        reference: (x, grad_output) → grad_input, for what is not a pair.
    """

    module: nn.Module
    original: nn.Module
    dtype: torch.dtype
    reference: Rule | None = None

    @classmethod
    def of(
        cls, given: Callable[[Tensor], Tensor], dtype: torch.dtype, reference: Rule | None
    ) -> Subject:
        """A copy of what was given, so that the caller's own keeps its dtype and mode."""
        original = given if isinstance(given, nn.Module) else _Call(given)
        if _has_state(original):
            original = copy.deepcopy(original).to(dtype)
        elif original.training:
            original = copy.deepcopy(original)
        return cls(_with_single_numbers(original.eval()), original, dtype, reference)

    @property
    def upstream_dependent(self) -> bool:
        """Whether there is no derivative but for a given upstream gradient."""
        return isinstance(self.module, SurrogateActivation) and not self.module._bound.linear

    @cached_property
    def by_tensor(self) -> bool:
        """Whether what is computed or reported for an element depends on the others.

        Where nothing is known of a callable, the first element of an input is changed.
        """
        if isinstance(self.module, SurrogateActivation):
            function = self.module.function
            known = (
                function.elementwise if isinstance(function, Function) else None,
                self.module._bound.elementwise,
            )
            if False in known or None not in known:
                return False in known
        rest = []
        for first in (-1.0, 4.0, -9.0):
            x = torch.linspace(-1.5, 2.5, POINTS, dtype=self.dtype)
            upstream = torch.linspace(2.0, 1.0, POINTS, dtype=self.dtype)
            x[0] = upstream[0] = first
            try:
                value = self.module(x.clone()).detach()
                rest.append(torch.stack([value, backward(self.module, x, upstream)])[:, 1:])
            except Exception:  # the rows tell what it raises
                return False
        return any(not torch.equal(rest[0].nan_to_num(), each.nan_to_num()) for each in rest)

    def value(self, x: Tensor) -> Tensor:
        """What is computed, without any derivative in the way."""
        function = self.module if x.dtype == self.dtype else self.in_double()
        if isinstance(function, SurrogateActivation):
            function = function.function
        with torch.no_grad():
            return function(x.clone())

    def derivative(self, x: Tensor, upstream: Tensor, order: int = 1) -> Tensor:
        """d/dx of that order, times the upstream gradient, in float64.

        Raises:
            NotApplicableError: the order is above 2, and the definition has no formula.
        """
        x, upstream = x.detach().double(), upstream.detach().double()
        rule = self.reference or getattr(self.in_double(), "reported_gradient", None)
        if rule is None:  # it is no pair
            return self._reported(x, upstream, order)
        x.requires_grad_()
        result = rule(x, upstream)
        for _ in range(order - 1):
            result = differentiated(result, x)
        return result.detach()

    def tangent(self, x: Tensor, tangent: Tensor) -> Tensor:
        """How the value moves with x along a tangent, in float64; for what is linear."""
        if not self.by_tensor:
            return self.derivative(x, tangent)
        rows = [self.derivative(x, unit) for unit in torch.eye(len(x), dtype=x.dtype)]
        return torch.stack(rows) @ tangent.double()

    def by_sample(self, x: Tensor, upstream: Tensor) -> Tensor:
        """The derivative of each row of x by itself, times the upstream gradient."""
        rows = zip(x, upstream, strict=True)
        return torch.stack([self.derivative(each, of_row) for each, of_row in rows])

    def _reported(self, x: Tensor, upstream: Tensor, order: int) -> Tensor:
        """By eager backward, and by differences of it."""
        if order > 2:
            raise NotApplicableError("a module has no definition of third order; give reference=")
        if order == 2:
            return sum(
                (w / STEP * self._reported(x + k * STEP, upstream, 1) for k, w in STENCIL),
                torch.zeros_like(x),
            )
        try:
            return backward(self.in_double(), x, upstream)
        except (RuntimeError, TypeError):  # it refuses float64
            return backward(self.module, x.float(), upstream.float()).double()

    def in_double(self) -> nn.Module:
        """The module in float64."""
        return copy.deepcopy(self.module).double() if _has_state(self.module) else self.module


def require_by_element(subject: Subject) -> None:
    """Raise NotApplicableError unless each element can be looked at by itself."""
    if subject.by_tensor:
        raise NotApplicableError("an element's value or derivative depends on the other elements")


def _with_single_numbers(module: nn.Module) -> nn.Module:
    """A copy whose numbers are the same for all elements and in all calls, if some are not."""

    @cache  # a number may be in several places
    def change(number: Any) -> Any:
        if isinstance(number, Drawn) and number.in_eval == "draw":
            return dataclasses.replace(number, in_eval="mean")
        if isinstance(number, Learnable) and number.value.numel() > 1:
            mean = number.current().detach().mean().item()
            return Learnable(mean, number.positive).to(number.value.dtype)
        return number

    changed = module
    for name in named_pairs(module):
        pair = changed.get_submodule(name)
        assert isinstance(pair, SurrogateActivation)
        function, derivative = rebuilt(pair.function, change), rebuilt(pair.derivative, change)
        if function is not pair.function or derivative is not pair.derivative:
            if changed is module:
                changed = copy.deepcopy(module)
            changed.get_submodule(name).assemble(function, derivative)  # type: ignore[operator]
    return changed


def _has_state(module: nn.Module) -> bool:
    return any(True for _ in (*module.parameters(), *module.buffers()))


class _Call(nn.Module):
    """A callable as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)

    def __repr__(self) -> str:
        return name_of(self.function)


@contextmanager
def compiling(function: Callable[..., Tensor], **options: Any) -> Iterator[Any]:
    """The compiled function; then all that was compiled is forgotten, as torch limits how often
    the same lines are compiled anew."""
    try:
        yield torch.compile(function, **options)
    finally:
        torch.compiler.reset()


def backward(function: Callable[[Tensor], Tensor], x: Tensor, upstream: Tensor) -> Tensor:
    """Reverse mode, as training does it.

    Where no gradient comes back it is 0: in a network that goes unnoticed, as other parameters
    still get theirs.
    """
    x = x.detach().requires_grad_()
    y = function(x)
    if not y.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(
        y, x, upstream.to(y.dtype), allow_unused=True, materialize_grads=True
    )
    return gradient


def differentiated(result: Tensor, x: Tensor) -> Tensor:
    """d/dx of an elementwise result; 0 where autograd sees a constant."""
    if not result.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(
        result.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient
