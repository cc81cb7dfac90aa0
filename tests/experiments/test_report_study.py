"""What a report says of several seeds and learning rates."""

from __future__ import annotations

import csv
import io
import itertools
import math
import statistics as python_statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis import report
from experiments.analysis.report import study
from experiments.analysis.report.statistics import (
    Difference,
    bootstrap,
    difference,
    groups,
    standings,
    tail,
)
from experiments.analysis.report.study import StudyTable, as_csv
from experiments.common.files import write_json
from experiments.training.metrics import write_metrics

values = st.lists(st.floats(-10, 10), min_size=2, max_size=5)


def made(
    act: str,
    seed: int,
    loss: float | None,
    lr: float = 1e-3,
    val: float | None = None,
    status: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "act": act,
        "seed": seed,
        "status": status or ("diverged" if loss is None else "finished"),
        "test_loss": loss,
        "val_loss": loss if val is None else val,
        "best_epoch": 1,
        "epochs": 2,
        "images_per_second": 1.0,
        "config": {"model": {"channels": 4}, "optimizer": {"lr": lr}},
    } | changes


def write(results: Sequence[dict[str, Any]], folder: Path) -> None:
    for index, result in enumerate(results):
        directory = folder / result["act"] / str(index)
        directory.mkdir(parents=True)
        write_json(directory / "result.json", result)
        end = result["test_loss"] or 1.0
        rows = [
            {"epoch": epoch, "loss/train": 1, "loss/val": 1, "loss/test": loss, "seconds": 1}
            for epoch, loss in enumerate((2 * end, end), start=1)
        ]
        write_metrics(directory / "metrics.csv", rows)


def seeds(act: str, losses: Sequence[float | None], **rest: Any) -> list[dict[str, Any]]:
    return [made(act, seed, loss, **rest) for seed, loss in enumerate(losses)]


@given(values)
def test_the_interval_is_that_of_all_resamples(sample: list[float]):
    """With five values 3.06 of 3,125 resamples are below it: all of the least, four and another."""
    n = len(sample)
    interval = bootstrap(sample)
    means = sorted(sum(each) / n for each in itertools.product(sample, repeat=n))
    assert interval == pytest.approx(np.quantile(means, [tail(n), 1 - tail(n)]), abs=1e-9)
    if n == 5:
        least, second, *_, most_but_one, most = sorted(sample)
        ends = [(4 * least + second) / 5, (4 * most + most_but_one) / 5]
        assert interval == pytest.approx(ends, abs=0.1 * (most - least) + 1e-9)


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=8))
def test_the_interval_of_many_values_is_that_of_random_resamples(sample: list[float]):
    """Held against ten times as many others: within 5 deviations of the share below a limit."""
    interval = bootstrap(sample)
    assert interval is not None
    share = tail(n := len(sample))
    others = np.random.default_rng(1).integers(n, size=(100_000, n))
    means = np.sort(np.asarray(sample)[others].mean(axis=1))
    slack, tolerance = 1e-9, 5 * math.sqrt(1.1 * share / 10_000)
    for limit, below in zip(interval, (share, 1 - share), strict=True):
        low = means[max(0, math.floor((below - tolerance) * len(means)))]
        high = means[min(len(means) - 1, math.ceil((below + tolerance) * len(means)))]
        assert low - slack <= limit <= high + slack


@pytest.mark.parametrize(("n", "student"), [(5, 2.7764), (6, 2.5706), (11, 2.2281), (31, 2.0423)])
def test_the_tail_is_wider_for_few_values(n: int, student: float):
    """Against Student's quantiles from a table, and a normal tail by the error function."""
    expected = math.erfc(student * math.sqrt(n / (n - 1) / 2)) / 2
    assert tail(n) == pytest.approx(expected, rel=0.1)
    assert tail(10**6) == pytest.approx(0.025, rel=1e-4)


def test_the_interval_of_five_values_holds_the_mean_as_often_as_is_said():
    """Nine times in ten, where 2.5 % at each end would do so in 83 % of the samples."""
    samples = np.random.default_rng(0).normal(size=(2000, 5))
    intervals = [bootstrap(sample.tolist()) for sample in samples]
    held = np.mean([each is not None and each[0] <= 0 <= each[1] for each in intervals])
    assert 0.92 - 0.02 < held < 0.92 + 0.02  # a deviation is 0.006


