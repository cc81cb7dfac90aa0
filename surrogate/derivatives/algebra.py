"""How derivatives combine: sums, products, multiples; and one derivative moved, cut or normalised.

They are made by the operators and methods of `Derivative`, print as such, and read back:
`0.9 * Constant() + 0.1 * Exact()`, `Gaussian(width=0.3).shift(1.0)`. What is reported is combined,
whatever the parts are: a combination is pointwise, or linear, if all of its parts are.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from surrogate.core.numbers import Limits, Number, OrNone, Positive
from surrogate.core.parts import children, described_fields, varying_numbers, walk
from surrogate.derivatives.base import AnyLinear, AnyPointwise, AnyRule, Derivative
from surrogate.derivatives.shapes import as_numbers
from surrogate.functions.arithmetic import above, below, choose
from surrogate.functions.base import Elementwise

REACH, POINTS = 19.0, 2**20  # of the numerical measure: sinh(19) is about 10⁸
BLOCK = 2**14  # points at a time, which fit into a cache

# The lower limit of a pair of bounds, and the upper one, which is not below it.
Lower = Annotated[float | None, OrNone(Limits(fixed=True))]
Upper = Annotated[float | None, OrNone(Limits(least="low", fixed=True))]


class Combination(Derivative, register=False):
    """What it reports is `combine` of what its parts report at `inward(x)`.

    If only one part needs anything of x it decides what is saved, else x is.
    """

    def inward(self, x: Tensor) -> Tensor:
        """Where the parts are evaluated."""
        return x

    # From slopes, or from gradients that were pulled back.
    combine: ClassVar[Callable[..., Any]]

    @property
    def operands(self) -> list[Derivative]:
        return [part for _, part in children(self) if isinstance(part, Derivative)]

    def decide(self) -> None:
        parts = self.operands
        needed = [part.saves for part in parts if part.saves != "nothing"]
        self.keep(
            pointwise=all(part.pointwise for part in parts),
            linear=all(part.linear for part in parts),
            saves=needed[0] if len(needed) == 1 else "x" if needed else "nothing",
        )

    def save(self, x: Tensor) -> Tensor | None:
        if self.saves == "x":
            return x
        saved = (part.save(self.inward(x)) for part in self.operands if part.saves != "nothing")
        return next(saved, None)

    def saved_of_parts(self, saved: Tensor | None) -> list[Tensor | None]:
        """What each part would have saved, from what was saved."""
        if self.saves != "x":
            return [None if part.saves == "nothing" else saved for part in self.operands]
        assert saved is not None
        return [part.save(self.inward(saved)) for part in self.operands]

    def slope(self, x: Tensor) -> Tensor:
        x = self.inward(x)
        return self.combine(*(part.slope(x) for part in self.operands))

    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        kept = self.saved_of_parts(saved)
        pulled = (
            part.pull(each, grad_output) for part, each in zip(self.operands, kept, strict=True)
        )
        return self.combine(*pulled)


def if_known(formula: Callable[..., Any], *amounts: Any) -> Any:
    """formula(*amounts); None if one of them, an area or a peak, is not known."""
    return None if any(amount is None for amount in amounts) else formula(*amounts)


def _grouped(part: Derivative) -> str:
    """The text of a part within a product or before a method: in parentheses if it is compound."""
    return f"({part!r})" if isinstance(part, (Sum, Product, Multiple)) else repr(part)


class Sum(Combination, register=False):
    """left + right: slope(x) = left.slope(x) + right.slope(x); other rules are added."""

    left: AnyRule
    right: AnyRule

    def combine(self, left: Any, right: Any) -> Any:
        return left + right

    area = property(lambda self: if_known(operator.add, self.left.area, self.right.area))

    def __repr__(self) -> str:
        right = f"({self.right!r})" if isinstance(self.right, Sum) else repr(self.right)
        return f"{self.left!r} + {right}"


class Product(Combination, register=False):
    """left · right: slope(x) = left.slope(x) · right.slope(x).

    Left can be any rule: what it reports is multiplied by the slope of right.
    """

    left: AnyRule
    right: AnyLinear

    def combine(self, left: Any, right: Any) -> Any:
        return left * right

    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        left, right = self.saved_of_parts(saved)
        return self.right.pull(right, self.left.pull(left, grad_output))

    def __repr__(self) -> str:
        left = f"({self.left!r})" if isinstance(self.left, Sum) else repr(self.left)
        return f"{left} * {_grouped(self.right)}"


def product_of(left: Derivative, right: Derivative) -> Derivative:
    """Their product, a rule before a slope.

    Raises:
        TypeError: none of them is pointwise: the order would matter.
    """
    if right.pointwise:
        return Product(left, right)
    if left.pointwise:
        return Product(right, left)
    kind = "are not pointwise" if left.linear or right.linear else "depend on the upstream gradient"
    raise TypeError(f"{left!r} and {right!r} both {kind} and have no product")


class Multiple(Combination, register=False):
    """factor · derivative: slope(x) = factor · derivative.slope(x)."""

    factor: Number
    derivative: AnyRule

    def combine(self, reported: Any) -> Any:
        return self.factor * reported

    area = property(lambda self: if_known(operator.mul, self.factor, self.derivative.area))

    peak = property(
        lambda self: if_known(lambda peak: abs(self.factor) * peak, self.derivative.peak)
    )

    def __repr__(self) -> str:
        return f"{self.factor!r} * {_grouped(self.derivative)}"


class Split(Combination):
    """slope(x) = left.slope(x) if x < at, right.slope(x) if x > at.

    At the tie x = at, and for NaN, it is that of the side `tie`: "left" or "right". Saves one byte
    for each element if both sides are constant.

    Args:
        left, right: derivatives that do not depend on the upstream gradient, or callables of x.
        at: where they meet.
        tie: the side that x = at belongs to.
    """

    left: AnyLinear
    right: AnyLinear
    at: Number = 0.0
    tie: Literal["left", "right"] = "right"

    @property
    def sides(self) -> tuple[Derivative, Derivative]:
        """That for which x has to be beyond the meeting point, and that of the tie and of NaN."""
        return (self.left, self.right) if self.tie == "right" else (self.right, self.left)

    def is_beyond(self, x: Tensor) -> Tensor:
        return x < self.at if self.tie == "right" else x > self.at

    def decide(self) -> None:
        super().decide()
        self.keep(saves="mask" if self.left.saves == self.right.saves == "nothing" else "x")

    def save(self, x: Tensor) -> Tensor:
        return self.is_beyond(x) if self.saves == "mask" else x

    def slope(self, x: Tensor) -> Tensor:
        slopes = [side.slope(x) for side in self.sides]
        if self.saves == "mask":
            return choose((below if self.tie == "right" else above)(x, self.at), *slopes)
        return torch.where(self.is_beyond(x), *slopes)

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        if self.saves == "mask":
            slopes = (side.pull(None, 1.0) for side in self.sides)  # type: ignore[arg-type]
            return grad_output * choose(as_numbers(saved, grad_output), *slopes)
        pulled = [side.pull(side.save(saved), grad_output) for side in self.sides]
        return torch.where(self.is_beyond(saved), *pulled)


class Changed(Combination, register=False):
    """One derivative, changed by the method of the class's name."""

    derivative: AnyRule

    def combine(self, reported: Any) -> Any:
        return reported

    def __repr__(self) -> str:
        arguments = described_fields(self, leave_out="derivative")
        return f"{_grouped(self.derivative)}.{type(self).__name__.lower()}({arguments})"


