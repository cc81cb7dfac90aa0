"""How a report chooses a learning rate, by which seeds it judges it, and what each metric wants."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from experiments.analysis.report.statistics import standings
from experiments.analysis.report.study import StudyTable
from tests.experiments.test_report_study import difference_of, found_of, made, seeds


def test_the_learning_rate_is_chosen_on_validation_images_and_only_then_by_their_number():
    results = [
        *seeds("relu", [0.1, 0.1], lr=0.1, val=0.5),  # best on the test images
        *seeds("relu", [0.2, 0.2], lr=0.2, val=0.3),
        *seeds("relu", [0.3, None], lr=0.3, val=0.1),  # a seed is lost
        *seeds("gelu", [None, None], lr=0.1),
        *seeds("gelu", [None, 0.7], lr=0.2),
    ]
    found = standings(results, "none", "test_loss")
    assert [(each.group.act, each.group.lr) for each in found] == [("relu", 0.2), ("gelu", 0.2)]
    lines = StudyTable.of(results, "none", "test_loss").text().splitlines()
    assert lines[1].endswith("  at 0.3: 1 of 2 diverged")
    assert lines[2].endswith("  1 of 2 diverged; at 0.1: 2 of 2 diverged")


def test_the_best_learning_rate_at_the_edge_of_its_grid_is_marked():
    for best, mark in ((0.1, "0.1 (edge)"), (0.2, "0.2"), (0.3, "0.3 (edge)")):
        results = [made("relu", 0, abs(lr - best) + 0.1, lr=lr) for lr in (0.1, 0.2, 0.3)]
        table = StudyTable.of(results, "none", "test_loss")
        assert table.rows[0][1] == mark
        assert any("may lie beyond" in note for note in table.notes) == ("edge" in mark)


def test_a_learning_rate_is_judged_at_seeds_that_did_not_choose_it():
    """The first three choose 0.1, on the validation images, and all seeds would choose 0.2."""
    other = seeds("relu", [0.2] * 3 + [0.4] * 6, lr=0.1)
    better = seeds("relu", [0.3] * 9, lr=0.2)
    linear = seeds("linear", [0.3] * 9)
    found = found_of([*linear, *other, *better])["relu"]
    assert found.group.lr == 0.1
    assert found.difference is not None
    assert [*found.difference.values] == [3, 4, 5, 6, 7, 8]
    assert found.difference.judgement is not None
    assert found.difference.judgement.word == "worse"
    notes = StudyTable.of([*linear, *other, *better], "linear", "test_loss").notes
    assert "Seeds that chose the learning rate are left out of: relu." in notes
    for left in (1, 3, 9):  # seeds of 0.2: where six are left of 0.1, all that both have choose
        found = found_of([*linear, *other, *better[:left]])["relu"]
        assert found.difference is not None
        assert (found.group.lr, min(found.difference.values)) == (0.1, min(left, 3))
    found = found_of([*linear, *other[:8], *better[:8]])["relu"]
    assert (found.group.lr, len(found.group.results)) == (0.2, 8)  # too few for both: all choose
    assert found.difference is not None
    assert found.difference.judgement is None
    table = StudyTable.of([*linear, *other[:8], *better[:8]], "linear", "test_loss")
    assert "verdict" not in table.header
    assert any(note.startswith("There is no verdict where") for note in table.notes)


def test_what_was_chosen_by_chance_is_not_judged_to_be_better():
    """Three rates are as good as the baseline; the best at nine seeds is 0.28 deviations better."""
    source = np.random.default_rng(0)
    fresh, same, words = [], [], []
    for _ in range(300):
        losses = source.normal(10.0, 1.0, size=(4, 9))
        rates = [seeds("relu", own.tolist(), lr=lr) for lr, own in enumerate(losses[1:], 1)]
        results = [*seeds("linear", losses[0].tolist()), *(each for own in rates for each in own)]
        found = difference_of(results)
        fresh.append(found.mean)
        same.append(losses[1:].mean(1).min() - losses[0].mean())
        assert found.judgement is not None
        words.append(found.judgement.word in ("better", "worse"))
    error = math.sqrt(2 / 6 / len(fresh))
    assert abs(np.mean(fresh)) < 3 * error < 0.15 < -np.mean(same)
    assert np.mean(words) < 0.05 + 3 * math.sqrt(0.05 / len(words))


def test_an_accuracy_is_better_the_higher():
    def scores(act: str, values: Sequence[float], lr: float) -> list[dict[str, Any]]:
        kind = "classifier"
        return [
            made(act, seed, 0.1, lr, test_accuracy=value, val_accuracy=value, experiment=kind)
            for seed, value in enumerate(values)
        ]

    results = [
        *scores("linear", [0.5, 0.51, 0.5, 0.5, 0.5, 0.49], 0.1),
        *scores("relu", [0.8, 0.8, 0.81, 0.82, 0.8, 0.8], 0.1),
        *scores("gelu", [0.4, 0.4, 0.41, 0.42, 0.4, 0.4], 0.1),
    ]
    table = StudyTable.of(results, "linear", "test_accuracy")
    assert table.header[:3] == ("activation", "runs", "test accuracy: mean ± sd")
    assert [(row[0], row[-1]) for row in table.rows] == [
        ("relu", "better"), ("linear", "–"), ("gelu", "worse"),
    ]  # fmt: skip
    several = [*results, *scores("relu", [0.9] * 3, 0.2), *scores("relu", [0.6] * 3, 0.3)]
    assert found_of(several, metric="test_accuracy")["relu"].group.lr == 0.2


@pytest.mark.parametrize(
    ("metric", "first"),
    [("images_per_second", "relu"), ("seconds", "linear"), ("epochs", "linear"),
     ("best_epoch", "linear"), ("test_loss", "linear"), ("test_hits", "relu"),
     ("test_accuracy_loss", "relu")],
)  # fmt: skip
def test_every_metric_knows_its_direction(metric: str, first: str):
    """Also those of an experiment that is not registered, of which the result says what it is."""
    measured = {"metrics": ["loss", "hits", "accuracy_loss"], "unit": "loss", "best_by": "hits"}
    results = [
        made(act, seed, 0.1, **{metric: value + seed / 100, "measured": measured})
        for act, value in (("linear", 1.0), ("relu", 2.0))
        for seed in range(6)
    ]
    found = standings(results, "linear", metric)
    assert found[0].group.act == first
    word = "better" if first == "relu" else "worse"
    assert dict(zip(["linear", "relu"], [None, word], strict=True)) == {
        each.group.act: each.difference and each.difference.judgement and
        each.difference.judgement.word for each in found
    }  # fmt: skip
