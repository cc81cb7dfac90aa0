"""What is checked, and what it says that its derivative is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from surrogate.core.messages import name_of
from surrogate.core.numbers import as_of_now
from surrogate.derivatives.base import UpstreamDependent
from surrogate.pair import SurrogateActivation

Rule = Callable[[Tensor, Tensor], Tensor]  # (x, grad_output) → grad_input

STENCIL = (
    (-2, 1 / 12),
    (-1, -2 / 3),
    (1, 2 / 3),
    (2, -1 / 12),
)  # d/dx, of fourth order in the step
STEP = 1e-3


class NotApplicableError(Exception):
    """There is nothing to compare with, or nothing to run on."""


@dataclass(frozen=True)
class Subject:
    """A module in one dtype, in evaluation mode, with the definition of its derivative.

    The definition of a pair is its derivative's own rule. That of any other module is the
    reference, or else what eager backward reports. It is evaluated in float64, of the same
    (rounded) inputs.
    """

    module: nn.Module
    dtype: torch.dtype
    reference: Rule | None = None

    @classmethod
    def of(
        cls, given: Callable[[Tensor], Tensor], dtype: torch.dtype, reference: Rule | None
    ) -> Subject:
        """A copy of what was given, so that the caller's own keeps its dtype and mode."""
        module = given if isinstance(given, nn.Module) else _Call(given)
        if _has_state(module):
            module = copy.deepcopy(module).to(dtype)
        elif module.training:
            module = copy.deepcopy(module)
        return cls(module.eval(), dtype, reference)

    @property
    def is_pair(self) -> bool:
        return isinstance(self.module, SurrogateActivation)

    @property
    def upstream_dependent(self) -> bool:
        """Whether there is no derivative but for a given upstream gradient."""
        return isinstance(self.module, SurrogateActivation) and isinstance(
            self.module.derivative, UpstreamDependent
        )

    @property
    def by_tensor(self) -> bool:
        """Whether what is computed or reported for an element depends on the others."""
        return isinstance(self.module, SurrogateActivation) and False in (
            getattr(self.module.function, "elementwise", None),
            self.module.derivative.elementwise,
        )

    def value(self, x: Tensor) -> Tensor:
        """What is computed, without any derivative in the way."""
        function = self.module if x.dtype == self.dtype else self._in_double()
        if isinstance(function, SurrogateActivation):
            function = function.function
        with torch.no_grad():
            return function(x)

    def derivative(self, x: Tensor, upstream: Tensor, order: int = 1) -> Tensor:
        """d/dx of that order, times the upstream gradient, in float64.

        Raises:
            NotApplicableError: the order is above 2, and the definition has no formula.
        """
        x, upstream = x.detach().double(), upstream.detach().double()
        rule = self._rule()
        if rule is None:
            return self._reported(x, upstream, order)
        x.requires_grad_()
        result = rule(x, upstream)
        for _ in range(order - 1):
            result = differentiated(result, x)
        return result.detach()

    def _rule(self) -> Rule | None:
        if self.reference is not None:
            return self.reference
        module = self._in_double()
        if not isinstance(module, SurrogateActivation):
            return None
        return as_of_now(module.derivative.bind(module.function)).rule

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
            return backward(self._in_double(), x, upstream)
        except (RuntimeError, TypeError):  # it refuses float64
            return backward(self.module, x.float(), upstream.float()).double()

    def _in_double(self) -> nn.Module:
        return copy.deepcopy(self.module).double() if _has_state(self.module) else self.module


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
