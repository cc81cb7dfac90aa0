"""How two sides of runs are compared, and when that settles a claim."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import surrogate
from experiments.analysis.findings.quantities import Quantity
from experiments.analysis.report.statistics import (
    FEW,
    bootstrap,
    by_rate,
    groups,
    mean,
    preference,
    score,
)
from experiments.runs.records import Record, records

BySeed = dict[int, float]


class Results:
    """The runs of all studies in a folder, each study in the folder of its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, list[Record]] = {}

    def study(self, name: str) -> list[Record]:
        """Its runs that have ended.

        Raises:
            ValueError: a result file is damaged.
        """
        if name not in self._read:
            found, problems = records(self.folder / name)
            if problems:
                raise ValueError("; ".join(problems))
            self._read[name] = found
        return self._read[name]


@dataclass(frozen=True)
class Side:
    """One side of a comparison: activations of a study.

    Args:
        study: its name.
        acts: the activations.
        choose: what stands for them: the "best" or the "worst" of them on the validation images,
            or the "mean" of all.
        lr: the learning rate; the best on the validation images if it is None.
    """

    study: str
    acts: tuple[str, ...]
    choose: str = "best"
    lr: float | None = None

    def runs(self, results: Results) -> dict[str, list[Record]]:
        """The runs that count, by activation."""
        found = results.study(self.study)
        metric = score([record.result for record in found])
        chosen = {}
        for act in self.acts:
            own = [record for record in found if record.result["act"] == act]
            if self.lr is not None:
                own = [r for r in own if r.result["config"]["optimizer"]["lr"] == self.lr]
            if own:
                rates = by_rate(groups([record.result for record in own], metric))
                best = min((group for rate in rates for group in rate), key=preference)
                kept = {id(result) for result in best.results}
                chosen[act] = preference(best), [r for r in own if id(r.result) in kept]
        if chosen and self.choose != "mean":
            pick = min if self.choose == "best" else max
            act = pick(chosen, key=lambda name: chosen[name][0])
            chosen = {act: chosen[act]}
        return {act: runs for act, (_, runs) in chosen.items()}

    def values(self, results: Results, quantity: Quantity) -> BySeed:
        """The quantity by seed; the mean (geometric, of a ratio) of several that all have it."""
        by_seed: dict[int, list[float]] = {}
        chosen = self.runs(results)
        for runs in chosen.values():
            for record in runs:
                value = quantity.of(record)
                if not math.isnan(value):
                    scaled = math.log(value) if quantity.ratio else value
                    by_seed.setdefault(record.result["seed"], []).append(scaled)
        return {seed: mean(each) for seed, each in by_seed.items() if len(each) == len(chosen)}

    def unfinished(self, results: Results) -> list[str]:
        """What did not finish of the runs that count: "4 of 5 runs of `relu` diverged"."""
        texts = []
        for act, runs in self.runs(results).items():
            ends = Counter(record.result["status"] for record in runs)
            texts += [
                f"{ends[end]} of {len(runs)} runs of `{act}` {end}"
                for end in ("diverged", "failed")
                if ends[end]
            ]
        return texts

    def text(self, results: Results) -> str:
        """The activations, and which one was chosen of several."""
        names = ", ".join(f"`{act}`" for act in self.acts)
        rate = "" if self.lr is None else f" at learning rate {self.lr:g}"
        if len(self.acts) == 1:
            return names + (rate or self._best_rate(results))
        if self.choose == "mean":
            return f"the mean of {names}{rate}"
        picked = "".join(f", which is `{act}`" for act in self.runs(results))
        return f"the {self.choose} of {names} on the validation images{picked}{rate}"

    def _best_rate(self, results: Results) -> str:
        """The learning rate that was chosen, where several were tried."""

        def rates(found: Sequence[Record]) -> set[float]:
            return {record.result["config"]["optimizer"]["lr"] for record in found}

        own = [each for each in results.study(self.study) if each.result["act"] in self.acts]
        if len(rates(own)) < 2:
            return ""
        (best,) = {rate for runs in self.runs(results).values() for rate in rates(runs)}
        return f" at its best learning rate on the validation images, {best:g}"


