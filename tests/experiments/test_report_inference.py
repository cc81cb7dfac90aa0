"""What is said of a mean over seeds, against simulations and scipy's own tests."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from experiments.analysis.report.inference import (
    FEWEST,
    LEVEL,
    Difference,
    holm,
    interval_of,
    p_of,
)

t_test: Any = stats.ttest_1samp  # scipy has no types
samples = st.lists(st.integers(-1000, 1000), min_size=FEWEST, max_size=12).map(
    lambda values: [value / 100 for value in values]
)
varied = samples.filter(lambda values: max(values) - min(values) > 0.1)
levels = st.sampled_from([LEVEL, LEVEL / 3, LEVEL / 20])


def difference(values: list[float], margin: float = 0.0, level: float = LEVEL) -> Difference:
    return Difference(dict(enumerate(values)), level=level, margin=margin)


@pytest.mark.parametrize("n", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.05, 0.05 / 20])
def test_the_interval_has_the_true_mean_as_often_as_it_says(n: int, level: float) -> None:
    """The standard deviation of the share over 40,000 samples is 0.1 points, of 95 %."""
    low, high = interval_of(np.random.default_rng(n).normal(3.0, 2.0, size=(40_000, n)), level)
    assert np.mean((low <= 3.0) & (high >= 3.0)) == pytest.approx(1 - level, abs=0.005)


def test_of_equal_contenders_one_in_twenty_is_called_different_before_correction() -> None:
    """Six seeds, each with a loss of its own that both contenders share."""
    source = np.random.default_rng(0)
    seeds = source.normal(size=(10_000, 6))
    first, second = (seeds + source.normal(size=seeds.shape) for _ in range(2))
    assert 0.04 < np.mean(p_of(first - second) <= LEVEL) < 0.06
    judgements = [difference([*values]).judgement for values in first - second]
    words = [judgement.word for judgement in judgements if judgement]
    assert 0.04 < np.mean(np.isin(words, ["better", "worse"])) < 0.06


def test_at_most_one_table_in_twenty_has_a_false_word() -> None:
    """Of five contenders as good as the baseline, which all are compared with."""
    losses = np.random.default_rng(0).normal(size=(4000, 6, 6))
    p_values = p_of(losses[:, 1:] - losses[:, :1])
    false = [
        any(p <= level for p, level in zip(row, holm(row), strict=True))
        for row in p_values.tolist()
    ]
    assert 0.02 < np.mean(false) < 0.05 + 0.01
    assert np.mean((p_values <= LEVEL).any(1)) > 0.12  # and without the correction


@given(varied, st.integers(-300, 300), levels)
def test_interval_and_p_value_are_scipys(values: list[float], at: int, level: float) -> None:
    expected = t_test(values, at / 100)
    assert float(p_of(values, at / 100)) == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-300)
    limits = expected.confidence_interval(1 - level)
    assert interval_of(values, level) == pytest.approx((limits.low, limits.high), rel=1e-9)


def test_values_that_are_all_the_same() -> None:
    assert float(p_of([0.0] * 6)) == 1
    assert float(p_of([1.0] * 6)) == 0
    assert interval_of([1.0] * 6) == (1.0, 1.0)


@given(st.lists(st.sampled_from([0.001, 0.006, 0.01, 0.012, 0.02, 0.03, 0.049, 0.2]), max_size=6))
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    """A hypothesis is rejected if Bonferroni's test rejects every set of them that it is in."""
    count = len(p_values)
    sets = [s for size in range(1, count + 1) for s in itertools.combinations(range(count), size)]
    for index, (p, level) in enumerate(zip(p_values, holm(p_values), strict=True)):
        closed = all(min(p_values[i] for i in s) <= LEVEL / len(s) for s in sets if index in s)
        assert (p <= level) == closed


@given(varied, st.sampled_from([0.0, 1.0, 2.0, 5.0]), levels, st.booleans())
def test_the_word_is_that_of_the_interval_and_of_the_tests(
    values: list[float], margin: float, level: float, higher: bool
) -> None:
    found = Difference(dict(enumerate(values)), level=level, margin=margin, higher_is_better=higher)
    assert found.judgement is not None
    word, (low, high), shown = found.judgement
    _, two_sided = t_test(values, 0.0)
    _, above = t_test(values, -margin, alternative="greater")
    _, below = t_test(values, margin, alternative="less")
    if two_sided < level:
        assert word == ("better" if (sum(values) > 0) == higher else "worse")
        assert not low <= 0 <= high
        assert shown == level
    elif max(above, below) < LEVEL:
        assert word == "same"
        assert -margin < low <= high < margin
        assert shown == 2 * LEVEL
    else:
        assert word == "open"
        assert low <= 0 <= high
        assert shown == level


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=FEWEST - 1))
def test_few_seeds_have_a_mean_and_no_word(values: list[float]) -> None:
    found = difference(values, margin=100.0)
    assert found.judgement is None
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_six_seeds_may_be_called_the_same_and_seeds_that_chose_may_not() -> None:
    values = {seed: 0.001 * (-1) ** seed for seed in range(6)}
    judgement = Difference(values, margin=0.002).judgement
    assert judgement is not None
    assert judgement.word == "same"
    half = 2.015048 * 0.001 * math.sqrt(6 / 5) / math.sqrt(6)  # Student's t of 5, 95 %
    assert judgement.interval == pytest.approx((-half, half), rel=1e-6)
    assert Difference(values, fresh=False, margin=0.002).judgement is None
