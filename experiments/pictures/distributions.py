"""Distributions of an activation's input, by the text that names them: `normal(0, 1)`."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from surrogate.core.numbers import FixedNumber, FixedPositive, Limits
from surrogate.core.parts import Part, described_fields
from surrogate.core.registry import Registry
from surrogate.text import read_call

__all__ = ["Distribution", "distribution", "distributions"]


def distribution(text: str) -> Distribution:
    """The distribution that a text stands for.

    Raises:
        ValueError: it is no such thing; the message points at the place.

    >>> distribution("uniform(-3, 3)")
    uniform(low=-3, high=3)
    """
    known = ", ".join(distributions)
    return read_call(text, distributions, f"a distribution, such as normal(0, 1) (one of: {known})")


class Distribution(Part, register=False):
    """Numbers to draw; prints as text that reads back."""

    registry: ClassVar[Registry[Any]] = Registry("distribution")

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """That many numbers."""

    def sample(self, count: int, seed: int) -> Tensor:
        """That many numbers, the same for the same seed, in float64."""
        return torch.from_numpy(self.draw(np.random.default_rng(seed), count))

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()}({described_fields(self)})"


class Normal(Distribution, name="normal"):
    """Density exp(−(x − mean)² / 2std²) / (std √2π)."""

    mean: FixedNumber
    std: FixedPositive

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.normal(self.mean, self.std, count)


class Uniform(Distribution, name="uniform"):
    """Density 1 / (high − low) between low and high."""

    low: FixedNumber
    high: Annotated[float, Limits(above="low", fixed=True)]

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.uniform(self.low, self.high, count)


class Laplace(Distribution, name="laplace"):
    """Density exp(−|x − mean| / scale) / (2 · scale)."""

    mean: FixedNumber
    scale: FixedPositive

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.laplace(self.mean, self.scale, count)


class Student(Distribution, name="student"):
    """Student's t: heavier tails than any normal distribution, the heavier the fewer degrees."""

    degrees: FixedPositive

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.standard_t(self.degrees, count)


class Exponential(Distribution, name="exponential"):
    """Density exp(−x / scale) / scale above 0: what is left of 0 is never met."""

    scale: FixedPositive

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.exponential(self.scale, count)


class Bimodal(Distribution, name="bimodal"):
    """One of two normal distributions, with the means −distance / 2 and distance / 2."""

    distance: FixedPositive
    std: FixedPositive

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        side = random.choice([-0.5, 0.5], count)
        return random.normal(self.distance * side, self.std)


distributions = Distribution.registry
