"""What is measured of runs, how two sides are compared, and when that settles a claim."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import surrogate
from experiments.files import LARGEST_TABLE, read_text
from experiments.report.statistics import FEW, bootstrap, by_rate, groups, mean, preference, score
from experiments.runs import Record, records

BySeed = dict[int, float]


@dataclass(frozen=True)
class Quantity:
    """A number of a run.

    Args:
        name: in words.
        of: its value; NaN where the run has none.
        form: how it is written.
        unit: behind it.
        ratio: whether two of them are compared by their ratio; else by their difference.
    """

    name: str
    of: Callable[[Record], float]
    form: str = ".3f"
    unit: str = ""
    ratio: bool = False

    def text(self, value: float) -> str:
        return f"{value:{self.form}}{self.unit}".replace("-", "−")

    def comparison(self, value: float) -> str:
        """A ratio, or a difference with its sign."""
        if self.ratio:
            return f"× {value:.3f}" if value < 100 else f"× {value:.3g}"
        unit = " points" if self.unit == " %" else self.unit
        return f"{value:+{self.form}}{unit}".replace("-", "−")


def finished(name: str, scale: float = 1.0) -> Callable[[Record], float]:
    """That number of result.json, of runs that finished."""

    def of(record: Record) -> float:
        value = record.result.get(name) if record.result["status"] == "finished" else None
        return math.nan if value is None else scale * value

    return of


def log_losses(record: Record) -> NDArray[np.float64]:
    return np.log([row["loss/test"] for row in record.rows])


def speed(record: Record) -> float:
    return math.exp(log_losses(record).mean())


def steps_back(record: Record) -> float:
    return float(np.diff(log_losses(record)).clip(min=0).sum())


def layers(record: Record, last: bool) -> list[dict[str, float]]:
    """The rows of layers.csv before the first epoch or after the last, a row per site."""
    path = record.directory / "layers.csv"
    if not path.exists():
        return []
    table = csv.DictReader(io.StringIO(read_text(path, LARGEST_TABLE), newline=""))
    try:
        rows = [
            {name: float(text) for name, text in row.items() if name != "site"} for row in table
        ]
        epoch = max((row["epoch"] for row in rows), default=0) if last else 0
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise ValueError(f"{path} is damaged: {error!r}") from None
    return [row for row in rows if row["epoch"] == epoch]


def first_to_last_gradient(record: Record) -> float:
    sites = layers(record, last=False)
    return sites[0]["gradient_out"] / sites[-1]["gradient_out"] if sites else math.nan


def dead(record: Record) -> float:
    sites = layers(record, last=True)
    neurons = sum(site["neurons"] for site in sites)
    return 100 * sum(site["dead"] for site in sites) / neurons if neurons else math.nan


def off_centre(record: Record) -> float:
    return mean([abs(site["mean"]) for site in layers(record, last=True)])


TEST_LOSS = Quantity("test loss", finished("test_loss"), ".5f", ratio=True)
SPEED = Quantity("test loss, as the geometric mean over the epochs", speed, ".5f", ratio=True)
STEPS_BACK = Quantity("steps back: the sum of all rises of log(test loss)", steps_back)
ACCURACY = Quantity("test accuracy", finished("test_accuracy", 100), ".2f", " %")
LOST = Quantity("runs that diverged", lambda r: 100.0 * (r.result["status"] != "finished"),
                ".0f", " %")  # fmt: skip
GRADIENT = Quantity("gradient at the first site over that at the last, before training",
                    first_to_last_gradient, ".3g", ratio=True)  # fmt: skip
DEAD = Quantity("dead neurons after training", dead, ".2f", " %")
OFF_CENTRE = Quantity("|mean output| of a site, the mean over sites, after training", off_centre)


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
        """The quantity by seed; of several activations the mean (geometric, of a ratio)."""
        by_seed: dict[int, list[float]] = {}
        for runs in self.runs(results).values():
            for record in runs:
                value = quantity.of(record)
                if not math.isnan(value):
                    scaled = math.log(value) if quantity.ratio else value
                    by_seed.setdefault(record.result["seed"], []).append(scaled)
        return {seed: mean(values) for seed, values in by_seed.items()}

    def text(self, results: Results) -> str:
        """The activations, and which one was chosen of several."""
        names = ", ".join(f"`{act}`" for act in self.acts)
        rate = "" if self.lr is None else f" at learning rate {self.lr:g}"
        if len(self.acts) == 1:
            return names + rate
        if self.choose == "mean":
            return f"the mean of {names}{rate}"
        picked = "".join(f", which is `{act}`" for act in self.runs(results))
        return f"the {self.choose} of {names} on the validation images{picked}{rate}"


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
        own = self.first.values(results, self.quantity)
        if self.second is None:
            return Measured(own, self.quantity.ratio)
        other = self.second.values(results, self.quantity)
        differences = {seed: own[seed] - other[seed] for seed in sorted(own) if seed in other}
        return Measured(differences, self.quantity.ratio)

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
