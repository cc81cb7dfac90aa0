"""The Cantor function ("devil's staircase") at a finite depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
import torch
from torch import Tensor

from surrogate.describe import require_choice, require_number
from surrogate.functions.base import Function, functions
from surrogate.tables import constant_table, look_up

DIGITS = 8  # ternary digits that one look-up reads


@functions.register
@dataclass(frozen=True, repr=False)
class Cantor(Function):
    """The staircase with 2^depth values, within 2^−depth of the Cantor function.

    Write the fractional part of x in base 3 with `depth` digits, drop those after the first 1,
    read every 2 as a 1, and take the result in base 2: c(x). Then y = ⌊x⌋ + c(x − ⌊x⌋), which
    stays within 1 of the identity; with `extend="clamp"` y is 0 below 0 and 1 above 1 instead.

    Derivative: 0 almost everywhere, at any depth (this is the step function; the piecewise-linear
    approximation of the Cantor function has slopes of 1.5^depth, and is not meant here).

    Exact for float32 input and below; float64 input is exact but for the rounding of x − ⌊x⌋.

    Args:
        depth: ternary digits, 1 to 16.
        extend: "repeat" or "clamp".
    """

    depth: int = 9
    extend: str = "repeat"

    def __post_init__(self) -> None:
        require_number(self, "depth", least=1, most=2 * DIGITS, integer=True)
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
        x = x.detach()
        if x.dtype == torch.float64:
            steps = torch.bucketize(
                x - whole.detach(), _jumps(x.dtype, x.device, self.depth), right=True
            )
            return whole + steps.clamp(max=2**self.depth - 1) / 2**self.depth
        # float32 holds 24 bits and each look-up uses up 13, so float64 holds every product exactly.
        return whole + self._read(x.double() - whole.detach()).to(x.dtype)

    def slope(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    def _read(self, part: Tensor) -> Tensor:
        """c(part), by one look-up for each 8 digits."""
        first = min(self.depth, DIGITS)
        rest = self.depth - first
        index, part = _leading_digits(part, first)
        value = look_up(_values(part.dtype, part.device, first), index)
        if rest == 0:
            return value
        ended = look_up(_has_one(torch.bool, part.device, first), index)
        index, _ = _leading_digits(part, rest)
        more = look_up(_values(part.dtype, part.device, rest), index) / 2**first
        return torch.where(ended, value, value + more)


def _leading_digits(part: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The first ternary digits of part, as one integer, and what is left of it after them."""
    scaled = part * 3**count
    # The clamp is for a part that was rounded up to 1, and for NaN.
    index = scaled.to(torch.int32).clamp(0, 3**count - 1)
    return index, scaled - index


@constant_table
def _values(count: int) -> np.ndarray:
    """c at each number of `count` ternary digits."""
    return np.array([_staircase(digits) for digits in product((0, 1, 2), repeat=count)])


@constant_table
def _has_one(count: int) -> np.ndarray:
    """Whether a 1 is among the digits, so that those that follow are dropped."""
    return np.array([1 in digits for digits in product((0, 1, 2), repeat=count)])


def _staircase(digits: tuple[int, ...]) -> float:
    value, weight = 0.0, 0.5
    for digit in digits:
        value += weight * (digit > 0)
        if digit == 1:
            break
        weight /= 2
    return value


@constant_table
def _jumps(depth: int) -> np.ndarray:
    """For each step but the lowest, the smallest float64 that lies on it or above."""
    return np.array([_jump(bits) for bits in list(product((0, 1), repeat=depth))[1:]])


def _jump(bits: tuple[int, ...]) -> float:
    """Where the value with these binary digits is reached: at their last 1 read as a 1, not a 2."""
    last = max(place for place, bit in enumerate(bits, start=1) if bit)
    exact = sum(Fraction(2 * bit, 3**place) for place, bit in enumerate(bits, start=1))
    exact -= Fraction(1, 3**last)
    nearest = float(exact)
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, 1)