@dataclass(frozen=True)
class Measured:
    """A number by seed, its mean and the interval of that, as they are written.

    Args:
        values: by seed, in logarithms if it is a ratio.
        ratio: whether it is one.
    """

    values: BySeed
    ratio: bool

    @cached_property
    def mean(self) -> float:
        return self._back(mean(list(self.values.values())))

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """95 % bootstrap interval over the seeds; None for fewer than two."""
        found = bootstrap(list(self.values.values()))
        return found and (self._back(found[0]), self._back(found[1]))

    @cached_property
    def deviation(self) -> float:
        """Standard deviation over the seeds, as a difference or in logarithms; NaN for one."""
        values = list(self.values.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan

    def _back(self, value: float) -> float:
        return math.exp(value) if self.ratio else value


@dataclass(frozen=True)
class Comparison:
    """A quantity of one side over, or minus, that of the other, seed by seed.

    Without another side it is the quantity itself.
    """

    quantity: Quantity
    first: Side
    second: Side | None

    def measured(self, results: Results) -> Measured:
        own, *others = self.paired(results)
        differences = {
            seed: value - sum(other.values[seed] for other in others)
            for seed, value in own.values.items()
        }
        return Measured(differences, self.quantity.ratio)

    def paired(self, results: Results) -> list[Measured]:
        """Each side, of the seeds that all sides have."""
        sides = [side.values(results, self.quantity) for side in self.sides]
        seeds = sorted(set.intersection(*(set(side) for side in sides)))
        return [
            Measured({seed: side[seed] for seed in seeds}, self.quantity.ratio) for side in sides
        ]

    def noise(self, results: Results) -> tuple[float, float]:
        """∓ the standard deviation of the second side over its seeds."""
        assert self.second is not None
        other = Measured(self.second.values(results, self.quantity), self.quantity.ratio)
        spread = other.deviation
        return (math.exp(-spread), math.exp(spread)) if other.ratio else (-spread, spread)

    @property
    def sides(self) -> tuple[Side, ...]:
        return (self.first,) if self.second is None else (self.first, self.second)

    @property
    def studies(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(side.study for side in self.sides))

    def text(self, results: Results) -> str:
        studies = [f" in `{study}`" if len(self.studies) > 1 else "" for study in self.studies]
        to = "; as a ratio to that of " if self.quantity.ratio else "; minus that of "
        sides = [side.text(results) for side in self.sides]
        placed = [f"{side}{where}" for side, where in zip(sides, studies * 2, strict=False)]
        return f"{self.quantity.name}: of {to.join(placed)}"

    def figure(self, value: float) -> str:
        return (self.quantity.text if self.second is None else self.quantity.comparison)(value)


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation, over activations, of a quantity with the curvature of σ."""

    quantity: Quantity
    study: str
    acts: tuple[str, ...]

    def measured(self, results: Results) -> Measured:
        sides = {act: Side(self.study, (act,)).values(results, self.quantity) for act in self.acts}
        bent = {act: curvature(act) for act in self.acts}
        found: BySeed = {}
        for seed in sorted({seed for values in sides.values() for seed in values}):
            acts = [act for act in self.acts if seed in sides[act]]
            value = spearman([bent[act] for act in acts], [sides[act][seed] for act in acts])
            if len(acts) == len(self.acts) and not math.isnan(value):
                found[seed] = value
        return Measured(found, ratio=False)

    @property
    def studies(self) -> tuple[str, ...]:
        return (self.study,)

    def text(self, results: Results) -> str:
        names = ", ".join(f"`{act}`" for act in self.acts)
        return (
            f"Spearman's correlation of {self.quantity.name}, with the curvature E|σ''(x)| for "
            f"normal x, over {names}"
        )

    def figure(self, value: float) -> str:
        return f"{value:+.2f}".replace("-", "−")


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """The correlation of the ranks, ties at their mean rank; NaN where all of one are equal."""

    def ranks(values: Sequence[float]) -> NDArray[np.float64]:
        sample = np.asarray(values, np.float64)
        below = (sample[:, None] > sample).sum(1)
        return below + ((sample[:, None] == sample).sum(1) - 1) / 2

    a, b = ranks(first), ranks(second)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale else math.nan


GRID = torch.arange(-800, 801, dtype=torch.float64) / 100
DENSITY = torch.exp(-GRID.square() / 2) / math.sqrt(2 * math.pi)


def curvature(act: str) -> float:
    """E|σ''(x)| for x of the normal distribution N(0, 1): the kink of ReLU counts 0.399."""
    pair, h = surrogate.get(act), 0.01
    with torch.no_grad():
        bend = pair(GRID + h) - 2 * pair(GRID) + pair(GRID - h)
    return float((bend.abs() * DENSITY).sum() / h)


def normal_mean(act: str) -> float:
    """E σ(x) for x of the normal distribution N(0, 1)."""
    with torch.no_grad():
        return float((surrogate.get(act)(GRID) * DENSITY).sum() * 0.01)


@dataclass(frozen=True)
class Claimed:
    """Where a claim says that the figure is.

    Args:
        low: it is above this.
        high: it is below this.
        words: the same in words.
        noise: it is within ∓ the standard deviation of the second side over its seeds, instead.
    """

    low: float = -math.inf
    high: float = math.inf
    words: str = ""
    noise: bool = False


def verdict(interval: tuple[float, float] | None, claimed: tuple[float, float]) -> str:
    """Supported if the interval is inside what is claimed, refuted if outside, else undecided."""
    if interval is None:
        return "undecided"
    (low, high), (least, most) = interval, claimed
    if least < low and high < most:
        return "supported"
    return "refuted" if high < least or most < low else "undecided"


@dataclass(frozen=True)
class Claim:
    """Something that was claimed, and the comparison that settles it.

    Args:
        text: the claim.
        source: who claims it.
        comparison: what is measured.
        claimed: where the claim says that this is.
        caveat: what has to be kept in mind.
    """

    text: str
    source: str
    comparison: Comparison | Correlation
    claimed: Claimed
    caveat: str = ""

    def region(self, results: Results) -> tuple[float, float]:
        if self.claimed.noise and isinstance(self.comparison, Comparison):
            return self.comparison.noise(results)
        return self.claimed.low, self.claimed.high

    def verdict(self, results: Results) -> str:
        measured = self.comparison.measured(results)
        if not measured.values:
            return "not run yet"
        if len(measured.values) < FEW:
            return "undecided"
        return verdict(measured.interval, self.region(results))
