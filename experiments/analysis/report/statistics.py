"""What several seeds say: means, paired differences to the baseline, and which are settled.

Runs of one seed start from the same weights and see the same images in the same order, so the
difference to the baseline is taken seed by seed, and the interval of its mean is bootstrapped over
the seeds, made wider for few of them (`tail`). Of several learning rates each activation gets the
one with which most runs finished and, among these, the best mean on the validation images: nothing
is selected on the test images.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.files import flat
from experiments.runs.records import measured
from experiments.tasks.experiment import Measured

RESAMPLES = 10_000
FEW = 5  # fewer seeds than these give a rough interval

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """The mean difference to the baseline over the seeds that both have.

    Args:
        values: the difference at each of these seeds.
        mean: of them.
        interval: 95 % bootstrap interval of the mean; None for a single seed.
    """

    values: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None

    @property
    def settled(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]

    @property
    def rough(self) -> bool:
        return 1 < len(self.values) < FEW


@dataclass(frozen=True)
class Group:
    """The runs that differ in nothing but the seed.

    Args:
        act: their activation.
        settings: all that they share, by dotted names.
        results: one for each run that has ended.
        metric: the number that counts.
    """

    act: str
    settings: Mapping[str, Any]
    results: tuple[Result, ...]
    metric: str

    @property
    def lr(self) -> float:
        """The learning rate; NaN where there is none."""
        return self.settings.get("optimizer.lr", math.nan)

    @property
    def values(self) -> dict[int, float]:
        """The metric by seed, of the runs that finished."""
        return self._by_seed(self.metric)

    @property
    def validation(self) -> dict[int, float]:
        """The metric's counterpart on the validation images, by seed."""
        return self._by_seed(self.metric.replace("test_", "val_", 1))

    @property
    def mean(self) -> float:
        """NaN where no run finished."""
        return mean(list(self.values.values()))

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (of a sample: n − 1)."""
        values = list(self.values.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else None

    @property
    def counts(self) -> Counter[str]:
        """Runs by how they ended."""
        return Counter(result["status"] for result in self.results)

    def _by_seed(self, name: str) -> dict[int, float]:
        return {
            result["seed"]: result[name]
            for result in self.results
            if result["status"] == "finished" and result.get(name) is not None
        }


@dataclass(frozen=True)
class Standing:
    """An activation at its best learning rate, and how it compares with the baseline at its own.

    Args:
        group: its runs.
        difference: None for the baseline itself, and where there is nothing to compare with.
        others: its runs at other learning rates.
    """

    group: Group
    difference: Difference | None
    others: tuple[Group, ...] = ()


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def experiment_of(results: Sequence[Result]) -> Measured | None:
    """The experiment of the results, if they are of one."""
    names = {result.get("experiment", "autoencoder") for result in results}
    return measured(results[0]) if len(names) == 1 else None


def score(results: Sequence[Result]) -> str:
    """The metric that they are compared by, if nothing else is asked for."""
    experiment = experiment_of(results)
    return experiment.score if experiment else "test_loss"


def higher_is_better(metric: str) -> bool:
    return metric.endswith("accuracy")


def groups(results: Sequence[Result], metric: str) -> list[Group]:
    """The results, those together that differ in nothing but the seed."""
    found: dict[str, tuple[str, dict[str, Any], list[Result]]] = {}
    for result in results:
        settings = flat(result["config"])
        key = str((result["act"], sorted(settings.items(), key=str)))
        found.setdefault(key, (result["act"], settings, []))[2].append(result)
    return [
        Group(act, settings, tuple(sorted(own, key=lambda each: each["seed"])), metric)
        for act, settings, own in found.values()
    ]


def comparable(group: Group) -> str:
    """Equal for groups that may be compared: all settings but the learning rate are the same.

    The baseline is never annealed, so that is no difference from it.
    """
    return str(
        sorted(
            (name, value)
            for name, value in group.settings.items()
            if name != "optimizer.lr" and not name.startswith("anneal.")
        )
    )


def several_rates(found: Sequence[Group]) -> bool:
    return len({str(group.lr) for group in found}) > 1


def by_rate(found: Sequence[Group]) -> list[list[Group]]:
    """Those together that differ in their learning rate alone, the best one first."""
    rates: dict[tuple[str, str, str], list[Group]] = {}
    for group in found:
        annealed = {k: v for k, v in group.settings.items() if k.startswith("anneal.")}
        rates.setdefault((group.act, comparable(group), str(annealed)), []).append(group)
    return [sorted(each, key=preference) for each in rates.values()]


def preference(group: Group) -> tuple[float, float, float]:
    """Lower for the learning rate to be preferred."""
    score = mean(list(group.validation.values()))
    if math.isnan(score):
        score = math.inf
    elif higher_is_better(group.metric):
        score = -score
    return -len(group.values), score, group.lr


def standings(results: Sequence[Result], baseline: str, metric: str) -> list[Standing]:
    """Each activation at its best learning rate, the best first, those without a number last."""
    rates = by_rate(groups(results, metric))
    references = {comparable(best): best for best, *_ in rates if best.act == baseline}
    sign = -1 if higher_is_better(metric) else 1

    def order(standing: Standing) -> tuple[float, str, str]:
        group = standing.group
        score = math.inf if math.isnan(group.mean) else sign * group.mean
        return score, group.act, str(group.settings)

    found = [
        Standing(best, difference(best, references.get(comparable(best))), tuple(others))
        for best, *others in rates
    ]
    return sorted(found, key=order)


def differing_settings(found: Sequence[Group]) -> list[str]:
    """Names of the settings, except learning rates, in which groups differ."""
    names = dict.fromkeys(name for group in found for name in group.settings)
    return [
        name
        for name in names
        if name != "optimizer.lr" and len({str(group.settings.get(name)) for group in found}) > 1
    ]


def difference(group: Group, reference: Group | None) -> Difference | None:
    """Of a group to the baseline; None for the baseline itself and where no seed is shared."""
    if reference is None or reference is group:
        return None
    own, other = group.values, reference.values
    values = [own[seed] - other[seed] for seed in own if seed in other]
    if not values:
        return None
    return Difference(tuple(values), mean(values), bootstrap(values))


def bootstrap(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % interval of the mean, over resamples of the values; the same each time.

    The resamples are all n^n of few values, and `RESAMPLES` random ones of more.
    """
    n = len(values)
    if n < 2:
        return None
    if n**n <= RESAMPLES:
        indices = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        indices = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    sample: NDArray[np.float64] = np.asarray(values, np.float64)
    low, high = np.quantile(sample[indices].mean(axis=1), [tail(n), 1 - tail(n)])
    return float(low), float(high)


def tail(n: int) -> float:
    """The share of the resamples that is beyond each end of the interval: Φ(−t √(n/(n − 1))).

    With the usual 2.5 % the interval of five normal values would hold their true mean in 83 of 100
    cases, with this in 92. Resampled means spread √((n − 1)/n) times too little, and their normal
    quantile is less than t, the 97.5 % quantile of Student's t of n − 1 degrees of freedom: this
    makes up for both (Hesterberg 2014, arXiv 1411.5279, "expanded percentile"). The series of t is
    that of Abramowitz and Stegun, 26.7.5.
    """
    z, v = NormalDist().inv_cdf(0.975), n - 1
    t = (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
    return NormalDist().cdf(-t * math.sqrt(n / v))