@given(values, st.floats(0.1, 10), st.floats(-5, 5))
def test_the_interval_moves_and_stretches_with_the_values(
    sample: list[float], scale: float, shift: float
):
    moved = bootstrap([scale * value + shift for value in sample])
    interval = bootstrap(sample)
    assert interval is not None
    assert moved == pytest.approx([scale * limit + shift for limit in interval], abs=1e-9)
    assert bootstrap(sample) == interval  # and it is the same each time


def test_a_single_seed_has_no_interval():
    assert bootstrap([0.5]) is None
    found = standings([made("linear", 0, 0.2), made("relu", 0, 0.1)], "linear", "test_loss")
    (relu, linear) = found
    assert linear.difference is None
    assert relu.difference == Difference((0.1 - 0.2,), 0.1 - 0.2, None)
    assert relu.difference is not None
    assert not relu.difference.settled


@given(st.lists(st.tuples(*[st.floats(0.1, 1)] * 2), min_size=2, max_size=8))
def test_means_deviations_and_paired_differences(pairs: list[tuple[float, float]]):
    results = seeds("linear", [a for a, _ in pairs]) + seeds("relu", [b for _, b in pairs])
    by_act = {each.group.act: each for each in standings(results, "linear", "test_loss")}
    for act, losses in zip(("linear", "relu"), zip(*pairs, strict=True), strict=True):
        group = by_act[act].group
        assert group.mean == pytest.approx(python_statistics.fmean(losses))
        assert group.deviation == pytest.approx(python_statistics.stdev(losses), abs=1e-12)
    found = by_act["relu"].difference
    assert found is not None
    assert found.values == tuple(b - a for a, b in pairs)
    assert found.interval == bootstrap(found.values)


def test_only_seeds_that_both_have_are_paired():
    results = [
        *seeds("linear", [0.5, None, 0.3, 0.2]),
        *seeds("relu", [None, 0.9, 0.4, 0.4]),
        made("relu", 9, 0.1),
    ]
    linear, relu = groups(results, "test_loss")
    found = difference(relu, linear)
    assert found is not None
    assert found.values == pytest.approx((0.1, 0.2))
    assert relu.counts == {"finished": 4, "diverged": 1}
    assert difference(groups([made("relu", 7, 0.1)], "test_loss")[0], linear) is None


def test_only_the_same_settings_are_compared():
    wide = {"model": {"channels": 8}, "optimizer": {"lr": 1e-3}}
    annealed = {"model": {"channels": 4}, "optimizer": {"lr": 1e-3}, "anneal": {"every": "step"}}
    results = [
        *seeds("linear", [0.2, 0.2]),
        *seeds("linear", [0.5, 0.5], config=wide),
        *seeds("relu", [0.4, 0.4], config=wide),
        *seeds("gelu", [0.3, 0.3], config=annealed),
    ]
    found = {each.group.act: each.difference for each in standings(results, "linear", "test_loss")}
    assert found["relu"] is not None
    assert found["relu"].mean == pytest.approx(-0.1)
    assert found["gelu"] is not None
    assert found["gelu"].mean == pytest.approx(0.1)


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
    assert lines[1].endswith("  at 0.3: 1 diverged")
    assert lines[2].endswith("  1 diverged; at 0.1: 2 diverged")


def test_an_accuracy_is_better_the_higher():
    def scores(act: str, values: Sequence[float], lr: float) -> list[dict[str, Any]]:
        return [
            made(act, seed, 0.1, lr=lr, test_accuracy=value, val_accuracy=value)
            for seed, value in enumerate(values)
        ]

    results = [
        *scores("linear", [0.5, 0.51, 0.5, 0.5, 0.5], 0.1),
        *scores("relu", [0.8, 0.8, 0.81, 0.82, 0.8], 0.1),
        *scores("relu", [0.6, 0.6, 0.6, 0.6, 0.6], 0.2),
        *scores("gelu", [0.4, 0.4, 0.41, 0.42, 0.4], 0.1),
    ]
    lines = StudyTable.of(results, "linear", "test_accuracy").text().splitlines()
    assert lines[0].split("  ")[0] == "activation"
    assert "test accuracy: mean ± sd" in lines[0]
    cells = [line.split() for line in lines[1:4]]
    assert [(line[0], line[1], line[-1]) for line in cells] == [
        ("relu", "0.1", "better"), ("linear", "0.1", "–"), ("gelu", "0.1", "worse"),
    ]  # fmt: skip


