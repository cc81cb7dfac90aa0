"""Distributions of an activation's input, by the text that names them: `normal(0, 1)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from surrogate.core.messages import described_fields, require_number
from surrogate.registry import Registry
from surrogate.text import read_call

__all__ = ["Distribution", "distribution", "distributions"]

distributions: Registry[type] = Registry("distribution")


def distribution(text: str) -> Distribution:
    """The distribution that a text stands for.

    Raises:
        ValueError: it is no such thing; the message points at the place.

    >>> distribution("uniform(-3, 3)")
    uniform(low=-3, high=3)
    """
    known = ", ".join(distributions)
    return read_call(text, distributions, f"a distribution, such as normal(0, 1) (one of: {known})")


@dataclass(frozen=True, repr=False)
class Distribution(ABC):
    """Numbers to draw; prints as text that reads back."""

    @abstractmethod
    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        """That many numbers."""

    def sample(self, count: int, seed: int) -> Tensor:
        """That many numbers, the same for the same seed, in float64."""
        return torch.from_numpy(self.draw(np.random.default_rng(seed), count))

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()}({described_fields(self)})"


@dataclass(frozen=True, repr=False)
class Normal(Distribution):
    """Density exp(−(x − mean)² / 2std²) / (std √2π)."""

    mean: float
    std: float

    def __post_init__(self) -> None:
        require_number(self, "mean")
        require_number(self, "std", above=0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.normal(self.mean, self.std, count)


@dataclass(frozen=True, repr=False)
class Uniform(Distribution):
    """Density 1 / (high − low) between low and high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        require_number(self, "low")
        require_number(self, "high", above=self.low)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.uniform(self.low, self.high, count)


@dataclass(frozen=True, repr=False)
class Laplace(Distribution):
    """Density exp(−|x − mean| / scale) / (2 · scale)."""

    mean: float
    scale: float

    def __post_init__(self) -> None:
        require_number(self, "mean")
        require_number(self, "scale", above=0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.laplace(self.mean, self.scale, count)


@dataclass(frozen=True, repr=False)
class Student(Distribution):
    """Student's t: heavier tails than any normal distribution, the heavier the fewer degrees."""

    degrees: float

    def __post_init__(self) -> None:
        require_number(self, "degrees", above=0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.standard_t(self.degrees, count)


@dataclass(frozen=True, repr=False)
class Exponential(Distribution):
    """Density exp(−x / scale) / scale above 0: what is left of 0 is never met."""

    scale: float

    def __post_init__(self) -> None:
        require_number(self, "scale", above=0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        return random.exponential(self.scale, count)


@dataclass(frozen=True, repr=False)
class Bimodal(Distribution):
    """One of two normal distributions, with the means −distance / 2 and distance / 2."""

    distance: float
    std: float

    def __post_init__(self) -> None:
        require_number(self, "distance", above=0)
        require_number(self, "std", above=0)

    def draw(self, random: np.random.Generator, count: int) -> np.ndarray:
        side = random.choice([-0.5, 0.5], count)
        return random.normal(self.distance * side, self.std)


for kind in (Normal, Uniform, Laplace, Student, Exponential, Bimodal):
    distributions.register(kind, kind.__name__.lower())
