"""What the figures of a study draw."""

from __future__ import annotations

import math
import statistics as python_statistics

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.analysis.report.figures import bands, ranking
from experiments.analysis.report.statistics import groups, standings
from tests.experiments.test_report_study import seeds


def test_the_bands_are_the_geometric_mean_and_deviation():
    losses = [[0.4, 0.1], [0.2, 0.05], [0.3]]  # the third ended after an epoch
    results = seeds("relu", [each[-1] for each in losses])
    rows = {
        id(result): [
            {"epoch": float(epoch), "loss/test": loss} for epoch, loss in enumerate(each, start=1)
        ]
        for result, each in zip(results, losses, strict=True)
    }
    axes = Figure().subplots()
    bands(axes, groups(results, "test_loss"), rows, "linear")
    (line,) = axes.get_lines()
    expected = [python_statistics.geometric_mean(each) for each in ([0.4, 0.2, 0.3], [0.1, 0.05])]
    assert np.asarray(line.get_ydata()) == pytest.approx(expected)
    (band,) = axes.collections
    heights = np.asarray(band.get_paths()[0].vertices)[:, 1]
    spread = python_statistics.stdev([math.log(0.1), math.log(0.05)])
    for sign in (-1, 1):
        limit = expected[1] * math.exp(sign * spread)
        assert np.abs(heights - limit).min() < 1e-12


def test_the_line_of_the_ranking_meets_that_of_the_baseline_unless_it_is_judged_to_differ():
    """Also where seeds are missing, with which the means alone would differ otherwise."""
    losses = [*[0.1, 0.2, 0.3] * 3, 0.9]
    other = [loss + 0.02 * (-1) ** seed for seed, loss in enumerate(losses[:8])]
    less = [loss - 0.01 - 0.001 * (-1) ** seed for seed, loss in enumerate(losses)]
    results = [*seeds("linear", losses), *seeds("relu", other), *seeds("gelu", less)]
    axes = Figure().subplots()
    ranked = standings(results, "linear", "test_loss")
    ranking(axes, ranked, "linear")
    zero = np.mean(losses)
    lines = {
        ranked[round(y[0])].group.act: x
        for x, y in (np.asarray(line.get_data()) for line in axes.get_lines())
        if len(x) == 2 and y[0] == y[1]
    }
    assert lines["relu"][0] < zero < lines["relu"][1]
    assert lines["gelu"][1] < zero
    found = {each.group.act: each.difference for each in ranked}
    for act, ends in lines.items():
        judgement = (difference := found[act]) and difference.judgement
        assert judgement is not None
        assert ends - zero == pytest.approx(judgement.interval)
