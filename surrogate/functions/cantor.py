"""The Cantor function ("devil's staircase") at a finite depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from surrogate.core.arithmetic import below
from surrogate.core.messages import require_choice, require_number
from surrogate.core.tables import constant_table, look_up
from surrogate.functions.base import PiecewiseConstant, functions

__all__ = ["Cantor"]

SHALLOW = 10  # the depth up to which a unit has few enough cells for a table
LEADING = 8  # digits that a table has where there are more


@functions.register
@dataclass(frozen=True, repr=False)
class Cantor(PiecewiseConstant):
    """The staircase with 2^depth values, within 2^−depth of the Cantor function.

    Write the fractional part of x in base 3 with `depth` digits, drop those after the first 1,
    read every 2 as a 1, and take the result in base 2: c(x). Then y = ⌊x⌋ + c(x − ⌊x⌋), which
    stays within 1 of the identity; with `extend="clamp"` y is 0 below 0 and 1 above 1 instead.

    Derivative: 0 almost everywhere, at any depth (this is the step function; the piecewise-linear
    approximation of the Cantor function has slopes of 1.5^depth, and is not meant here).

    Exact for every input up to depth 10, and for float32 at any depth; deeper, float64 input is
    exact but for the rounding of x − ⌊x⌋, and each value costs a binary search.

    Args:
        depth: ternary digits, 1 to 16.
        extend: "repeat" or "clamp".

    Source: Cantor 1884, for the limit of infinite depth.
    """

    depth: int = 9
    extend: str = "repeat"

    def __post_init__(self) -> None:
        require_number(self, "depth", least=1, most=16, integer=True)
        require_choice(self, "extend", ("repeat", "clamp"))

    @property
    def period(self) -> float | None:  # type: ignore[override]
        return 1.0 if self.extend == "repeat" else None

    @property
    def straight_outside(self) -> tuple[float, float] | None:  # type: ignore[override]
        return (0.0, 1.0) if self.extend == "clamp" else None

    def value(self, x: Tensor) -> Tensor:
        if self.extend == "clamp":
            x = x.clamp(0, 1)
        whole = torch.floor(x)  # through which autograd sees the derivative 0
        hidden = x.detach()
        if self.depth <= SHALLOW:
            return whole + self._from_cells(hidden)
        return whole + (self._by_search if x.dtype == torch.float64 else self._by_digits)(hidden)

    def _by_digits(self, x: Tensor) -> Tensor:
        """c of the fractional part of a float32: 8 digits, and then the rest of them.

        In float64 the products with powers of 3 are exact: they have 24 + 13 + 13 bits. Right below
        a whole number they have more, and are rounded far from any jump.
        """
        part = x.double()
        part = (part - part.floor()).clamp(max=1 - 2**-53)
        values, weights = _leading_digits(x.dtype, x.device, self)
        (rest,) = _last_digits(x.dtype, x.device, self)
        scaled = part * len(values)  # 3 to the number of digits
        place = scaled.floor()
        first, last = _index(place, values), _index((scaled - place) * len(rest), rest)
        return look_up(values, first) + look_up(weights, first) * look_up(rest, last)

    def _by_search(self, x: Tensor) -> Tensor:
        """c of the fractional part, by a binary search among the jumps."""
        part = x.double().contiguous()
        part = part - part.floor()
        steps = torch.bucketize(part, _jumps(part.dtype, part.device, self), right=True)
        return (steps / 2**self.depth).to(x.dtype)

    def _from_cells(self, x: Tensor) -> Tensor:
        """c of the fractional part.

        Each unit is cut into 2^m cells, narrower than the least distance of two jumps: a cell has
        one jump at most. Scaling by 2^m is exact, and so is the place within a cell, but in the
        last cell of each unit, which has no jump.
        """
        cells = 2 ** _cell_bits(self.depth)
        scaled = x * cells
        cell = torch.floor(scaled)
        # Of the cells of its own unit, so that the number fits; & for NaN, which is any integer.
        index = torch.sub(cell, torch.floor(x), alpha=cells).to(torch.int32) & (cells - 1)
        lower = look_up(_lower_value(x.dtype, x.device, self), index)
        jump = look_up(_jump_in_cell(x.dtype, x.device, self, x.dtype), index)
        return torch.add(lower, 1 - below(scaled - cell, jump), alpha=2.0**-self.depth)


def _index(place: Tensor, table: Tensor) -> Tensor:
    """Within range, also for NaN, which is any integer."""
    return place.to(torch.int32).clamp(0, len(table) - 1)


@constant_table
def _leading_digits(cantor: Cantor) -> np.ndarray:
    return _digits(LEADING)


@constant_table
def _last_digits(cantor: Cantor) -> np.ndarray:
    return _digits(cantor.depth - LEADING)[:1]


def _digits(count: int) -> np.ndarray:
    """For each number of so many ternary digits: its value, and the weight of what follows them.

    What follows a digit 1 has none.
    """
    value, weight = np.zeros(1), np.ones(1)
    for place in range(1, count + 1):
        half = weight * 2.0**-place
        value = np.stack([value, value + half, value + half], axis=-1).reshape(-1)
        weight = np.stack([weight, 0 * weight, weight], axis=-1).reshape(-1)
    return np.stack([value, weight * 2.0**-count])


def _cell_bits(depth: int) -> int:
    return (3**depth).bit_length()


@constant_table
def _lower_value(cantor: Cantor) -> np.ndarray:
    """The value of the staircase at the left end of each cell."""
    cells = 2 ** _cell_bits(cantor.depth)
    jumps = [float(jump) for jump in _exact_jumps(cantor.depth)]  # none is at the end of a cell
    return np.searchsorted(jumps, np.arange(cells) / cells) / 2**cantor.depth


@constant_table
def _jump_in_cell(cantor: Cantor, dtype: torch.dtype) -> np.ndarray:
    """Where in each cell, from 0 to 1, the first number on the upper step is; else 2."""
    cells = 2 ** _cell_bits(cantor.depth)
    places = np.full(cells, 2.0)
    for jump in _exact_jumps(cantor.depth):
        cell = math.floor(jump * cells)
        places[cell] = _rounded_up(jump * cells - cell, dtype)
    return places


@constant_table
def _jumps(cantor: Cantor) -> np.ndarray:
    """For each step but the lowest, the first float64 on it."""
    return np.array([_rounded_up(jump, torch.float64) for jump in _exact_jumps(cantor.depth)])


def _exact_jumps(depth: int) -> list[Fraction]:
    """The least x of each step but the lowest, in order.

    The value with the binary digits b is reached where the last 1 of b is read as a ternary 1 and
    those before it as 2.
    """
    jumps = []
    for step in range(1, 2**depth):
        trailing = (step & -step).bit_length() - 1
        digits = int(f"{step >> trailing:b}", 3)  # base 2 read in base 3: its 1s
        jumps.append(Fraction((2 * digits - 1) * 3**trailing, 3**depth))
    return jumps


def _rounded_up(exact: Fraction, dtype: torch.dtype) -> float:
    """The least number of the dtype that is not below."""
    kind = np.float32 if dtype == torch.float32 else np.float64
    nearest = kind(float(exact))
    return float(nearest if Fraction(float(nearest)) >= exact else np.nextafter(nearest, kind(2)))