STUDY = [
    *seeds("linear", [0.2, 0.21, 0.2, 0.22, 0.2]),
    *seeds("relu", [0.1, 0.11, 0.1, 0.12, 0.1]),
    *seeds("gelu", [0.3, 0.1, 0.2, 0.3, 0.15]),
    *seeds("sign_ste", [0.9, 0.91, None, 0.9, 0.92]),
    *seeds("bad", [None] * 4),
    made("bad", 4, None, status="failed"),
]


def test_the_table_of_a_study():
    lines = StudyTable.of(STUDY, "linear", "test_loss").text().splitlines()
    assert lines[0].split() == [
        *("activation", "runs", "test", "loss:", "mean", "±", "sd", "−", "linear"),
        *("95", "%", "interval", "settled", "not", "finished"),
    ]
    rows = [line.split() for line in lines[1:6]]
    assert [(row[0], row[1]) for row in rows] == [
        ("relu", "5"), ("linear", "5"), ("gelu", "5"), ("sign_ste", "4"), ("bad", "0"),
    ]  # fmt: skip
    assert rows[0][2:] == [
        *("0.10600", "±", "0.00894", "−0.10000", "−0.10000", "…", "−0.10000", "better", "–")
    ]
    assert rows[1][5:] == ["–", "–", "–", "–"]
    assert rows[2][-2:] == ["open", "–"]
    assert rows[3][-3:] == ["worse*", "1", "diverged"]
    assert rows[4][2:] == ["–", "–", "–", "–", "4", "diverged,", "1", "failed"]
    assert lines[-1] == "* rough: fewer than 5 seeds."


def test_the_table_in_files():
    table = StudyTable.of([*STUDY, *seeds("a|b_{", [0.5, 0.6])], "linear", "test_loss")
    markdown = table.markdown().splitlines()
    assert markdown[1] == "| --- | --: | --: | --: | --: | --- | --- |"
    assert markdown[2] == (
        "| relu | 5 | 0.10600 ± 0.00894 | −0.10000 | −0.10000 … −0.10000 | better | – |"
    )
    assert any(line.startswith(r"| a\|b_{ | 2 |") for line in markdown)
    latex = table.latex()
    assert r"\begin{tabular}{lrrrrll}" in latex
    assert (
        r"relu & 5 & 0.10600 $\pm$ 0.00894 & $-$0.10000 & $-$0.10000 \ldots{} $-$0.10000 & better "
        r"& -- \\" in latex
    )
    assert r"a|b\_\{ & 2" in latex
    assert "95 \\% interval" in latex


def test_the_csv_has_every_learning_rate_and_all_digits():
    results = [*seeds("linear", [1 / 3, 0.2]), *seeds("relu", [0.1, None], lr=0.01)]
    results += seeds("relu", [0.3, 0.4], lr=0.1)
    rows = list(csv.DictReader(io.StringIO(as_csv(results, "linear", "test_loss"))))
    assert [(row["activation"], row["optimizer.lr"], row["chosen"]) for row in rows] == [
        ("linear", "0.001", "yes"), ("relu", "0.01", "no"), ("relu", "0.1", "yes"),
    ]  # fmt: skip
    assert float(rows[0]["mean"]) == np.mean([1 / 3, 0.2])
    assert (rows[1]["finished"], rows[1]["diverged"], rows[1]["failed"]) == ("1", "1", "0")
    assert (rows[0]["difference"], rows[0]["settled"]) == ("", "")
    interval = bootstrap([0.3 - 1 / 3, 0.4 - 0.2])
    assert (float(rows[2]["low"]), float(rows[2]["high"])) == interval
    assert rows[2]["settled"] == "open"


def test_single_runs_keep_their_table():
    single = [made("linear", 0, 0.2), made("relu", 0, 0.1)]
    assert report.summary(single, "linear") == report.table(single, "linear")
    assert not study.is_study([*single, made("gelu", 1, 0.1)])
    assert study.is_study([*single, made("relu", 1, 0.1)])
    assert study.is_study([*single, made("relu", 0, 0.1, lr=0.1)])


NAMES = ["table.md", "table.tex", "table.csv"] + [
    f"{name}.{kind}" for name in ("loss", "rank", "learning_rate") for kind in ("png", "svg")
]


