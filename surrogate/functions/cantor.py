"""The Cantor function ("devil's staircase") at a finite depth."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor

from surrogate.core.numbers import Limits
from surrogate.core.tables import constant_table, look_up
from surrogate.functions.base import PiecewiseConstant

SHALLOW = 10  # the depth up to which a unit has few enough cells for one table
LEADING = 8  # digits that a table has where there are more


class Cantor(PiecewiseConstant):
    """The staircase with 2^depth values, within 2^−depth of the Cantor function.

    Write the fractional part of x in base 3 with `depth` digits, drop those after the first 1,
    read every 2 as a 1, and take the result in base 2: c(x). Then y = ⌊x⌋ + c(x − ⌊x⌋), which
    stays within 1 of the identity; with `extend="clamp"` y is 0 below 0 and 1 above 1 instead.

    Derivative: 0 almost everywhere, at any depth (this is the step function; the piecewise-linear
    approximation of the Cantor function has slopes of 1.5^depth, and is not meant here).

    Exact for float32 at any depth; float64 input is exact but for the rounding of x − ⌊x⌋, and
    each of its values costs a binary search.

    Args:
        depth: ternary digits, 1 to 16.
        extend: "repeat" or "clamp".

    Source: Cantor 1884, for the limit of infinite depth.
    """

    depth: Annotated[int, Limits(integer=True, least=1, most=16)] = 9
    extend: Literal["repeat", "clamp"] = "repeat"
    period = property(lambda self: 1.0 if self.extend == "repeat" else None)
    straight_outside = property(lambda self: (0.0, 1.0) if self.extend == "clamp" else None)

    def value(self, x: Tensor) -> Tensor:
        if self.extend == "clamp":
            x = x.clamp(0, 1)
        whole = torch.floor(x)  # through which autograd sees the derivative 0
        if x.dtype != torch.float64 and self.depth <= SHALLOW:
            return whole + self._by_cell(x.detach(), whole.detach())
        part = x.detach().double() - whole.detach().double()
        return whole + (
            self._by_search(part) if x.dtype == torch.float64 else self._by_digits(part, x)
        )

    def _by_cell(self, x: Tensor, whole: Tensor) -> Tensor:
        """c by one look-up, in the cell of x among the 3^depth of a unit."""
        (values,) = _last_digits(x.dtype, x.device, self)
        cells = 3**self.depth  # and not the length of a tensor, which a compiler may make a symbol
        if torch.compiler.is_compiling():  # conversions to float64 take it half of its time
            index = cell_by_integers(x.float(), whole.float(), cells)
        else:  # exact, as the product has 24 + 16 bits
            index = ((x.double() - whole.double()) * cells).to(torch.int32)
        return look_up(values, index.clamp(0, cells - 1))  # NaN is any integer

    def _by_digits(self, part: Tensor, x: Tensor) -> Tensor:
        """c by two look-ups: 8 digits, and then the rest of them.

        In float64 the products with powers of 3 are exact: they have 24 + 13 + 13 bits. Right below
        a whole number they have more, and are rounded far from any jump.
        """
        part = part.clamp(max=1 - 2**-53)
        values, weights = _leading_digits(x.dtype, x.device, self)
        (rest,) = _last_digits(x.dtype, x.device, self)
        cells, finer = 3**LEADING, 3 ** (self.depth - LEADING)
        scaled = part * cells
        place = scaled.floor()
        first = place.to(torch.int32).clamp(0, cells - 1)
        last = ((scaled - place) * finer).to(torch.int32).clamp(0, finer - 1)
        return look_up(values, first) + look_up(weights, first) * look_up(rest, last)

    def _by_search(self, part: Tensor) -> Tensor:
        """c by a binary search among the jumps."""
        jumps = _jumps(part.dtype, part.device, self)
        return torch.bucketize(part.contiguous(), jumps, right=True) / 2**self.depth


def cell_by_integers(x: Tensor, whole: Tensor, cells: int) -> Tensor:
    """⌊(x − whole) · cells⌋ by multiplying 15 bits at a time, in integers of 32 bits.

    x · 2^15 and its remainders are exact. What follows these 30 bits is rounded, which for no
    float32 reaches the next cell of up to 3^10: `tests/test_functions.py` tries those next to every
    cell's end.
    """
    scaled = x * 2**15
    high = scaled.floor()
    rest = (scaled - high) * 2**15
    middle = rest.floor()
    carried = middle.to(torch.int32) * cells + ((rest - middle) * cells).to(torch.int32) >> 15
    return (high - whole * 2**15).to(torch.int32) * cells + carried >> 15


@constant_table
def _leading_digits(cantor: Cantor) -> np.ndarray:
    return _digits(LEADING)


@constant_table
def _last_digits(cantor: Cantor) -> np.ndarray:
    """The values of what follows the leading digits; of all of them, where they have no table."""
    return _digits(cantor.depth - LEADING if cantor.depth > SHALLOW else cantor.depth)[:1]


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


@constant_table
def _jumps(cantor: Cantor) -> np.ndarray:
    """For each step but the lowest, the first float64 on it."""
    return np.array([_rounded_up(jump) for jump in _exact_jumps(cantor.depth)])


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


def _rounded_up(exact: Fraction) -> float:
    """The least float64 that is not below."""
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else float(np.nextafter(nearest, 2))
