"""The two kinds of derivative.

*Pointwise*: grad_input = grad_output · slope(x). Linear in the upstream gradient, so forward mode
exists and every transform of torch can be honoured.

*Upstream-dependent*: grad_input = rule(x, grad_output), not linear in grad_output. It has no
forward mode; asking for one raises an error.

How they combine is in `algebra`.
"""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor

from surrogate.core.evaluate import require_like
from surrogate.core.messages import Described, given_name, name_of
from surrogate.core.numbers import Number, Varying
from surrogate.functions.base import Elementwise, Function
from surrogate.registry import Registry

__all__ = ["Derivative", "Pointwise", "UpstreamDependent", "derivatives"]

Keeps = Literal["x", "mask", "nothing"]

derivatives: Registry[type] = Registry("derivative")


class Derivative(Described, ABC):
    """What a pair reports as its derivative. Subclass `Pointwise` or `UpstreamDependent`.

    It is `sign_dependent` if it is linear in the upstream gradient on each side of 0:
    rule(x, c · g) = c · rule(x, g) for c > 0. It is `elementwise` if what it reports for an element
    depends on that element alone: large tensors are then evaluated block by block. It is an
    `estimate` if it is one of another derivative, by samples.
    """

    sign_dependent = False
    estimate = False

    @property
    def elementwise(self) -> bool | None:
        """Whether all of its parts are; None if nothing is known: of a callable that isn't ours."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        known = [_is_elementwise(getattr(self, field.name)) for field in fields]
        return False if False in known else None if None in known else True

    @abstractmethod
    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """The reported grad_input."""

    def bind(self, function: Elementwise) -> Derivative:
        """This derivative for a pair with the given function; parts are bound in turn."""
        parts = {name: part.bind(function) for name, part in self.parts().items()}
        return dataclasses.replace(self, **parts) if parts else self  # type: ignore[type-var]

    def parts(self) -> dict[str, Derivative]:
        """The derivatives that this one is made of, by field."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: part for name, part in fields.items() if isinstance(part, Derivative)}

    def __add__(self, other: Derivative) -> Derivative:
        """left.slope + right.slope, or their rules added."""
        if not isinstance(other, Derivative):
            return NotImplemented
        return _algebra().sum_of(self, other)

    def __mul__(self, other: Derivative | Number) -> Derivative:
        """A multiple by a number, or the product of two slopes (or a rule and a slope)."""
        if isinstance(other, bool) or not isinstance(other, (Derivative, int, float, Varying)):
            return NotImplemented
        if isinstance(other, Derivative):
            return _algebra().product_of(self, other)
        return _algebra().multiple_of(other, self)

    __rmul__ = __mul__

    def __neg__(self) -> Derivative:
        return -1 * self

    def __sub__(self, other: Derivative) -> Derivative:
        return self + -1 * other if isinstance(other, Derivative) else NotImplemented


def _is_elementwise(part: object) -> bool | None:
    if isinstance(part, (Derivative, Function)):
        return part.elementwise
    return None if callable(part) else True


class Pointwise(Derivative):
    """grad_input = grad_output · slope(x).

    A subclass is a frozen dataclass with a `slope` method that holds the formula. What it needs of
    x in the backward pass is x itself, unless it overrides `keep` and `slope_from_kept`, and says
    so in `keeps`: "x", "mask" (one byte for each element) or "nothing". What keeps nothing ignores
    what it is given.

    A shape that has a finite `area` (∫ slope) or `peak` (max |slope|, or the slope there with its
    sign) in closed form states them, for `normalise`.
    """

    sign_dependent = True
    keeps: Keeps = "x"
    area: Any = None
    peak: Any = None

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """The reported derivative at x, of the same shape and dtype."""

    def keep(self, x: Tensor) -> Tensor | None:
        """What is kept of x for the backward pass: one tensor, or nothing."""
        return x

    def slope_from_kept(self, kept: Any) -> Tensor | float:
        """The slope from what was kept."""
        return self.slope(kept)

    def passed_on(self, grad_output: Tensor, kept: Any) -> Tensor:
        """grad_output · slope, from what was kept, which is something."""
        slope: Any = self.slope_from_kept(kept)
        return grad_output * slope.to(grad_output.dtype)

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return grad_output * self.slope(x)

    def clip(self, low: float | None = None, high: float | None = None) -> Pointwise:
        """slope(x) cut off at low and high."""
        return _algebra().Clip(self, low, high)

    def shift(self, distance: Number) -> Pointwise:
        """slope(x − distance): the same further right."""
        return _algebra().Shift(self, distance)

    def scale(self, width: Number) -> Pointwise:
        """slope(x / width): the same, that much wider and as high."""
        return _algebra().Scale(self, width)

    def mirror(self) -> Pointwise:
        """slope(−x)."""
        return _algebra().Mirror(self)

    def normalise(self, measure: str) -> Pointwise:
        """The multiple of it whose area ∫ slope ("area") or maximum of |slope| ("peak") is 1."""
        return _algebra().Normalise(self, measure)


class UpstreamDependent(Derivative):
    """grad_input = rule(x, grad_output), not linear in grad_output.

    A subclass is a frozen dataclass with a `rule` method; float16 and bfloat16 come as float32. One
    that is `sign_dependent` should say so: then every transform under torch.compile can follow.
    """


def _algebra() -> Any:
    """The module of combinations, which itself builds on this one."""
    from surrogate.derivatives import algebra

    return algebra


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
            f"got {given_name(given)}"
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
