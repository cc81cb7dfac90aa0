"""The runs of a study by activation and learning rate, and how they compare with the baseline.

Runs of one seed start from the same weights and see the same images in the same order, so the
difference to the baseline is taken seed by seed. Of several learning rates each activation gets the
one with which most runs finished and, among these, the best mean on the validation images: nothing
is selected on the test images. A rate that was chosen is judged at other seeds than those that
chose it (`judged`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.analysis.report.inference import FEWEST, MARGIN, Difference, Sample, holm, mean
from experiments.common.files import flat
from experiments.runs.records import measured
from experiments.tasks.experiment import Measured

PILOT = 3  # seeds that choose a learning rate, where all rates have the same seeds

Result = Mapping[str, Any]


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
    def seeds(self) -> set[int]:
        """The seeds of all its runs, however these ended."""
        return {result["seed"] for result in self.results}

    def at(self, seeds: Collection[int]) -> Group:
        """Its runs at these seeds."""
        own = tuple(result for result in self.results if result["seed"] in seeds)
        return replace(self, results=own)

    @property
    def sample(self) -> Sample:
        """The metric by seed, of the runs that finished."""
        return Sample(self._by_seed(self.metric))

    @property
    def validation(self) -> Mapping[int, float]:
        """The number by which a learning rate is chosen, by seed: lower is better.

        It is the metric's counterpart on the validation images, or the experiment's if there is
        none.
        """
        experiment = measured(self.results[0])
        metric = self.metric if self.metric.startswith("test_") else experiment.score
        sign = -1 if experiment.higher_is_better(metric) else 1
        values = self._by_seed(metric.replace("test_", "val_", 1))
        return {seed: sign * value for seed, value in values.items()}

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric should be high rather than low."""
        return measured(self.results[0]).higher_is_better(self.metric)

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
        others: its runs at other learning rates, and those at the seeds that chose the best one.
        fresh: whether its runs are at other seeds than those that chose its learning rate.
    """

    group: Group
    difference: Difference | None
    others: tuple[Group, ...] = ()
    fresh: bool = True

    @property
    def edge(self) -> bool:
        """Whether its learning rate is the lowest or the highest of several."""
        rates = {self.group.lr, *(other.lr for other in self.others)}
        return len(rates) > 1 and self.group.lr in (min(rates), max(rates))


def experiment_of(results: Sequence[Result]) -> Measured | None:
    """The experiment of the results, if they are of one."""
    names = {result.get("experiment", "autoencoder") for result in results}
    return measured(results[0]) if len(names) == 1 else None


def score(results: Sequence[Result]) -> str:
    """The metric that they are compared by, if nothing else is asked for."""
    experiment = experiment_of(results)
    return experiment.score if experiment else "test_loss"


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
    """Those together that differ in their learning rate alone."""
    rates: dict[tuple[str, str, str], list[Group]] = {}
    for group in found:
        annealed = {k: v for k, v in group.settings.items() if k.startswith("anneal.")}
        rates.setdefault((group.act, comparable(group), str(annealed)), []).append(group)
    return list(rates.values())


def preference(group: Group) -> tuple[float, float, float]:
    """Lower for the learning rate to be preferred."""
    score = mean([*group.validation.values()]) if group.results else math.nan
    return -group.counts["finished"], math.inf if math.isnan(score) else score, group.lr


def judged(
    found: Sequence[Group], choose: Callable[[Sequence[Group]], Sequence[int]]
) -> tuple[list[Group], bool]:
    """The groups that are chosen, at seeds that did not choose them, and whether that is so.

    The seeds that all groups have choose. They do not judge if `FEWEST` others are left to do so,
    or else if only the first `PILOT` of them choose. Where too few are left the groups are whole.

    Args:
        found: the groups that there are to choose from.
        choose: which of them, by number, by what is in them.
    """
    shared = sorted(set.intersection(*(group.seeds for group in found)))
    for pilot in (shared, shared[:PILOT]) if shared else ():
        chosen = [found[index] for index in choose([group.at(pilot) for group in found])]
        fresh = [group.at(group.seeds.difference(pilot)) for group in chosen]
        if len(chosen) < len(found) and all(len(group.seeds) >= FEWEST for group in fresh):
            return fresh, True
    chosen = choose([group.at(shared) if shared else group for group in found])
    return [found[index] for index in chosen], len(chosen) == len(found)


def best(rates: Sequence[Group]) -> list[int]:
    """The number of the learning rate to be preferred."""
    return [min(range(len(rates)), key=lambda index: preference(rates[index]))]


def standings(results: Sequence[Result], baseline: str, metric: str) -> list[Standing]:
    """Each activation at its best learning rate, the best first, those without a number last."""
    found = []
    for rates in by_rate(groups(results, metric)):
        (group,), fresh = judged(rates, best)
        rest = [each.at(each.seeds - group.seeds) if each.settings is group.settings else each
                for each in rates]  # fmt: skip
        found.append(Standing(group, None, tuple(each for each in rest if each.results), fresh))
    references = {comparable(each.group): each for each in found if each.group.act == baseline}
    differences = [difference(each, references.get(comparable(each.group))) for each in found]
    tested = {index: each for index, each in enumerate(differences) if each and each.enough}
    for index, level in zip(tested, holm([each.p() for each in tested.values()]), strict=True):
        differences[index] = replace(tested[index], level=level)
    paired = zip(found, differences, strict=True)
    return sorted((replace(each, difference=own) for each, own in paired), key=order)


def order(standing: Standing) -> tuple[float, str, str]:
    """Lower for what comes first in the table."""
    group, score = standing.group, standing.group.sample.mean
    sign = -1 if group.higher_is_better else 1
    return math.inf if math.isnan(score) else sign * score, group.act, str(group.settings)


def difference(standing: Standing, reference: Standing | None) -> Difference | None:
    """To the baseline; None for the baseline itself and where no seed is shared."""
    if reference is None or reference is standing:
        return None
    own, other = standing.group.sample.values, reference.group.sample.values
    shared = [seed for seed in own if seed in other]
    if not shared:
        return None
    return Difference(
        {seed: own[seed] - other[seed] for seed in shared},
        fresh=standing.fresh and reference.fresh,
        margin=MARGIN * abs(mean([other[seed] for seed in shared])),
        seeds=len(standing.group.seeds & reference.group.seeds),
        higher_is_better=standing.group.higher_is_better,
    )


def differing_settings(found: Sequence[Group]) -> list[str]:
    """Names of the settings, except learning rates, in which groups differ."""
    names = dict.fromkeys(name for group in found for name in group.settings)
    return [
        name
        for name in names
        if name != "optimizer.lr" and len({str(group.settings.get(name)) for group in found}) > 1
    ]
