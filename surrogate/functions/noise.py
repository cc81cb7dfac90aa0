"""Fixed noise as a function: arbitrary, but the same every time."""

from __future__ import annotations

import random
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from surrogate.core.numbers import FixedPositive, Limits
from surrogate.core.tables import constant_table, look_up
from surrogate.functions.arithmetic import divisible
from surrogate.functions.base import Function

LATTICE_POINTS = 256


class PerlinNoise(Function):
    """One-dimensional value noise: a fixed random array, joined by smoothstep curves.

    With the lattice position p = resolution · x, i = ⌊p⌋, t = p − i and the random values vᵢ
    from U(−1, 1):

        y  = vᵢ + (vᵢ₊₁ − vᵢ) · (3t² − 2t³)
        y' = resolution · (vᵢ₊₁ − vᵢ) · 6t(1 − t)

    The array has 256 values and repeats, so every finite x has a value, and they depend on the
    seed alone: they are the same on every device, in every dtype and after every reload. NaN at
    ±inf, where there is no limit.

    Args:
        resolution: lattice points per unit of x.
        seed: of the array.

    Source: Perlin 1985 for lattice noise; "a random array with smoothstep interpolation".
    """

    resolution: FixedPositive = 1.0
    seed: Annotated[int, Limits(integer=True, least=0)] = 0

    period = property(lambda self: LATTICE_POINTS / self.resolution)

    def value(self, x: Tensor) -> Tensor:
        left, rise, t = self._cell(x)
        return t * t * (3 - 2 * t) * rise + left  # t first: it has the memory layout of x

    def slope(self, x: Tensor) -> Tensor:
        _, rise, t = self._cell(x)
        return t * (1 - t) * (6 * self.resolution * rise)

    def _cell(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The value at the left end of x's cell, the rise to the right end, and the place in it."""
        position = divisible(x, 1 / self.resolution) * self.resolution
        lattice = torch.floor(position.detach())
        index = lattice - LATTICE_POINTS * torch.floor(lattice / LATTICE_POINTS)
        index = index.to(torch.int32) & (LATTICE_POINTS - 1)  # for NaN, which is any integer
        values, rises = _lattice(x.dtype, x.device, self)
        return look_up(values, index), look_up(rises, index), position - lattice


@constant_table
def _lattice(noise: PerlinNoise) -> np.ndarray:
    """Values and rises to the next value; multiples of 2⁻²⁰, so exact in float32 and float64."""
    uniform = random.Random(noise.seed).random
    values = np.array([round((2 * uniform() - 1) * 2**20) / 2**20 for _ in range(LATTICE_POINTS)])
    return np.stack([values, np.roll(values, -1) - values])
