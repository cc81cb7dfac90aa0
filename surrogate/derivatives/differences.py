"""Slopes that are made of a function's values nearby, far out where differences lose all digits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from surrogate.core.arithmetic import above
from surrogate.core.numbers import Number, varies
from surrogate.core.tables import constant_table
from surrogate.functions.base import Elementwise, Function


def difference(function: Elementwise, x: Tensor, radius: Number) -> Tensor:
    """The rise of the function over a box around x."""
    return function(x + radius) - function(x - radius)


def slope_far_out(slope: Elementwise, function: Elementwise, x: Tensor, reach: Number) -> Tensor:
    """slope(x), if it follows from the values of the function from x − reach to x + reach.

    Where the function is straight around x it is that of the nearest point that sees the same
    line. Where the function repeats there is no limit at ±inf, unless the slope is constant: it is
    the mean slope there.
    """
    straight_outside = getattr(function, "straight_outside", None)
    if straight_outside is not None:
        low, high = straight_outside
        return slope(x.clamp(low - 2 * reach, high + 2 * reach))
    if isinstance(function, Function) and function.period:
        largest = torch.finfo(x.dtype).max
        infinite = above(x.abs(), largest)
        if varies(function):
            ends = x.new_ones(()) * function.period * torch.arange(2, device=x.device)
            mean = (function(ends).diff() / function.period).to(x.dtype)
        else:
            (mean,) = mean_slope(x.dtype, x.device, function)
        return torch.lerp(slope(x.clamp(-largest, largest)), mean, infinite)
    return slope(x)


@constant_table
def mean_slope(function: Function) -> np.ndarray:
    """Of a function that repeats: the rise over a period, for each unit of x; one number."""
    assert function.period
    ends = torch.tensor([0.0, function.period], dtype=torch.float64)
    return function(ends).diff().numpy() / function.period
