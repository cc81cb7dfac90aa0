"""The loss curves of runs, as the page draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.analysis.report.figures import labels, line_styles, unit
from experiments.analysis.report.statistics import score, standings
from experiments.runs.records import Record

BASELINE = "linear"


def losses(found: Sequence[Record]) -> list[dict[str, Any]]:
    """For each experiment its activations at their best learning rates, the best first.

    Of each, by epoch: the mean over seeds of the logarithm of the test loss, and its standard
    deviation; an epoch counts the seeds that got there.
    """
    by_experiment: dict[str, list[Record]] = {}
    for record in found:
        name = record.result.get("experiment", "autoencoder")
        by_experiment.setdefault(name, []).append(record)
    return [
        {
            "experiment": name,
            "unit": unit([record.result for record in own]),
            "curves": _curves(own),
        }
        for name, own in by_experiment.items()
    ]


def _curves(found: Sequence[Record]) -> list[dict[str, Any]]:
    results = [record.result for record in found]
    rows = {id(record.result): record.rows for record in found}
    chosen = [standing.group for standing in standings(results, BASELINE, score(results))]
    styles = line_styles([group.act for group in chosen], BASELINE)
    curves = []
    for name, group in zip(labels(chosen), chosen, strict=True):
        logs: dict[float, list[float]] = {}
        for result in group.results:
            for row in rows[id(result)]:
                if row["loss/test"] > 0:
                    logs.setdefault(row["epoch"], []).append(math.log(row["loss/test"]))
        if logs:
            epochs = sorted(logs)
            curves.append(
                {
                    "name": name,
                    "seeds": len(group.results),
                    "style": styles[group.act],
                    "epochs": epochs,
                    "mean": [float(np.mean(logs[epoch])) for epoch in epochs],
                    "deviation": [
                        float(np.std(each, ddof=1)) if len(each := logs[epoch]) > 1 else 0.0
                        for epoch in epochs
                    ],
                }
            )
    return curves
