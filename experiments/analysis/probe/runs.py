"""Runs with a probe, read back, and the numbers that are made of what it recorded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from experiments.common.files import flat
from experiments.runs.records import records
from surrogate.training.recording import Distribution, Recording, SiteRecord

HALF = 0.5  # the share of the samples that the preferred region has
NORMAL = 1.349  # the width of that of a normal distribution, in standard deviations
COARSE = 2  # bins that are taken together where densities are compared: 0.1 wide at 0


@dataclass(frozen=True, eq=False)
class Probed:
    """A run with a probe.

    Args:
        act: its activation.
        seed: of it.
        lr: its learning rate.
        recording: what the probe recorded.
    """

    act: str
    seed: int
    lr: float
    recording: Recording

    @property
    def first(self) -> int:
        return self.recording.epochs[0]

    @property
    def last(self) -> int:
        return self.recording.epochs[-1]

    def over_sites(self, quantity: str, epoch: int) -> Distribution:
        return self.recording.distribution(quantity, epochs=[epoch])

    def number(self, name: str, epoch: int | None = None) -> float:
        """One of `NUMBERS`, at an epoch; at the last one if none is given."""
        return NUMBERS[name].of(self, self.last if epoch is None else epoch)


def read(paths: Iterable[Path]) -> tuple[list[Probed], list[str]]:
    """The runs with a probe that have ended, of folders and of studies' files; and what is wrong.

    A run that is in several of them counts once.
    """
    found: dict[tuple[Path, int | None], Probed] = {}
    problems: list[str] = []
    for path in paths:
        own, wrong = records(path)
        problems += wrong
        probed = [record for record in own if record.probe is not None]
        if not probed:
            problems.append(f"no finished run with a probe in {path}: was it made with --probe?")
        for record in probed:
            try:
                recording = record.recording()
            except (ValueError, OSError) as error:
                problems.append(str(error))
                continue
            result = record.result
            lr = flat(result["config"]).get("optimizer.lr", math.nan)
            if recording.epochs:
                run = Probed(result["act"], result["seed"], lr, recording)
                found[record.place.resolve(), record.line] = run
            else:
                problems.append(f"{record.place}: no epoch has been recorded of {record.name}")
    return sorted(found.values(), key=lambda run: (run.lr, run.seed)), problems


def by_act(runs: Iterable[Probed]) -> dict[str, list[Probed]]:
    """The runs of each activation."""
    groups: dict[str, list[Probed]] = {}
    for run in runs:
        groups.setdefault(run.act, []).append(run)
    return groups


def rates(runs: Iterable[Probed]) -> list[float]:
    return sorted({run.lr for run in runs})


def middle_rate(runs: Iterable[Probed]) -> float:
    """The learning rate that stands for the others where only one is shown."""
    known = rates(runs)
    return known[len(known) // 2]


def preferred(distribution: Distribution) -> tuple[float, float]:
    """The narrowest interval with half of the values."""
    starts = np.linspace(0, 1 - HALF, 201)
    lows, highs = distribution.quantiles(starts), distribution.quantiles(starts + HALF)
    narrowest = int(np.argmin(highs - lows))
    return float(lows[narrowest]), float(highs[narrowest])


def narrowness(distribution: Distribution) -> float:
    """The width of that interval, over that of a normal distribution of the same deviation."""
    low, high = preferred(distribution)
    return (high - low) / (NORMAL * distribution.std) if distribution.std else math.nan


def off_centre(distribution: Distribution) -> float:
    """|mean| in standard deviations."""
    return abs(distribution.mean) / distribution.std if distribution.std else math.nan


def overlap(one: Distribution, other: Distribution) -> float:
    """The share that two densities have in common: 1 if they are the same, 0 if apart."""
    shares = []
    for each in (one, other):
        whole = np.add.reduceat(each.counts, np.arange(0, len(each.counts), COARSE))
        shares.append(whole / max(each.finite, 1))
    return float(np.minimum(*shares).sum())


def common(one: Probed, other: Probed, quantity: str, epochs: tuple[int, int]) -> float:
    """The overlap of a quantity at two epochs of two runs, the mean over the sites."""
    values = [
        overlap(
            one.recording.record(site, epochs[0]).distributions[quantity],
            other.recording.record(site, epochs[1]).distributions[quantity],
        )
        for site in one.recording.sites
    ]
    return float(np.mean(values))


def over_epochs(runs: Sequence[Probed]) -> list[float]:
    """What the inputs of the first and of the last epoch have in common, run by run."""
    return [common(run, run, "input", (run.first, run.last)) for run in runs]


def over_seeds(runs: Sequence[Probed]) -> list[float]:
    """What the inputs of the last epoch have in common, of any two seeds at a learning rate."""
    return _between(runs, lambda one, two: one.lr == two.lr and one.seed != two.seed)


def over_rates(runs: Sequence[Probed]) -> list[float]:
    """What the inputs of the last epoch have in common, of the extreme learning rates of a seed."""
    extremes = {rates(runs)[0], rates(runs)[-1]}
    return _between(
        runs,
        lambda one, two: one.seed == two.seed and one.lr != two.lr and {one.lr, two.lr} == extremes,
    )


def _between(runs: Sequence[Probed], paired: Callable[[Probed, Probed], bool]) -> list[float]:
    return [
        common(one, two, "input", (one.last, two.last))
        for one, two in combinations(runs, 2)
        if paired(one, two) and one.recording.sites == two.recording.sites
    ]


def decades(distribution: Distribution) -> tuple[float, float]:
    """Median of log₁₀|value|, of the values that are not 0, and how many decades hold 90 % of them.

    To the width of a bin, a quarter of a decade.
    """
    edges, counts = distribution.edges, distribution.counts
    half = len(edges) // 2
    # Both signs: the counts above each positive edge, and their mirror image below 0.
    size = counts[half + 1 :] + counts[half - 1 :: -1]
    if not size.sum():
        return math.nan, math.nan
    share = np.concatenate([[0], size.cumsum() / size.sum()])
    ends = np.log10(np.append(edges[half:], edges[-1] * 10**0.25))
    low, median, high = np.interp([0.05, 0.5, 0.95], share, ends)
    return float(median), float(high - low)


def positive(distribution: Distribution) -> float:
    """The share of those above 0 among the values on both sides of its bin."""
    half = len(distribution.edges) // 2
    below, above = distribution.counts[:half].sum(), distribution.counts[half + 1 :].sum()
    return float(above / (below + above)) if below + above else math.nan


@dataclass(frozen=True)
class Number:
    """A number of a run at an epoch.

    Args:
        title: what it is.
        of: its value.
        form: how it is written.
    """

    title: str
    of: Callable[[Probed, int], float]
    form: str = ".2f"


def _over_sites(quantity: str, of: Callable[[Distribution], float]) -> Callable[..., float]:
    return lambda run, epoch: of(run.over_sites(quantity, epoch))


def _mean_over_sites(of: Callable[[SiteRecord], float]) -> Callable[[Probed, int], float]:
    def mean(run: Probed, epoch: int) -> float:
        records = [run.recording.record(site, epoch) for site in run.recording.sites]
        known = [value for record in records if not math.isnan(value := of(record))]
        return float(np.mean(known)) if known else math.nan

    return mean


def _inputs(of: Callable[[Distribution], float]) -> Callable[[Probed, int], float]:
    return _mean_over_sites(lambda record: of(record.distributions["input"]))


NUMBERS = {
    "mean": Number("mean of x", _over_sites("input", lambda x: x.mean)),
    "std": Number("std of x", _over_sites("input", lambda x: x.std)),
    "low": Number("half of x from", _over_sites("input", lambda x: preferred(x)[0])),
    "high": Number("to", _over_sites("input", lambda x: preferred(x)[1])),
    "narrowness": Number("narrowness", _inputs(narrowness)),
    "off_centre": Number("off 0", _inputs(off_centre)),
    "near_zero": Number("σ(x) ≈ 0", _over_sites("output", lambda y: y.share("near_zero")), ".0%"),
    "dead": Number("dead", _mean_over_sites(lambda record: record.dead_share), ".1%"),
    "saturated": Number("saturated", _mean_over_sites(lambda r: r.saturated_share), ".0%"),
    "derivative": Number("reported", _over_sites("derivative", lambda d: d.mean)),
    "zero": Number("of it 0", _over_sites("derivative", lambda d: d.share("zero")), ".0%"),
    "no_gradient": Number(
        "∂L/∂x is 0", _over_sites("gradient_in", lambda g: g.share("zero")), ".0%"
    ),
    "positive": Number("else above 0", _over_sites("gradient_in", positive), ".0%"),
    "gradient": Number("log₁₀", _over_sites("gradient_in", lambda g: decades(g)[0])),
    "decades": Number("decades", _over_sites("gradient_in", lambda g: decades(g)[1])),
}


def mean_and_deviation(values: Sequence[float], form: str) -> str:
    """`1.25 ± 0.03`, the deviation that of a sample; without it for one value, – for none."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "–"
    text = format(float(np.mean(known)), form)
    if len(known) > 1:
        text += f" ± {float(np.std(known, ddof=1)):{form}}"
    return text.replace("-", "−")
