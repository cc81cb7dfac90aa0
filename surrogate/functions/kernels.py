"""The kernels that `Blurred` convolves with: even densities of area 1."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from surrogate.core.numbers import Positive
from surrogate.core.parts import Part
from surrogate.core.registry import Registry
from surrogate.functions.arithmetic import below, nan_where_nan


class Kernel(Part, register=False):
    """k(u) = shape(u / width) / width, an even density of area 1."""

    registry: ClassVar[Registry[Any]] = Registry("kernel")
    width: Positive

    reach: ClassVar[float]  # beyond reach · width the area is below the rounding of float64
    peak: ClassVar[float]  # width · k(0)
    # For linear interpolation between nodes; more if the density has corners.
    nodes_per_width: ClassVar[int] = 64

    def density(self, u: Tensor) -> Tensor:
        """k(u)."""
        return self.shape(u / self.width) / self.width

    def cumulative(self, u: Tensor) -> Tensor:
        """The area of k left of u."""
        return self.area(u / self.width)

    def characteristic(self, frequency: float, like: Tensor) -> Tensor:
        """∫ k(u) cos(frequency · u) du: by which factor a wave is damped."""
        return self.damping(like.new_ones(()) * (frequency * self.width))

    @abstractmethod
    def shape(self, v: Tensor) -> Tensor:
        """The density for width 1."""

    @abstractmethod
    def area(self, v: Tensor) -> Tensor:
        """Its integral from −∞ to v."""

    @abstractmethod
    def damping(self, frequency: Tensor) -> Tensor:
        """Its Fourier transform (angular frequency)."""

    @abstractmethod
    def radius(self, level: float) -> float:
        """The v ≥ 0 at which the density has fallen to level · density(0), 0 < level ≤ 1."""


class Box(Kernel):
    """1 / width for |u| < width / 2: width is the full width."""

    reach = 0.5
    peak = 1.0

    def shape(self, v: Tensor) -> Tensor:
        return nan_where_nan(v, below(v.abs(), 0.5))

    def area(self, v: Tensor) -> Tensor:
        return (v + 0.5).clamp(0, 1)

    def damping(self, frequency: Tensor) -> Tensor:
        return torch.sinc(frequency / (2 * math.pi))

    def radius(self, level: float) -> float:
        return 0.5


class Triangle(Kernel):
    """(1 − |u| / width) / width for |u| < width: width is half the base, and the full width at
    half the height."""

    reach = 1.0
    peak = 1.0
    nodes_per_width = 1024

    def shape(self, v: Tensor) -> Tensor:
        return (1 - v.abs()).clamp(min=0)

    def area(self, v: Tensor) -> Tensor:
        v = v.clamp(-1, 1)
        return 0.5 + v - 0.5 * v * v.abs()

    def damping(self, frequency: Tensor) -> Tensor:
        return torch.sinc(frequency / (2 * math.pi)) ** 2

    def radius(self, level: float) -> float:
        return 1 - level


class Gaussian(Kernel):
    """The normal density: width is its standard deviation σ."""

    reach = 8.5
    peak = 1 / math.sqrt(2 * math.pi)

    def shape(self, v: Tensor) -> Tensor:
        return torch.exp(-0.5 * v * v) * Gaussian.peak

    def area(self, v: Tensor) -> Tensor:
        return 0.5 * torch.erfc(-v / math.sqrt(2))

    def damping(self, frequency: Tensor) -> Tensor:
        return torch.exp(-0.5 * frequency**2)

    def radius(self, level: float) -> float:
        return math.sqrt(-2 * math.log(level))


class Logistic(Kernel):
    """s'(u / width) / width, s the logistic sigmoid: width is its scale."""

    reach = 40.0
    peak = 0.25

    def shape(self, v: Tensor) -> Tensor:
        return torch.sigmoid(v) * torch.sigmoid(-v)

    def area(self, v: Tensor) -> Tensor:
        return torch.sigmoid(v)

    def damping(self, frequency: Tensor) -> Tensor:
        angle = math.pi * frequency
        return angle / torch.sinh(angle)

    def radius(self, level: float) -> float:
        return 2 * math.acosh(1 / math.sqrt(level))


KERNELS: dict[str, type[Kernel]] = {name.lower(): Kernel.registry[name] for name in Kernel.registry}
