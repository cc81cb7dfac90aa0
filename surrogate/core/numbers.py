"""Numbers of functions and derivatives: what is allowed of them, and those that vary.

What is allowed stands in the annotation of a field, `width: Positive = 1.0`, as data: it is checked
when a part is made, and messages, catalogue and explorer read it.

A number that varies is an object in the number's place: `Learnable` (a parameter), `Annealed` (a
buffer that a schedule moves) or `Drawn` (a random number for each call). Formulas never meet the
object: a tensor takes its place before they are evaluated.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args, get_origin

import numpy as np
import torch
from torch import Tensor, nn

from surrogate.core.messages import did_you_mean, given_name, shown
from surrogate.core.torch_private import is_plain

HALVES = (torch.float16, torch.bfloat16)
LARGEST_INTEGER = 2**53
MOST_PRINTED = 64  # numbers of a learned tensor


class Allowed(ABC):
    """A condition that an argument of a part must meet."""

    @abstractmethod
    def check(self, owner: object, name: str, value: Any) -> Any:
        """The value, or what is made of it.

        Raises:
            TypeError, ValueError: it is not allowed; the message names argument and value.
        """


@dataclass(frozen=True)
class Limits(Allowed):
    """A number, or only an integer, within limits; `above` and `below` are outside.

    A limit can be another argument of the owner: "low", or "-low" for its negative. A number that
    is `fixed` may not vary.
    """

    above: float | str = -math.inf
    least: float | str = -math.inf
    below: float | str = math.inf
    most: float | str = math.inf
    integer: bool = False
    fixed: bool = False

    def check(self, owner: object, name: str, value: Any) -> Any:
        limits = self.resolved(owner)
        above, least, below, most = limits
        words = zip(("above", "at least", "below", "at most"), limits, strict=True)
        within = " and ".join(f"{word} {limit:g}" for word, limit in words if math.isfinite(limit))
        kind = "an integer" if self.integer else "a finite number"
        message = f"{named(owner, name)} must be {f'{kind} {within}'.strip()}, got {shown(value)}"
        if isinstance(value, Varying):
            if self.fixed or self.integer:
                raise TypeError(f"{message}, which varies: this number is fixed")
            ends = value.ends()
            if ends == EVERYWHERE and (above, below, least, most) == 2 * EVERYWHERE:
                return value
        elif type(value) is not int and (self.integer or not isinstance(value, float)):
            raise TypeError(message)
        else:
            ends = (value,)
        if not all(is_finite(end) and above < end < below and least <= end <= most for end in ends):
            too_large = isinstance(value, int) and abs(value) > LARGEST_INTEGER
            raise ValueError(message + ": integers go up to 2**53" * too_large)
        return value

    def resolved(self, owner: object) -> tuple[float, float, float, float]:
        """The limits as numbers; a limit that is another field holds for what that is now."""
        above, least = (_limit(owner, limit, max) for limit in (self.above, self.least))
        below, most = (_limit(owner, limit, min) for limit in (self.below, self.most))
        return above, least, below, most


EVERYWHERE = (-math.inf, math.inf)


def _limit(owner: object, limit: float | str, strictest: Callable[..., float]) -> float:
    if not isinstance(limit, str):
        return float(limit)
    sign, other = (-1, limit[1:]) if limit.startswith("-") else (1, limit)
    value = getattr(owner, other)
    if not isinstance(value, (int, float, Varying)):  # None, or what is refused itself
        return -strictest(EVERYWHERE)
    ends = value.ends() if isinstance(value, Varying) else (value,)
    return float(strictest(sign * end for end in ends))


def named(owner: object, name: str) -> str:
    """How messages name an argument: "Cantor: depth"; the owner can be a name itself."""
    return f"{owner if isinstance(owner, str) else type(owner).__name__}: {name}"


@dataclass(frozen=True)
class Choice(Allowed):
    """One of several words, or of True and False."""

    words: tuple[Any, ...]

    def check(self, owner: object, name: str, value: Any) -> Any:
        if not any(type(value) is type(word) and value == word for word in self.words):
            raise ValueError(
                f"{named(owner, name)} must be one of {', '.join(map(repr, self.words))}, "
                f"got {shown(value)}{did_you_mean(value, map(str, self.words))}"
            )
        return value


class AnyCallable(Allowed):
    """A callable that is not a class."""

    def check(self, owner: object, name: str, value: Any) -> Any:
        if isinstance(value, type) or not callable(value):
            raise TypeError(f"{named(owner, name)} must be callable, got {given_name(value)}")
        return value


@dataclass(frozen=True)
class OrNone(Allowed):
    """None, or what else is allowed."""

    other: Allowed

    def check(self, owner: object, name: str, value: Any) -> Any:
        return None if value is None else self.other.check(owner, name, value)


@dataclass(frozen=True)
class InstanceOf(Allowed):
    """An instance of a class."""

    kind: type

    def check(self, owner: object, name: str, value: Any) -> Any:
        if not isinstance(value, self.kind):
            kind = self.kind.__name__
            raise TypeError(f"{named(owner, name)} must be a {kind}, got {shown(value)}")
        return value


# In a formula a number may be a tensor that stands for one that varies: so its type is Any.
Number = Annotated[Any, Limits()]
Positive = Annotated[Any, Limits(above=0)]
NotNegative = Annotated[Any, Limits(least=0)]
FixedNumber = Annotated[float, Limits(fixed=True)]
FixedPositive = Annotated[float, Limits(above=0, fixed=True)]
Integer = Annotated[int, Limits(integer=True)]
Count = Annotated[int, Limits(integer=True, least=1)]
Seed = Annotated[int, Limits(integer=True, least=0, below=2**32)]


def allowed_by(hint: Any) -> Allowed | None:
    """What an annotation allows; None if it says nothing that is checked."""
    if get_origin(hint) is Annotated:
        return next((each for each in get_args(hint)[1:] if isinstance(each, Allowed)), None)
    if get_origin(hint) is Literal:
        return Choice(get_args(hint))
    options = get_args(hint)
    if type(None) in options:
        others = [option for option in options if option is not type(None)]
        inner = allowed_by(others[0]) if len(others) == 1 else None
        return None if inner is None else OrNone(inner)
    if hint is float:
        return Limits(fixed=True)
    if hint is int:
        return Limits(integer=True)
    kind = get_origin(hint) or hint
    return InstanceOf(kind) if kind in (bool, str, tuple) else None


def is_finite(number: float) -> bool:
    """Whether it is finite, and an integer not beyond 2⁵³, up to which all of them are floats."""
    return abs(number) <= LARGEST_INTEGER if isinstance(number, int) else math.isfinite(number)


class Varying(ABC):
    """A number that changes: formulas meet a tensor in its place."""

    @abstractmethod
    def now(self, x: Tensor, training: bool) -> Tensor:
        """The number for a call with the input x."""

    @abstractmethod
    def ends(self) -> tuple[float, ...]:
        """The least and the largest that it can be, without further learning."""

    @abstractmethod
    def __float__(self) -> float:
        """The number as it is now, or the mean of a drawn one."""


def formula_dtype(x: Tensor) -> torch.dtype:
    """The dtype in which formulas of x are computed: float32 for half precision."""
    return torch.float32 if x.dtype in HALVES else x.dtype


def _broadcasts(shape: Sequence[int], to: Sequence[int]) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(size in (1, wanted) for size, wanted in pairs)


class Held(nn.Module, Varying):
    """A varying number whose tensor is the parameter or buffer `value`, of any shape."""

    value: Tensor

    def current(self) -> Tensor:
        """The number as formulas see it."""
        return self.value

    def now(self, x: Tensor, training: bool) -> Tensor:
        current = self.current().to(formula_dtype(x))
        if current.dim() and not _broadcasts(current.shape, x.shape):
            raise ValueError(
                f"{self!r} has the shape {tuple(current.shape)}, which does not broadcast to that "
                f"of the input, {tuple(x.shape)}"
            )
        return current

    def ends(self) -> tuple[float, ...]:
        current = self.current().detach()
        return current.min().item(), current.max().item()

    def __float__(self) -> float:
        return float(self.current().detach())


class Learnable(Held):
    """A number that is learned: `Staircase(step=Learnable(0.5))`, `Blurred(width=Learnable(0.3))`.

    In a *function* it gets its true gradient. Where it moves or stretches a flat function
    (`Heaviside.threshold`, `Staircase.step`), of which the true slope is 0, it gets the gradient
    that follows from the reported derivative by the chain rule:
    `Staircase(Learnable(0.5)) / Constant()` is the learned step size of LSQ.

    In a *derivative* the value of the pair does not depend on it, and `backward` leaves its `grad`
    at None. What depends on it are the gradients that the pair reports, and so the weights after a
    step: differentiating through the step (`create_graph=True`) gives it a gradient. Where that is
    not done, `DistributedDataParallel` needs `find_unused_parameters=True`.

    Args:
        start: the number at the beginning, or a tensor (or nested sequence) of numbers that
            broadcasts against the input: `torch.full((8, 1, 1), 0.5)` has one for each channel.
        positive: whether to learn its logarithm, so that it stays above 0.

    Raises:
        TypeError: start is not a number or a tensor of numbers.
        ValueError: start is not finite as float32, or not above 0 where it has to be.

    A width learned by unrolling one step:

    >>> import torch
    >>> from surrogate import Learnable, SurrogateActivation
    >>> from surrogate.derivatives import Blurred
    >>> from surrogate.functions import Heaviside
    >>> spike = SurrogateActivation(Heaviside(), Blurred(width=Learnable(0.1, positive=True)))
    >>> weight = torch.tensor(-0.5, requires_grad=True)
    >>> loss = (spike(weight) - 1) ** 2  # the spike is missing
    >>> (slope,) = torch.autograd.grad(loss, weight, create_graph=True)
    >>> stepped = weight - 0.1 * slope
    >>> (stepped - 0.5).square().backward()  # we would have liked a longer step
    >>> [bool(number.grad < 0) for number in spike.parameters()]  # from a wider blur
    [True]
    """

    def __init__(self, start: float | Tensor | Sequence[Any], positive: bool = False) -> None:
        super().__init__()
        allowed = "a finite number above 0" if positive else "a finite number"
        several = isinstance(start, (Tensor, tuple, list))
        try:
            if not several and (isinstance(start, str) or not hasattr(start, "__float__")):
                raise TypeError
            given = torch.as_tensor(start if several else float(start), dtype=torch.float64)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"Learnable: start must be {allowed}, got {shown(start)}") from None
        inside = given.abs() <= torch.finfo(torch.float32).max
        if not given.numel() or not (inside & ((given > 0) | (not positive))).all():
            raise ValueError(f"Learnable: start must be {allowed}, got {shown(start)}")
        self.positive = positive
        self.value = nn.Parameter((given.log() if positive else given).float())

    def current(self) -> Tensor:
        return self.value.exp() if self.positive else self.value

    def __repr__(self) -> str:
        positive = ", positive=True" if self.positive else ""
        if self.value.numel() > MOST_PRINTED:
            return f"Learnable(<tensor of shape {tuple(self.value.shape)}>{positive})"
        return f"Learnable({shortest(self)}{positive})"


def shortest(number: Held) -> str:
    """The fewest digits that read back to the same float32; of a tensor as nested tuples."""
    if not is_plain():  # compilers and transforms have no numbers, but make texts for messages
        return "…"
    return _shortest(number.current().detach().float().cpu().numpy())


def _shortest(numbers: np.ndarray) -> str:
    if numbers.ndim == 0:
        return str(np.float32(numbers))
    inner = ", ".join(_shortest(each) for each in numbers)
    return f"({inner},)" if len(numbers) == 1 else f"({inner})"