class Moved(Changed, register=False):
    """One derivative, evaluated elsewhere: as high, and as large in area unless it is stretched."""

    derivative: AnyLinear
    area = property(lambda self: self.derivative.area)
    peak = property(lambda self: self.derivative.peak)


class Shift(Moved, register=False):
    """slope(x) = derivative.slope(x − distance)."""

    distance: Number

    def inward(self, x: Tensor) -> Tensor:
        return x - self.distance


class Scale(Moved, register=False):
    """slope(x) = derivative.slope(x / width)."""

    width: Positive

    def inward(self, x: Tensor) -> Tensor:
        return x / self.width

    area = property(lambda self: if_known(operator.mul, self.width, self.derivative.area))


class Mirror(Moved, register=False):
    """slope(x) = derivative.slope(−x)."""

    def inward(self, x: Tensor) -> Tensor:
        return -x


class Clip(Changed, register=False):
    """slope(x) = derivative.slope(x), but low where it is below low and high where it is above."""

    derivative: AnyPointwise
    low: Lower = None
    high: Upper = None
    one_of: ClassVar[tuple[str, ...]] = ("low", "high")

    def combine(self, reported: Any) -> Any:
        if isinstance(reported, Tensor):
            return reported.clamp(self.low, self.high)
        reported = reported if self.low is None else max(reported, self.low)
        return reported if self.high is None else min(reported, self.high)

    def pull(self, saved: Any, grad_output: Tensor) -> Tensor:
        constant = self.saves == "nothing"
        one: Any = 1.0 if constant else torch.ones_like(grad_output)
        return grad_output * super().pull(saved, one)


