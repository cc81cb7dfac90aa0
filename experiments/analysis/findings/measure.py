"""How two sides of runs are compared, and what that says of a claim."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import binomtest, rankdata

import surrogate
from experiments.analysis.findings.quantities import LOST, Quantity
from experiments.analysis.report.inference import FEWEST, Sample, holm, mean
from experiments.analysis.report.statistics import Group, groups, judged, preference, score
from experiments.runs.published import study_in
from experiments.runs.records import Record, records


class Results:
    """The runs of all studies in a folder, each in the file or the folder of its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, list[Record]] = {}

    def study(self, name: str) -> list[Record]:
        """Its runs that have ended.

        Raises:
            ValueError: a result file is damaged.
        """
        if name not in self._read:
            found, problems = records(study_in(self.folder, name))
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

    def groups(self, results: Results) -> tuple[list[Group], bool]:
        """The runs that count, by activation, and whether other seeds chose them (`judged`)."""
        found = [record.result for record in results.study(self.study)]
        own = [result for result in found if result["act"] in self.acts]
        if self.lr is not None:
            own = [result for result in own if result["config"]["optimizer"]["lr"] == self.lr]
        return judged(groups(own, score(found)), self._choice) if own else ([], True)

    def _choice(self, found: Sequence[Group]) -> list[int]:
        """The best learning rate of each activation, or of the best or worst of them."""
        by_act: dict[str, list[int]] = {}
        for index, group in enumerate(found):
            by_act.setdefault(group.act, []).append(index)

        def place(index: int) -> tuple[float, float, float]:
            return preference(found[index])

        chosen = [min(own, key=place) for own in by_act.values()]
        if self.choose == "mean":
            return chosen
        return [(min if self.choose == "best" else max)(chosen, key=place)]

    def sample(self, results: Results, quantity: Quantity) -> Sample:
        """The quantity by seed; the mean (geometric, of a ratio) of several that all have it."""
        by_seed: dict[int, list[float]] = {}
        chosen, fresh = self.groups(results)
        records = {id(record.result): record for record in results.study(self.study)}
        for result in (result for group in chosen for result in group.results):
            value = quantity.of(records[id(result)])
            if not math.isnan(value):
                scaled = math.log(value) if quantity.ratio else value
                by_seed.setdefault(result["seed"], []).append(scaled)
        values = {seed: mean(own) for seed, own in by_seed.items() if len(own) == len(chosen)}
        return Sample(values, fresh)

    def unfinished(self, results: Results) -> list[str]:
        """What did not finish of the runs that count: "4 of 5 runs of `relu` diverged"."""
        return [
            f"{group.counts[end]} of {len(group.results)} runs of `{group.act}` {end}"
            for group in self.groups(results)[0]
            for end in ("diverged", "failed")
            if group.counts[end]
        ]

    def text(self, results: Results) -> str:
        """The activations, and which one was chosen of several."""
        names = ", ".join(f"`{act}`" for act in self.acts)
        rate = "" if self.lr is None else f" at learning rate {self.lr:g}"
        if len(self.acts) == 1:
            return names + (rate or self._best_rate(results))
        if self.choose == "mean":
            return f"the mean of {names}{rate}"
        picked = "".join(f", which is `{group.act}`" for group in self.groups(results)[0])
        return f"the {self.choose} of {names} on the validation images{picked}{rate}"

    def _best_rate(self, results: Results) -> str:
        """The learning rate that was chosen, where several were tried."""
        own = [each for each in results.study(self.study) if each.result["act"] in self.acts]
        if len({each.result["config"]["optimizer"]["lr"] for each in own}) < 2:
            return ""
        (best,) = self.groups(results)[0]
        return f" at its best learning rate on the validation images, {best.lr:g}"


