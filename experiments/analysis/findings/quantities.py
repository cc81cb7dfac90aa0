"""What is measured of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.analysis.report.inference import mean
from experiments.runs.published import Cells
from experiments.runs.records import Record


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
            form = ".3f" if 0.01 <= value < 100 else ".3g"
            return f"× {value:{form}}".replace("-", "−")
        unit = " points" if self.unit == " %" else self.unit
        return f"{value:+{self.form}}{unit}".replace("-", "−")


def finished(name: str, scale: float = 1.0) -> Callable[[Record], float]:
    """That number of result.json, of runs that finished."""

    def of(record: Record) -> float:
        value = record.result.get(name) if record.result["status"] == "finished" else None
        return math.nan if value is None else scale * value

    return of


def of_curve(of: Callable[[NDArray[np.float64]], float]) -> Callable[[Record], float]:
    """A number of log(test loss) by epoch, of runs that finished: others have a shorter curve."""

    def of_record(record: Record) -> float:
        if record.result["status"] != "finished":
            return math.nan
        return of(np.log([row["loss/test"] for row in record.rows]))

    return of_record


def rises(curve: NDArray[np.float64]) -> float:
    return float(np.diff(curve).clip(min=0).sum())


def diverged(record: Record) -> float:
    """100 or 0; a run that failed, say on a full disk, says nothing."""
    ends = {"diverged": 100.0, "finished": 0.0}
    return ends.get(record.result["status"], math.nan)


def layers(record: Record, last: bool) -> list[Cells]:
    """The rows of its layers before the first epoch or after the last, a row per site."""
    rows = record.layers or []
    epoch = max((row["epoch"] for row in rows), default=0) if last else 0
    return [row for row in rows if row["epoch"] == epoch]


def first_to_last_gradient(record: Record) -> float:
    sites = layers(record, last=False)
    return sites[0]["gradient_out"] / sites[-1]["gradient_out"] if sites else math.nan


def dead(record: Record, last: bool = True) -> float:
    sites = layers(record, last)
    neurons = sum(site["neurons"] for site in sites)
    return 100 * sum(site["dead"] for site in sites) / neurons if neurons else math.nan


def died(record: Record) -> float:
    return dead(record) - dead(record, last=False)


def off_centre(record: Record) -> float:
    return mean([abs(site["mean"]) for site in layers(record, last=True)])


TEST_LOSS = Quantity("test loss", finished("test_loss"), ".5f", ratio=True)
SPEED = Quantity("test loss, as the geometric mean over the epochs",
                 of_curve(lambda curve: math.exp(curve.mean())), ".5f", ratio=True)  # fmt: skip
STEPS_BACK = Quantity("steps back: the sum of all rises of log(test loss)", of_curve(rises))
ACCURACY = Quantity("test accuracy", finished("test_accuracy", 100), ".2f", " %")
LOST = Quantity("runs that diverged", diverged, ".0f", " %")
GRADIENT = Quantity("gradient at the first site over that at the last, before training",
                    first_to_last_gradient, ".3g", ratio=True)  # fmt: skip
DEAD = Quantity("dead neurons after training", dead, ".2f", " %")
DIED = Quantity("dead neurons after training, less those before", died, ".2f", " %")
OFF_CENTRE = Quantity("|mean output| of a site, the mean over sites, after training", off_centre)
