"""The table of audits: a line per activation and epoch, over the seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from experiments.analysis.audit.files import Audited
from surrogate.diagnostics.check.report import aligned

Quantity = Callable[[Audited, int], float]


def fall(length: float) -> Quantity:
    """What a step of that length makes the loss fall by, as a share of the promise."""

    def of(found: Audited, epoch: int) -> float:
        for step, promised, fell, _ in found.of_epoch("steps", epoch):
            if step == length and fell is not None:
                return fell / promised if promised else math.nan
        return math.nan

    return of


def total(name: str) -> Quantity:
    """A number of the total."""
    return lambda found, epoch: found.column(name, epoch)[0]


def bound(found: Audited, epoch: int) -> float:
    value = found.of_epoch("bound", epoch)[0]
    return math.nan if value is None else value


STEP = 0.1  # about that of Adam with the learning rate 0.001 and ten thousand parameters

QUANTITIES: dict[str, Quantity] = {
    "cosine, true": total("cosine"),
    "norm / true": total("ratio"),
    "signs": total("signs"),
    "cosine, smoothed, at least": bound,
    "kept": total("kept"),
    "signal/noise": total("signal_to_noise"),
    f"fall / promise, step {STEP:g}": fall(STEP),
}


def by_act(found: Sequence[Audited]) -> dict[str, list[Audited]]:
    groups: dict[str, list[Audited]] = {}
    for each in found:
        groups.setdefault(each.act, []).append(each)
    return groups


def epochs_of(found: Sequence[Audited]) -> list[int]:
    """All that any of them has."""
    return sorted({epoch for each in found for epoch in each.epochs})


def over_seeds(found: Sequence[Audited], quantity: Quantity, epoch: int) -> list[float]:
    """The values of a quantity, of those that have the epoch and a number for it."""
    values = [quantity(each, epoch) for each in found if epoch in each.epochs]
    return [value for value in values if not math.isnan(value)]


def mean_and_deviation(values: Sequence[float]) -> str:
    """0.52 ± 0.03, of a sample; an en dash where there is none."""
    if not values:
        return "–"
    if not all(map(math.isfinite, values)):
        return "∞"
    text = f"{np.mean(values):.3g}"
    return text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.1g}"


def lines(found: Sequence[Audited], epochs: Sequence[int] | None = None) -> list[list[str]]:
    """The table's header and lines, of all epochs or some."""
    table = [["activation", "seeds", "epoch", *QUANTITIES]]
    for act, own in by_act(found).items():
        for epoch in epochs_of(own):
            if epochs is None or epoch in epochs:
                figures = (over_seeds(own, each, epoch) for each in QUANTITIES.values())
                seeds = sum(epoch in each.epochs for each in own)
                cells = map(mean_and_deviation, figures)
                table.append([act, str(seeds), str(epoch), *cells])
    return table


def table(found: Sequence[Audited]) -> str:
    return aligned(lines(found))
