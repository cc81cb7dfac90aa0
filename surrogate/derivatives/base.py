"""The two kinds of derivative, and how they combine.

*Pointwise*: grad_input = grad_output · slope(x). Linear in the upstream gradient, so forward mode
exists and every transform of torch can be honoured.

*Upstream-dependent*: grad_input = rule(x, grad_output), not linear in grad_output. It has no
forward mode; asking for one raises an error.
"""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

from torch import Tensor

from surrogate.describe import Described, name_of, require_number
from surrogate.evaluation import require_like
from surrogate.functions.base import Elementwise, Function
from surrogate.registry import Registry

derivatives: Registry[type] = Registry("derivative")


class Derivative(Described, ABC):
    """What a pair reports as its derivative. Subclass `Pointwise` or `UpstreamDependent`.

    It is `sign_dependent` if it is linear in the upstream gradient on each side of 0:
    rule(x, c · g) = c · rule(x, g) for c > 0. It is `elementwise` if what it reports for an element
    depends on that element alone: large tensors are then evaluated block by block.
    """

    sign_dependent = False

    @property
    def elementwise(self) -> bool:
        """Whether all of its parts are. Nothing is known of a callable that is not ours."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return all(_is_elementwise(getattr(self, field.name)) for field in fields)

    @abstractmethod
    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """The reported grad_input."""

    def bind(self, function: Elementwise) -> Derivative:
        """This derivative for a pair with the given function; parts are bound in turn."""
        return self._with_parts(lambda part: part.bind(function))

    def _with_parts(self, change: Callable[[Derivative], Derivative]) -> Self:
        parts = {
            field.name: change(part)
            for field in dataclasses.fields(self)  # type: ignore[arg-type]
            if isinstance(part := getattr(self, field.name), Derivative)
        }
        return dataclasses.replace(self, **parts) if parts else self  # type: ignore[type-var]

    def __add__(self, other: Derivative) -> Derivative:
        if not isinstance(other, Derivative):
            return NotImplemented
        if isinstance(self, Pointwise) and isinstance(other, Pointwise):
            return Sum(self, other)
        return UpstreamSum(self, other)

    def __mul__(self, factor: float) -> Derivative:
        if isinstance(factor, bool) or not isinstance(factor, (int, float)):
            return NotImplemented
        multiple = Multiple if isinstance(self, Pointwise) else UpstreamMultiple
        return multiple(factor, self)  # type: ignore[arg-type]

    __rmul__ = __mul__


def _is_elementwise(part: object) -> bool:
    if isinstance(part, Derivative):
        return part.elementwise
    return isinstance(part, Function) or not callable(part)


class Pointwise(Derivative):
    """grad_input = grad_output · slope(x).

    A subclass is a frozen dataclass with a `slope` method that holds the formula. What it needs of
    x in the backward pass is x itself, unless it overrides `keep` and `slope_from_kept`; one that
    `keeps_nothing` ignores what the latter is given.
    """

    sign_dependent = True
    keeps_nothing = False

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """The reported derivative at x, of the same shape and dtype."""

    def keep(self, x: Tensor) -> Tensor | None:
        """What is kept of x for the backward pass: one tensor, or nothing."""
        return x

    def slope_from_kept(self, kept: Any) -> Tensor | float:
        """The slope from what was kept."""
        return self.slope(kept)

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return grad_output * self.slope(x)


class UpstreamDependent(Derivative):
    """grad_input = rule(x, grad_output), not linear in grad_output.

    A subclass is a frozen dataclass with a `rule` method; float16 and bfloat16 come as float32. One
    that is `sign_dependent` should say so: then every transform under torch.compile can follow.
    """


class _Addition(Derivative):
    """What both kinds of sum share."""

    left: Any
    right: Any

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return self.left.rule(x, grad_output) + self.right.rule(x, grad_output)

    def __repr__(self) -> str:
        right = f"({self.right!r})" if isinstance(self.right, _Addition) else repr(self.right)
        return f"{self.left!r} + {right}"


class _Multiplication(Derivative):
    """What both kinds of multiple share."""

    factor: float
    derivative: Any

    def __post_init__(self) -> None:
        require_number(self, "factor")

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return self.factor * self.derivative.rule(x, grad_output)

    def __repr__(self) -> str:
        compound = isinstance(self.derivative, (_Addition, _Multiplication))
        part = f"({self.derivative!r})" if compound else repr(self.derivative)
        return f"{self.factor!r} * {part}"


@dataclass(frozen=True, repr=False)
class Sum(Pointwise, _Addition):
    """left + right: slope(x) = left.slope(x) + right.slope(x)."""

    left: Pointwise
    right: Pointwise

    def slope(self, x: Tensor) -> Tensor:
        return self.left.slope(x) + self.right.slope(x)

    @property
    def keeps_nothing(self) -> bool:  # type: ignore[override]
        return self.left.keeps_nothing and self.right.keeps_nothing

    def keep(self, x: Tensor) -> Tensor | None:
        if self.left.keeps_nothing:
            return self.right.keep(x)
        return self.left.keep(x) if self.right.keeps_nothing else x

    def slope_from_kept(self, kept: Any) -> Tensor | float:
        if self.left.keeps_nothing or self.right.keeps_nothing:
            return self.left.slope_from_kept(kept) + self.right.slope_from_kept(kept)
        return self.slope(kept)


@dataclass(frozen=True, repr=False)
class UpstreamSum(_Addition, UpstreamDependent):
    """left + right where one of them is upstream-dependent: their rules are added."""

    left: Derivative
    right: Derivative

    @property
    def sign_dependent(self) -> bool:  # type: ignore[override]
        return self.left.sign_dependent and self.right.sign_dependent


@dataclass(frozen=True, repr=False)
class Multiple(Pointwise, _Multiplication):
    """factor · derivative: slope(x) = factor · derivative.slope(x)."""

    factor: float
    derivative: Pointwise

    def slope(self, x: Tensor) -> Tensor:
        return self.factor * self.derivative.slope(x)

    def keep(self, x: Tensor) -> Tensor | None:
        return self.derivative.keep(x)

    def slope_from_kept(self, kept: Any) -> Tensor | float:
        return self.factor * self.derivative.slope_from_kept(kept)

    @property
    def keeps_nothing(self) -> bool:  # type: ignore[override]
        return self.derivative.keeps_nothing


@dataclass(frozen=True, repr=False)
class UpstreamMultiple(_Multiplication, UpstreamDependent):
    """factor · derivative of an upstream-dependent derivative."""

    factor: float
    derivative: UpstreamDependent

    @property
    def sign_dependent(self) -> bool:  # type: ignore[override]
        return self.derivative.sign_dependent


@dataclass(frozen=True, repr=False)
class Slope(Pointwise):
    """A user's slope, given as a callable of x."""

    formula: Elementwise

    def slope(self, x: Tensor) -> Tensor:
        return require_like(self.formula(x), x, "derivative", self.formula)

    def __repr__(self) -> str:
        return name_of(self.formula)


