"""How derivatives combine: sums, products, multiples; and one derivative moved, cut or normalised.

They are made by the operators and methods of `Derivative`, print as such, and read back:
`0.9 * Constant() + 0.1 * Exact()`, `Gaussian(width=0.3).shift(1.0)`. Sums, products and multiples
also take upstream-dependent derivatives: then rules are added, or multiplied by a slope.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from surrogate.core.arithmetic import above, below, choose
from surrogate.core.messages import described_fields, require_bounds, require_choice, require_number
from surrogate.core.numbers import Number, varies
from surrogate.derivatives.base import (
    Derivative,
    Keeps,
    Pointwise,
    UpstreamDependent,
    as_pointwise,
    derivatives,
)
from surrogate.derivatives.shapes import dtype_for
from surrogate.functions.base import Elementwise

__all__ = ["Split"]

REACH, POINTS = 19.0, 2**20  # of the numerical measure: sinh(19) is about 10⁸
BLOCK = 2**14  # points at a time, which fit into a cache


def sum_of(left: Derivative, right: Derivative) -> Derivative:
    """Pointwise if both are."""
    if isinstance(left, Pointwise) and isinstance(right, Pointwise):
        return Sum(left, right)
    return UpstreamSum(left, right)


def product_of(left: Derivative, right: Derivative) -> Derivative:
    """Pointwise if both are; a rule times a slope if one of them is."""
    if isinstance(left, Pointwise) and isinstance(right, Pointwise):
        return Product(left, right)
    if isinstance(right, Pointwise):
        return UpstreamProduct(left, right)
    if isinstance(left, Pointwise):
        return UpstreamProduct(right, left)
    raise TypeError(
        f"{left!r} and {right!r} both depend on the upstream gradient and have no product"
    )


def multiple_of(factor: Number, derivative: Derivative) -> Derivative:
    """Pointwise if the derivative is."""
    multiple: Any = Multiple if isinstance(derivative, Pointwise) else UpstreamMultiple
    return multiple(factor, derivative)


class _Combination(Derivative):
    """What a combination has from its parts."""

    @property
    def sign_dependent(self) -> bool:  # type: ignore[override]
        return all(part.sign_dependent for part in self.parts().values())


class _PointwiseCombination(_Combination, Pointwise):
    """slope(x) = combine(the parts' slopes at inward(x)).

    If only one part needs anything of x it decides what is kept, else x is.
    """

    def inward(self, x: Tensor) -> Tensor:
        """Where the parts are evaluated."""
        return x

    # The slope from the parts' slopes: tensors, or numbers of parts that keep nothing.
    combine: Callable[..., Any]

    def slope(self, x: Tensor) -> Tensor:
        x = self.inward(x)
        return self.combine(*(part.slope(x) for part in self._operands))

    @property
    def keeps(self) -> Keeps:  # type: ignore[override]
        asked: list[Keeps] = [part.keeps for part in self._operands]  # once: they ask theirs
        needed: list[Keeps] = [keeps for keeps in asked if keeps != "nothing"]
        return "nothing" if not needed else needed[0] if len(needed) == 1 else "x"

    def keep(self, x: Tensor) -> Tensor | None:
        if self.keeps == "x":
            return x
        kept = [part.keep(self.inward(x)) for part in self._operands if part.keeps != "nothing"]
        return kept[0] if kept else None

    def slope_from_kept(self, kept: Any) -> Tensor | float:
        if self.keeps == "x":
            return self.slope(kept)
        return self.combine(*(part.slope_from_kept(kept) for part in self._operands))

    @property
    def _operands(self) -> list[Pointwise]:
        return list(self.parts().values())  # type: ignore[arg-type]


def _grouped(part: Derivative) -> str:
    """The text of a part within a product or before a method: in parentheses if it is compound."""
    return f"({part!r})" if isinstance(part, (_Addition, _Multiplication)) else repr(part)


class _Addition:
    """What both kinds of sum share."""

    left: Any
    right: Any

    def __repr__(self) -> str:
        right = f"({self.right!r})" if isinstance(self.right, _Addition) else repr(self.right)
        return f"{self.left!r} + {right}"


class _Multiplication:
    """What products and multiples share."""


@dataclass(frozen=True, repr=False)
class Sum(_Addition, _PointwiseCombination):
    """left + right: slope(x) = left.slope(x) + right.slope(x)."""

    left: Pointwise
    right: Pointwise

    def combine(self, left: Any, right: Any) -> Any:
        return left + right

    @property
    def area(self) -> Any:
        left, right = self.left.area, self.right.area
        return None if left is None or right is None else left + right


@dataclass(frozen=True, repr=False)
class UpstreamSum(_Addition, _Combination, UpstreamDependent):
    """left + right where one of them is upstream-dependent: their rules are added."""

    left: Derivative
    right: Derivative

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return self.left.rule(x, grad_output) + self.right.rule(x, grad_output)


@dataclass(frozen=True, repr=False)
class Product(_Multiplication, _PointwiseCombination):
    """left · right: slope(x) = left.slope(x) · right.slope(x)."""

    left: Pointwise
    right: Pointwise

    def combine(self, left: Any, right: Any) -> Any:
        return left * right

    def __repr__(self) -> str:
        left = f"({self.left!r})" if isinstance(self.left, _Addition) else repr(self.left)
        return f"{left} * {_grouped(self.right)}"


@dataclass(frozen=True, repr=False)
class UpstreamProduct(_Multiplication, _Combination, UpstreamDependent):
    """derivative · factor: an upstream-dependent rule, multiplied by a slope."""

    derivative: Derivative
    factor: Pointwise

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return self.derivative.rule(x, grad_output) * self.factor.slope(x)

    def __repr__(self) -> str:
        return f"{_grouped(self.derivative)} * {_grouped(self.factor)}"


@dataclass(frozen=True, repr=False)
class Multiple(_Multiplication, _PointwiseCombination):
    """factor · derivative: slope(x) = factor · derivative.slope(x)."""

    factor: Number
    derivative: Pointwise

    def __post_init__(self) -> None:
        require_number(self, "factor", may_vary=True)

    def combine(self, slope: Any) -> Any:
        return self.factor * slope

    @property
    def area(self) -> Any:
        area = self.derivative.area
        return None if area is None else self.factor * area

    @property
    def peak(self) -> Any:
        peak = self.derivative.peak
        return None if peak is None else abs(self.factor) * peak  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{self.factor!r} * {_grouped(self.derivative)}"


@dataclass(frozen=True, repr=False)
class UpstreamMultiple(_Multiplication, _Combination, UpstreamDependent):
    """factor · derivative of an upstream-dependent derivative."""

    factor: Number
    derivative: UpstreamDependent

    def __post_init__(self) -> None:
        require_number(self, "factor", may_vary=True)

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return self.factor * self.derivative.rule(x, grad_output)

    __repr__ = Multiple.__repr__  # type: ignore[assignment]


@derivatives.register
@dataclass(frozen=True, repr=False)
class Split(_PointwiseCombination):
    """slope(x) = left.slope(x) if x < at, right.slope(x) if x > at.

    At the tie x = at, and for NaN, it is that of the side `tie`: "left" or "right". Keeps one byte
    for each element if both sides are constant.

    Args:
        left, right: pointwise derivatives or callables of x.
        at: where they meet.
        tie: the side that x = at belongs to.
    """

    left: Pointwise
    right: Pointwise
    at: Number = 0.0
    tie: str = "right"

    def __post_init__(self) -> None:
        for side in ("left", "right"):
            object.__setattr__(self, side, as_pointwise(getattr(self, side), f"Split: {side}"))
        require_number(self, "at", may_vary=True)
        require_choice(self, "tie", ("left", "right"))

    @property
    def _sides(self) -> tuple[Pointwise, Pointwise]:
        """That for which x has to be beyond the meeting point, and that of the tie and of NaN."""
        return (self.left, self.right) if self.tie == "right" else (self.right, self.left)

    def _is_beyond(self, x: Tensor) -> Tensor:
        return x < self.at if self.tie == "right" else x > self.at

    def slope(self, x: Tensor) -> Tensor:
        if self.keeps == "mask":
            beyond = below(x, self.at) if self.tie == "right" else above(x, self.at)
            return choose(beyond, *self._constants())
        return torch.where(self._is_beyond(x), *(side.slope(x) for side in self._sides))

    @property
    def keeps(self) -> Keeps:  # type: ignore[override]
        return "mask" if self.left.keeps == self.right.keeps == "nothing" else "x"

    def keep(self, x: Tensor) -> Tensor | None:
        return self._is_beyond(x) if self.keeps == "mask" else x

    def slope_from_kept(self, kept: Tensor) -> Tensor | float:
        if self.keeps == "x":
            return self.slope(kept)
        constants = self._constants()
        return choose(kept.view(torch.int8).to(dtype_for(*constants)), *constants)

    def _constants(self) -> list[Any]:
        return [side.slope_from_kept(None) for side in self._sides]


class _Changed(_PointwiseCombination):
    """One derivative, changed by the method of the class's name."""

    derivative: Pointwise

    def __repr__(self) -> str:
        arguments = described_fields(self, leave_out="derivative")
        return f"{_grouped(self.derivative)}.{type(self).__name__.lower()}({arguments})"


class _Moved(_Changed):
    """One derivative, evaluated elsewhere: as high, and as large in area unless it is stretched."""

    def combine(self, slope: Any) -> Any:
        return slope

    @property
    def area(self) -> Any:
        return self.derivative.area

    @property
    def peak(self) -> Any:
        return self.derivative.peak


@dataclass(frozen=True, repr=False)
class Shift(_Moved):
    """slope(x) = derivative.slope(x − distance)."""

    derivative: Pointwise
    distance: Number

    def __post_init__(self) -> None:
        require_number(self, "distance", may_vary=True)

    def inward(self, x: Tensor) -> Tensor:
        return x - self.distance


@dataclass(frozen=True, repr=False)
class Scale(_Moved):
    """slope(x) = derivative.slope(x / width)."""

    derivative: Pointwise
    width: Number

    def __post_init__(self) -> None:
        require_number(self, "width", above=0, may_vary=True)

    def inward(self, x: Tensor) -> Tensor:
        return x / self.width

    @property
    def area(self) -> Any:
        area = self.derivative.area
        return None if area is None else self.width * area


@dataclass(frozen=True, repr=False)
class Mirror(_Moved):
    """slope(x) = derivative.slope(−x)."""

    derivative: Pointwise

    def inward(self, x: Tensor) -> Tensor:
        return -x


@dataclass(frozen=True, repr=False)
class Clip(_Changed):
    """slope(x) = derivative.slope(x), but low where it is below low and high where it is above."""

    derivative: Pointwise
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        require_bounds(self)

    def combine(self, slope: Any) -> Any:
        if isinstance(slope, Tensor):
            return slope.clamp(self.low, self.high)
        slope = slope if self.low is None else max(slope, self.low)
        return slope if self.high is None else min(slope, self.high)


@dataclass(frozen=True, repr=False)
class Normalise(_Changed):
    """slope(x) = derivative.slope(x) / m, m its area ∫ slope or its peak max |slope|.

    m is known in closed form for the shapes of the literature, their sums (area), multiples,
    shifts and stretches. For others it is computed once, in float64, from 2²⁰ points that lie
    dense at 0 and reach to ±10⁸: the area to about 1e-5, the peak at the best of them.

    Args:
        measure: "area" or "peak".

    Raises:
        ValueError: measure is neither; or, when it is first used, m is 0 or infinite, or it would
            have to be computed of what looks at other elements or is an estimate by noise.
    """

    derivative: Pointwise
    measure: str

    def __post_init__(self) -> None:
        require_choice(self, "measure", ("area", "peak"))

    def bind(self, function: Elementwise) -> Pointwise:
        bound = self.derivative.bind(function)
        assert isinstance(bound, Pointwise)
        if varies(bound):
            return Normalise(bound, self.measure)
        return Multiple(1 / _measure(bound, self.measure), bound)

    def combine(self, slope: Any) -> Any:
        return slope / _measure(self.derivative, self.measure)


def _measure(derivative: Pointwise, measure: str) -> Any:
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


def _is_estimate(derivative: Derivative) -> bool:
    return derivative.estimate or any(map(_is_estimate, derivative.parts().values()))


@lru_cache(maxsize=256)
def _measured(derivative: Pointwise, measure: str) -> float:
    """The same by the midpoint rule in t, where x = sinh(t): fine at 0, and far-reaching."""
    if varies(derivative):
        raise ValueError(
            f"normalise: the {measure} of {derivative!r} is not known in closed form, "
            "which varying numbers need"
        )
    if derivative.elementwise is False:
        raise ValueError(f"normalise: {derivative!r} at an element depends on the others")
    if _is_estimate(derivative):
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