def test_the_command_writes_the_same_files_for_the_same_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    results = STUDY + seeds("relu", [None] * 5, lr=0.1) + seeds("gelu", [0.2] * 5, lr=0.01)
    write(results, tmp_path / "runs")
    write(results[::-1], tmp_path / "again")  # in another order of files
    for name in ("runs", "again"):
        assert report.main([str(tmp_path / name), "-o", str(tmp_path / "out" / name)]) == 0
        printed = capsys.readouterr().out.splitlines()
        assert printed[-len(NAMES) :] == [str(tmp_path / "out" / name / each) for each in NAMES]
    for name in NAMES:
        first, second = (
            (tmp_path / "out" / each / name).read_bytes() for each in ("runs", "again")
        )
        assert first == second, name
    svg = (tmp_path / "out" / "runs" / "rank.svg").read_text()
    for text in ("relu  (5 of 5)", "sign_ste  (4 of 5)", "bad  (0 of 5)"):
        assert f">{text}</text>" in svg
    svg = (tmp_path / "out" / "runs" / "loss.svg").read_text()
    for text in ("relu", "sign_ste  (4 of 5)"):  # of which one is lost
        assert f">{text}</text>" in svg


def test_one_learning_rate_has_no_figure_of_its_own(tmp_path: Path):
    write(STUDY, tmp_path / "runs")
    assert report.main([str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES[:7])


def test_the_bands_are_the_geometric_mean_and_deviation():
    from matplotlib.figure import Figure

    from experiments.analysis.report.figures import bands

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


def test_unknown_metrics_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(STUDY, tmp_path)
    assert report.main([str(tmp_path), "--metric", "test_accuracy"]) == 2
    assert capsys.readouterr().err == (
        "error: no run has the metric test_accuracy, only test_loss\n"
    )


def test_a_baseline_without_a_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(STUDY, tmp_path)
    out = ["-o", str(tmp_path / "out")]
    assert report.main([str(tmp_path), "--baseline", "rellu", *out]) == 0
    assert capsys.readouterr().err == (
        "no run of the baseline rellu: nothing to compare with; did you mean 'relu'?\n"
    )
    for baseline in ("none", "gelu"):
        assert report.main([str(tmp_path), "--baseline", baseline, *out]) == 0
        assert not capsys.readouterr().err


def test_a_copy_does_not_replace_that_of_another_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Which learning rate got the plain directory depends on which was run first."""
    write(seeds("relu", [0.1, 0.2]), tmp_path / "first")
    write([made("relu", 0, 0.3), made("relu", 1, 0.4, lr=0.1)], tmp_path / "second")
    kept = tmp_path / "kept"
    assert report.main([str(tmp_path / "first"), "--compact", str(kept)]) == 0
    before = {path: path.read_bytes() for path in kept.rglob("*.json")}
    assert report.main([str(tmp_path / "first"), "--compact", str(kept)]) == 0
    assert report.main([str(tmp_path / "second"), "--compact", str(kept)]) == 2
    message = f"error: {kept / 'relu' / '1'} is of another run: move it away\n"
    assert capsys.readouterr().err == message
    assert {path: path.read_bytes() for path in kept.rglob("*.json")} == before


def test_runs_that_have_not_ended_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(STUDY, tmp_path)
    (tmp_path / "cut_off").mkdir()
    (tmp_path / "cut_off" / "identity.json").write_text("{}")
    assert report.main([str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    assert "1 run has not ended and is left out" in capsys.readouterr().err


def test_compact_copies_give_the_same_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(STUDY, tmp_path / "runs")
    for directory in (path.parent for path in (tmp_path / "runs").rglob("result.json")):
        (directory / "checkpoints").mkdir()
        (directory / "checkpoints" / "last.ckpt").write_text("large")
        for name in ("log.txt", "events.out.tfevents.1", "identity.json", "config.yaml"):
            (directory / name).write_text("{}")
        (directory / "layers.csv").write_text("epoch\n")
    compact = [str(tmp_path / "runs"), "--compact"]
    assert report.main([*compact, str(tmp_path / "all"), "--layers"]) == 0
    assert len(list((tmp_path / "all").rglob("layers.csv"))) == 25
    capsys.readouterr()
    assert report.main([*compact, str(tmp_path / "kept")]) == 0
    assert capsys.readouterr().out == f"25 runs in {tmp_path / 'kept'}\n"
    names = {path.name for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    assert names == {"result.json", "metrics.csv", "config.yaml"}
    printed = []
    for name in ("runs", "kept"):
        assert report.main([str(tmp_path / name), "-o", str(tmp_path / "out")]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