@dataclass(frozen=True, repr=False)
class Rule(UpstreamDependent):
    """A user's rule, given as a callable of (x, grad_output)."""

    formula: Callable[[Tensor, Tensor], Tensor]

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return require_like(self.formula(x, grad_output), x, "derivative", self.formula)

    def __repr__(self) -> str:
        return name_of(self.formula)


def as_derivative(given: object, name: str = "derivative") -> Derivative:
    """A derivative as it is; a callable of x as pointwise; one of (x, grad_output) as a rule.

    Raises:
        TypeError: it is none of these; the message names the argument.
    """
    if isinstance(given, Derivative):
        return given
    if isinstance(given, type) or not callable(given):
        raise TypeError(
            f"{name} must be a derivative, a callable of x, or one of (x, grad_output), "
            f"got {name_of(given)}"
        )
    needed = _required_arguments(given)
    if needed in (None, 1):
        return Slope(cast(Elementwise, given))
    if needed == 2:
        return Rule(cast(Callable[[Tensor, Tensor], Tensor], given))
    raise TypeError(
        f"{name} must be a callable of x or of (x, grad_output), "
        f"but {name_of(given)} takes {needed} arguments"
    )


def as_pointwise(given: object, name: str) -> Pointwise:
    """A pointwise derivative as it is, or a callable of x as one.

    Raises:
        TypeError: it is neither; the message names the argument.
    """
    derivative = as_derivative(given, name)
    if not isinstance(derivative, Pointwise):
        raise TypeError(
            f"{name} must be a pointwise derivative or a callable of x, got {name_of(given)}"
        )
    return derivative


def _required_arguments(given: Callable[..., object]) -> int | None:
    """How many positional arguments a callable needs; None if that can't be known."""
    try:
        signature = inspect.signature(getattr(given, "forward", given))
    except ValueError:  # a built-in, such as torch.tanh
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind in positional]
    if not parameters and any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return None
    return sum(p.default is p.empty for p in parameters) or min(len(parameters), 1)
