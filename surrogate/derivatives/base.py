"""What every derivative is: a part that pulls the upstream gradient back.

*Pointwise* ones have a slope: grad_input = grad_output · slope(x). The others have a rule of
their own. A rule that is `linear` in the upstream gradient has a forward mode, and every transform
of torch can be honoured; any other one has none, and asking for it raises an error.

How they combine is in `algebra`.
"""

from __future__ import annotations

import dataclasses
import inspect
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal, Union

import torch
from torch import Tensor

from surrogate.core.messages import given_name, name_of
from surrogate.core.numbers import Allowed, AnyCallable, Number, OrNone, Varying, named
from surrogate.core.parts import Part, children, text_of
from surrogate.core.registry import Registry
from surrogate.functions.base import Elementwise, Function
from surrogate.functions.callables import call_user_function

MOST_NORMALISED = 8  # each may have to be measured, for half a second

DerivativeLike = Union[
    "Derivative", Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]
]  # what a pair takes for its derivative


class Derivative(Part, register=False):
    """What a pair reports as its derivative.

    A subclass that has a slope derives from `Pointwise`. Any other one defines `pull`, and says
    whether it is `linear` in the upstream gradient. What `pull` needs of x is x itself, unless the
    subclass overrides `save` and says so in `saves`: "x", "mask" (a byte for each element) or
    "nothing". float16 and bfloat16 reach `slope` and `pull` as float32.

    It is an `estimate` if it is one of another derivative, by samples.
    """

    registry: ClassVar[Registry[Any]] = Registry("derivative")
    linear: ClassVar[Any] = False
    pointwise: ClassVar[Any] = False
    saves: ClassVar[Any] = "x"
    estimate: ClassVar[bool] = False
    area: ClassVar[Any] = None
    peak: ClassVar[Any] = None
    normalised: ClassVar[int] = 0  # how many `normalise` are in it

    def __post_init__(self) -> None:
        super().__post_init__()
        inner = (part for _, part in children(self) if isinstance(part, Derivative))
        normalised = type(self).normalised + sum(part.normalised for part in inner)
        if normalised > MOST_NORMALISED:
            raise ValueError(f"normalise: a derivative has it at most {MOST_NORMALISED} times")
        self.keep(normalised=normalised)

    @abstractmethod
    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        """The reported grad_input, from what was saved of x."""

    def save(self, x: Tensor) -> Tensor | None:
        """The tensor that the backward pass needs of x; None if it needs nothing."""
        return x

    def slope(self, x: Tensor) -> Tensor:
        """The reported derivative at x, if it is pointwise; of the same shape and dtype."""
        raise TypeError(f"{self!r} has no slope: it is not pointwise")

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """The reported grad_input at x."""
        return self.pull(self.save(x), grad_output)

    @property
    def elementwise(self) -> bool | None:
        """Whether what is reported for an element depends on that element alone, so that large
        tensors can be evaluated block by block; None if nothing is known, as of a user's callable.
        """
        known = [_is_elementwise(part) for _, part in children(self)]
        return False if False in known else None if None in known else True

    def bind(self, function: Elementwise) -> Derivative:
        """This derivative for a pair with the given function; its parts are bound in turn."""
        parts = {name: part for name, part in children(self) if isinstance(part, Derivative)}
        bound = {name: part.bind(function) for name, part in parts.items()}
        same = all(bound[name] is parts[name] for name in parts)
        return self if same else dataclasses.replace(self, **bound)

    def __add__(self, other: Derivative) -> Derivative:
        """The sum of what both report."""
        return _algebra().Sum(self, other) if isinstance(other, Derivative) else NotImplemented

    def __mul__(self, other: Derivative | Number) -> Derivative:
        """A multiple by a number, or the product of two slopes (or of a rule and a slope)."""
        if isinstance(other, Derivative):
            return _algebra().product_of(self, other)
        if isinstance(other, bool) or not isinstance(other, (int, float, Varying)):
            return NotImplemented
        return _algebra().Multiple(other, self)

    __rmul__ = __mul__

    def __neg__(self) -> Derivative:
        return -1 * self

    def __sub__(self, other: Derivative) -> Derivative:
        return self + -1 * other if isinstance(other, Derivative) else NotImplemented

    def clip(self, low: float | None = None, high: float | None = None) -> Derivative:
        """slope(x) cut off at low and high."""
        return _algebra().Clip(self, low, high)

    def shift(self, distance: Number) -> Derivative:
        """slope(x − distance): the same further right."""
        return _algebra().Shift(self, distance)

    def scale(self, width: Number) -> Derivative:
        """slope(x / width): the same, that much wider and as high."""
        return _algebra().Scale(self, width)

    def mirror(self) -> Derivative:
        """slope(−x)."""
        return _algebra().Mirror(self)

    def normalise(self, measure: str) -> Derivative:
        """The multiple whose area ∫ slope ("area") or maximum of |slope| ("peak") is 1."""
        return _algebra().Normalise(self, measure)


