"""Waves, smooth and with corners or jumps; fixed noise. NaN at ±inf, where there is no limit."""

from __future__ import annotations

import random
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from surrogate.core.numbers import FixedPositive, Limits, Positive
from surrogate.core.tables import constant_table, look_up
from surrogate.functions.arithmetic import below, choose, divisible, nan_where_nan
from surrogate.functions.base import Function, PiecewiseConstant
from surrogate.functions.kernels import Kernel

LATTICE_POINTS = 256


class Sin(Function):
    """sin(x). Derivative: cos(x).

    Source: Sitzmann et al. 2020 (arXiv 2006.09661).
    """

    native: ClassVar[bool] = True
    period: ClassVar[Any] = 2 * torch.pi

    def value(self, x: Tensor) -> Tensor:
        return torch.sin(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.cos(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return torch.cos(x) * kernel.characteristic(1.0, x)


class Snake(Function):
    """x + sin²(frequency · x) / frequency. Derivative: 1 + sin(2 · frequency · x).

    It never falls, and goes to ±inf with x; there the derivative has no limit and is NaN.

    Source: Ziyin et al. 2020 (arXiv 2006.08195).
    """

    frequency: Positive = 1.0
    period = property(lambda self: torch.pi / self.frequency)

    def value(self, x: Tensor) -> Tensor:
        y = x + torch.sin(self._angle(x)) ** 2 / self.frequency
        return torch.where(x.isinf(), x, y)

    def slope(self, x: Tensor) -> Tensor:
        angle = self._angle(x)
        return 1 + 2 * torch.sin(angle) * torch.cos(angle)

    def _angle(self, x: Tensor) -> Tensor:
        return divisible(x, 1 / self.frequency) * self.frequency


def _phase(x: Tensor, period: float) -> Tensor:
    """x / period less the whole turns, from −½ up to but not including ½."""
    turns = torch.fmod(divisible(x, period), period) / period  # exact, however large x is
    part = turns - torch.round(turns)
    return part - (1 - below(part, 0.5))


class TriangleWave(Function):
    """Straight lines between −1 and 1, through the origin and rising there.

    With the phase t = x / period, less its whole turns, in [−½, ½):

        y  = 4t                if |t| < ¼, else 2 · sign(t) − 4t
        y' = 4 / period        if |t| < ¼, else −4 / period (also at both corners)

    The default period gives slopes of ±1.
    """

    period: Positive = 4.0  # type: ignore[assignment]

    def value(self, x: Tensor) -> Tensor:
        t = _phase(x, self.period)
        return choose(below(t.abs(), 0.25), 4 * t, 2 * torch.sign(t) - 4 * t)

    def slope(self, x: Tensor) -> Tensor:
        rising = below(_phase(x, self.period).abs(), 0.25)
        return (8 * rising - 4) / self.period


class SquareWave(PiecewiseConstant):
    """1 for x in the first half of each period, −1 in the second. Derivative: 0 almost everywhere.

    The halves are [0, period / 2) and [period / 2, period): at a jump the value to its right holds.
    """

    period: Positive = 4.0  # type: ignore[assignment]
    inner: ClassVar[tuple[str, ...]] = ("period",)
    stretched_by: ClassVar[str] = "period"

    def value(self, x: Tensor) -> Tensor:
        t = _phase(x, self.period)
        return nan_where_nan(t, 1 - 2 * below(t, 0))


class SawtoothWave(Function):
    """2t with the phase t = x / period, less its whole turns, in [−½, ½). Derivative: 2 / period.

    It rises through the origin from −1 to 1 and falls at once at odd multiples of period / 2,
    where the value is −1 and the derivative still 2 / period.
    """

    period: Positive = 4.0  # type: ignore[assignment]

    def value(self, x: Tensor) -> Tensor:
        return 2 * _phase(x, self.period)

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x) * (2 / self.period)


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
