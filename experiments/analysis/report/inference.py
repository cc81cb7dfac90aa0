"""What can be said of a mean over seeds: Student's t, Holm's correction, and the words for it.

The bootstrap is not used: with 10 seeds the 95 % intervals of `scipy.stats.bootstrap` (BCa) hold
the true mean of normal values in 90 of 100 cases.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # Student's t: a third of the time to import scipy.stats

FEWEST = 6  # seeds: nothing is judged with fewer
LEVEL = 0.05
MARGIN = 0.02  # of the baseline's mean: a smaller difference is none


def interval_of(values: ArrayLike, level: float = LEVEL) -> tuple[NDArray[Any], NDArray[Any]]:
    """The 1 − level confidence interval of the mean, along the last axis."""
    sample = np.asarray(values, np.float64)
    n = sample.shape[-1]
    half = stdtrit(n - 1, 1 - level / 2) * sample.std(-1, ddof=1) / math.sqrt(n)
    return sample.mean(-1) - half, sample.mean(-1) + half


def p_of(values: ArrayLike, at: float = 0.0) -> NDArray[Any]:
    """The p-value of the two-sided t-test of the mean against a number, along the last axis."""
    sample = np.asarray(values, np.float64)
    n, off = sample.shape[-1], sample.mean(-1) - at
    with np.errstate(divide="ignore", invalid="ignore"):  # of values that are all the same
        t = np.abs(off) * math.sqrt(n) / sample.std(-1, ddof=1)
    return np.where(off == 0, 1.0, 2 * stdtr(n - 1, -t))


def holm(p_values: Sequence[float]) -> list[float]:
    """The level at which Holm's method tests each of the p-values.

    The least of m is tested at `LEVEL` / m, the next at `LEVEL` / (m − 1) and so on, until one is
    above its level, which then stands for all the others too. So a p-value is significant exactly
    if it is at most its level.

    >>> holm([0.03, 0.001, 0.04])
    [0.025, 0.016666666666666666, 0.025]
    """
    levels = [LEVEL] * len(p_values)
    level, going = LEVEL, True
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        level = LEVEL / (len(p_values) - rank) if going else level
        going = going and p_values[index] <= level
        levels[index] = level
    return levels


def mean(values: Sequence[float]) -> float:
    """NaN of nothing."""
    return float(np.mean(values)) if values else math.nan


@dataclass(frozen=True)
class Sample:
    """A number at each of several seeds.

    Args:
        values: by seed.
        fresh: whether the seeds are others than those at which something was chosen.
        level: at which the mean is tested, with Holm's correction.
    """

    values: Mapping[int, float]
    fresh: bool = True
    level: float = LEVEL

    @property
    def mean(self) -> float:
        return mean([*self.values.values()])

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (of a sample: n − 1)."""
        values = [*self.values.values()]
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def enough(self) -> bool:
        """Whether its mean can be judged."""
        return self.fresh and len(self.values) >= FEWEST

    def interval(self, level: float) -> tuple[float, float]:
        """The 1 − level confidence interval of the mean."""
        low, high = interval_of([*self.values.values()], level)
        return float(low), float(high)

    def p(self, at: float = 0.0) -> float:
        """The p-value of the test of the mean against a number."""
        return float(p_of([*self.values.values()], at))


class Judgement(NamedTuple):
    """A word, and the confidence interval of the difference that it is read from.

    The level is Holm's, with which the interval of "better" and "worse" leaves out 0 and that of
    "open" has it; the interval of "same" is inside the margin, and its level is twice `LEVEL`,
    which makes it two one-sided tests at `LEVEL`.
    """

    word: str
    interval: tuple[float, float]
    level: float


@dataclass(frozen=True)
class Difference(Sample):
    """The difference to the baseline over the seeds at which both finished.

    Args:
        margin: the size from which a difference counts.
        seeds: how many seeds both were run at.
        higher_is_better: whether a positive difference is good.
    """

    margin: float = 0.0
    seeds: int = 0
    higher_is_better: bool = False

    @property
    def judgement(self) -> Judgement | None:
        """None where there is none."""
        if not self.enough:
            return None
        interval = self.interval(self.level)
        if not interval[0] <= 0 <= interval[1]:
            better = (self.mean > 0) == self.higher_is_better
            return Judgement("better" if better else "worse", interval, self.level)
        low, high = self.interval(2 * LEVEL)
        if -self.margin < low and high < self.margin:
            return Judgement("same", (low, high), 2 * LEVEL)
        return Judgement("open", interval, self.level)