@dataclass(frozen=True)
class Measured(Sample):
    """A number by seed, its mean and the interval of that, as they are written.

    Args:
        ratio: whether it is a ratio, of which the values are the logarithms.
        counted: whether a value is 100, 0 or −100, for what happened on one side alone. The test is
            McNemar's, against 0, and the interval goes with it: that of Clopper and Pearson.
    """

    ratio: bool = False
    counted: bool = False

    @property
    def mean(self) -> float:
        return self.written(super().mean)

    @property
    def singles(self) -> list[float]:
        return [self.written(value) for value in self.values.values()]

    def interval(self, level: float) -> tuple[float, float]:
        if not self.counted:
            low, high = super().interval(level)
            return self.written(low), self.written(high)
        first, either = self._counts
        if not either:
            return -100.0, 100.0
        share = binomtest(first, either).proportion_ci(1 - level)
        scale = 100 * either / len(self.values)
        return scale * (2 * share.low - 1), scale * (2 * share.high - 1)

    def p(self, at: float = 0.0) -> float:
        if not self.counted:
            return super().p(math.log(at) if self.ratio else at)
        first, either = self._counts
        return float(binomtest(first, either).pvalue) if either else 1.0

    @property
    def _counts(self) -> tuple[int, int]:
        """At how many seeds it happened on the first side alone, and on one side alone."""
        counts = Counter(self.values.values())
        return counts[100.0], counts[100.0] + counts[-100.0]

    def written(self, value: float) -> float:
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
        counted = self.quantity is LOST and self.second is not None
        return Measured(differences, own.fresh, ratio=self.quantity.ratio, counted=counted)

    def paired(self, results: Results) -> list[Measured]:
        """Each side, of the seeds that all sides have."""
        samples = [side.sample(results, self.quantity) for side in self.sides]
        seeds = sorted(set.intersection(*(set(each.values) for each in samples)))
        fresh = all(each.fresh for each in samples)
        return [
            Measured({seed: each.values[seed] for seed in seeds}, fresh, ratio=self.quantity.ratio)
            for each in samples
        ]

    def noise(self, results: Results) -> tuple[float, float]:
        """∓ the standard deviation of the second side over its seeds."""
        assert self.second is not None
        spread = self.second.sample(results, self.quantity).deviation
        spread = math.nan if spread is None else spread
        return (math.exp(-spread), math.exp(spread)) if self.quantity.ratio else (-spread, spread)

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
        samples = [Side(self.study, (act,)).sample(results, self.quantity) for act in self.acts]
        bent = [curvature(act) for act in self.acts]
        found: dict[int, float] = {}
        for seed in sorted(set.intersection(*(set(each.values) for each in samples))):
            value = spearman(bent, [each.values[seed] for each in samples])
            if not math.isnan(value):
                found[seed] = value
        return Measured(found, all(each.fresh for each in samples))

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
    if len({*first}) < 2 or len({*second}) < 2:
        return math.nan
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


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


def verdict(interval: tuple[float, float], claimed: tuple[float, float]) -> str:
    """Supported if the interval is inside what is claimed, refuted if outside, else undecided."""
    (low, high), (least, most) = interval, claimed
    if least < low and high < most:
        return "supported"
    return "refuted" if high < least or most < low else "undecided"


@dataclass(frozen=True)
class Claim:
    """Something that was claimed, and the comparison that decides it.

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


@dataclass(frozen=True)
class Outcome:
    """What came out of a claim.

    Args:
        claim: the claim.
        measured: the figure, at the level at which Holm's method tests it among the other claims.
        region: where the claim says that it is.
    """

    claim: Claim
    measured: Measured
    region: tuple[float, float]

    @property
    def p(self) -> float:
        """Of the test against the limits of the region: what decides has to exclude all of them."""
        limits = [limit for limit in self.region if math.isfinite(limit)]
        return max((self.measured.p(limit) for limit in limits), default=1.0)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The confidence interval of the figure; None where nothing is judged."""
        return self.measured.interval(self.measured.level) if self.measured.enough else None

    @property
    def verdict(self) -> str:
        if not self.measured.values:
            return "not run yet"
        if self.interval is not None:
            return verdict(self.interval, self.region)
        n = len(self.measured.values)
        why = f"{n} seed{'s' * (n > 1)}" if n < FEWEST else "chosen at the same seeds"
        return f"no verdict: {why}"


def outcomes(claims: Sequence[Claim], results: Results) -> list[Outcome]:
    """What came out of the claims, with Holm's correction over those that can be decided."""
    found = [
        Outcome(claim, claim.comparison.measured(results), claim.region(results))
        for claim in claims
    ]
    tested = [index for index, each in enumerate(found) if each.measured.enough]
    levels = holm([found[index].p for index in tested])
    for index, level in zip(tested, levels, strict=True):
        found[index] = replace(found[index], measured=replace(found[index].measured, level=level))
    return found