def _algebra() -> Any:
    """The module of combinations, which itself builds on this one."""
    from surrogate.derivatives import algebra

    return algebra


def _is_elementwise(part: object) -> bool | None:
    if isinstance(part, (Derivative, Function)):
        return part.elementwise
    return None if callable(part) and not isinstance(part, (Part, Varying)) else True


class Pointwise(Derivative, register=False):
    """grad_input = grad_output · slope(x). A subclass has the formula of the `slope`.

    A shape that has a finite `area` (∫ slope) or `peak` (max |slope|, or the slope there with its
    sign) in closed form states them, for `normalise`.
    """

    linear: ClassVar[bool] = True
    pointwise: ClassVar[bool] = True

    @abstractmethod
    def slope(self, x: Tensor) -> Tensor:
        """The reported derivative at x, of the same shape and dtype."""

    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        return grad_output * self.slope(saved)


class OfUser(Derivative, register=False):
    """A user's callable of x, the slope, or of (x, grad_output), the rule."""

    formula: Callable[..., Any]

    def decide(self) -> None:
        is_slope = required_arguments(self.formula) != 2
        self.keep(linear=is_slope, pointwise=is_slope)

    def slope(self, x: Tensor) -> Tensor:
        if not self.pointwise:
            return super().slope(x)
        return call_user_function(self.formula, x, role="derivative")

    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        if self.pointwise:
            return grad_output * self.slope(saved)
        return call_user_function(self.formula, saved, grad_output, role="derivative")

    def __repr__(self) -> str:
        return text_of(self.formula)


def as_derivative(given: object, name: str = "derivative") -> Derivative:
    """A derivative as it is; a callable of x as a slope; one of (x, grad_output) as a rule.

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
    if isinstance(given, Function):
        raise TypeError(
            f"{name} must be a derivative, got the function {given!r}: write "
            f"DerivativeOf({given!r}) to report its derivative, or a lambda to report its value"
        )
    needed = required_arguments(given)
    if needed in (None, 1, 2):
        return OfUser(given)
    raise TypeError(
        f"{name} must be a callable of x or of (x, grad_output), "
        f"but {name_of(given)} takes {needed} arguments"
    )


def required_arguments(given: Any) -> int | None:
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


def require_elementwise(function: Elementwise, owner: str) -> None:
    """Raise unless a function can be evaluated at other places for each element by itself.

    A user's callable is tried: one element is changed, and no other value may change with it.

    Raises:
        TypeError: the function is not elementwise; the message says what to use.
    """
    known = function.elementwise if isinstance(function, Function) else _seems_elementwise(function)
    if known is False:
        raise TypeError(
            f"{owner} evaluates the function at other places for each element by itself, but "
            f"{text_of(function)} is not elementwise: use DerivativeOf(h) with an h that has a "
            "gradient, such as softmax for an argmax, or Constant(1)"
        )


def _seems_elementwise(function: Elementwise) -> bool | None:
    """Whether it is on a few numbers; None if it doesn't take them."""
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        x = torch.linspace(-1.5, 2.5, 8).view(2, 4)
        other = x.clone()
        other[0, 0] += 5.0
        try:
            torch.manual_seed(0)
            before = function(x.clone())
            torch.manual_seed(0)
            after = function(other)
            same = before.nan_to_num() == after.nan_to_num()
            return bool(same.flatten()[1:].all()) if before.shape == x.shape else None
        except Exception:  # whatever a user's code raises for numbers that it was not made for
            return None


class AnyDerivative(Allowed):
    """A derivative, or a callable of which one is made; `needs` is what it must be."""

    def __init__(self, needs: Literal["linear", "pointwise"] | None = None) -> None:
        self.needs = needs

    def check(self, owner: object, name: str, value: Any) -> Derivative:
        argument = named(owner, name)
        derivative = as_derivative(value, argument)
        if self.needs is not None and not getattr(derivative, self.needs):
            raise TypeError(f"{argument} must be {KINDS[self.needs]}, got {derivative!r}")
        return derivative


KINDS = {
    "linear": "a derivative that does not depend on the upstream gradient, or a callable of x",
    "pointwise": "a pointwise derivative or a callable of x",
}

# Types of arguments: what is given is a derivative, or a callable of which one is made.
AnyRule = Annotated[Any, AnyDerivative()]
AnyLinear = Annotated[Any, AnyDerivative("linear")]
AnyPointwise = Annotated[Any, AnyDerivative("pointwise")]
AnyFunction = Annotated[Any, AnyCallable()]
PairsFunction = Annotated[Any, OrNone(AnyCallable())]  # None: the function of the pair

derivatives = Derivative.registry