class Normalise(Changed, register=False):
    """slope(x) = derivative.slope(x) / m, m its area ∫ slope or its peak max |slope|.

    m is known in closed form for the shapes of the literature, their sums (area), multiples,
    shifts and stretches. For others it is computed once, in float64, from 2²⁰ points that lie
    dense at 0 and reach to ±10⁸: the area to about 1e-5, the peak at the best of them.

    Args:
        measure: "area" or "peak".

    Raises:
        ValueError: measure is neither; a derivative would have it more than eight times; or, when a
            pair is made of it, m is 0 or infinite, or would have to be computed of what looks at
            other elements or is an estimate by noise.
    """

    derivative: AnyPointwise
    measure: Literal["area", "peak"]
    normalised: ClassVar[int] = 1

    def bind(self, function: Elementwise) -> Derivative:
        bound = self.derivative.bind(function)
        if varying_numbers(bound):
            return Normalise(bound, self.measure)
        return Multiple(1 / _measure(bound, self.measure), bound)

    def combine(self, reported: Any) -> Any:
        return reported / _measure(self.derivative, self.measure)


def _measure(derivative: Derivative, measure: str) -> Any:
    """∫ slope or max |slope|, in closed form if there is one."""
    amount: Any = derivative.area if measure == "area" else derivative.peak
    if amount is None:
        amount = _measured(derivative, measure)
    if measure == "peak":
        amount = abs(amount)
    if isinstance(amount, Tensor):
        return amount
    if not (math.isfinite(amount) and amount != 0):
        raise ValueError(f"normalise: {derivative!r} has the {measure} {amount}: no multiple has 1")
    return amount


@lru_cache(maxsize=256)
def _measured(derivative: Derivative, measure: str) -> float:
    """The same by the midpoint rule in t, where x = sinh(t): fine at 0, and far-reaching."""
    if varying_numbers(derivative) or any(isinstance(part, Tensor) for _, part in walk(derivative)):
        raise ValueError(
            f"normalise: the {measure} of {derivative!r} is not known in closed form, "
            "which varying numbers need"
        )
    if derivative.elementwise is False:
        raise ValueError(f"normalise: {derivative!r} at an element depends on the others")
    if any(getattr(part, "estimate", False) for _, part in walk(derivative)):
        raise ValueError(f"normalise: {derivative!r} is an estimate by noise: no {measure}")
    with torch.no_grad():
        edges = torch.linspace(-REACH, REACH, POINTS + 1, dtype=torch.float64)
        t = (edges[1:] + edges[:-1]) / 2
        slope = torch.cat([derivative.slope(x) for x in t.sinh().split(BLOCK)])
        if measure == "peak":
            return float(slope.abs().max())
        pieces = slope * t.cosh() * (2 * REACH / POINTS)
        area, nearer = float(pieces.sum()), float(pieces[t.abs() < REACH / 2].sum())
    return area if abs(area - nearer) <= 1e-3 * abs(area) else math.inf
