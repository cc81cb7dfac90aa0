"""What a report says of several seeds and learning rates."""

from __future__ import annotations

import csv
import io
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
from experiments.analysis.report.inference import Difference, interval_of
from experiments.analysis.report.statistics import Standing, difference, standings
from experiments.analysis.report.study import StudyTable, as_csv
from experiments.common.files import write_json
from experiments.training.metrics import write_metrics


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


def found_of(results: Sequence[dict[str, Any]], **rest: str) -> dict[str, Standing]:
    metric = rest.get("metric", "test_loss")
    return {each.group.act: each for each in standings(results, "linear", metric)}


def difference_of(results: Sequence[dict[str, Any]], act: str = "relu") -> Difference:
    found = found_of(results)[act].difference
    assert found is not None
    return found


def test_a_single_seed_has_a_difference_and_no_word():
    results = [made("linear", 0, 0.2), made("relu", 0, 0.1)]
    assert found_of(results)["linear"].difference is None
    found = difference_of(results)
    assert found.values == {0: 0.1 - 0.2}
    assert found.judgement is None


@given(st.lists(st.tuples(*[st.floats(0.1, 1)] * 2), min_size=2, max_size=8))
def test_means_deviations_and_paired_differences(pairs: list[tuple[float, float]]):
    results = seeds("linear", [a for a, _ in pairs]) + seeds("relu", [b for _, b in pairs])
    by_act = found_of(results)
    for act, losses in zip(("linear", "relu"), zip(*pairs, strict=True), strict=True):
        sample = by_act[act].group.sample
        assert sample.mean == pytest.approx(python_statistics.fmean(losses))
        assert sample.deviation == pytest.approx(python_statistics.stdev(losses), abs=1e-12)
    found = difference_of(results)
    assert found.values == {seed: b - a for seed, (a, b) in enumerate(pairs)}
    assert found.margin == pytest.approx(python_statistics.fmean(a for a, _ in pairs) / 50)
    assert (found.judgement is None) == (len(pairs) < 6)


def test_only_seeds_that_both_have_are_paired():
    results = [
        *seeds("linear", [0.5, None, 0.3, 0.2]),
        *seeds("relu", [None, 0.9, 0.4, 0.4]),
        made("relu", 9, 0.1),
    ]
    found = difference_of(results)
    assert found.values == {2: pytest.approx(0.1), 3: pytest.approx(0.2)}
    assert found.seeds == 4
    by_act = found_of(results)
    assert by_act["relu"].group.counts == {"finished": 4, "diverged": 1}
    apart = found_of([made("relu", 7, 0.1), made("linear", 0, 0.1)])
    assert difference(apart["relu"], apart["linear"]) is None
    notes = StudyTable.of(results, "linear", "test_loss").notes
    assert notes[-1] == "Differences are of the seeds at which both finished: relu 2 of 4."


def test_the_correction_is_for_the_rows_of_the_table():
    """The differences ± 1, with 1 ± 0.2 as their mean ± error: p is 0.0041, at 5 degrees."""
    base = [0.3] * 6
    shift = 0.2 * math.sqrt(6 * 5 / 6)
    relu = [0.3 + 0.01 * (1 + shift * sign) for sign in (1, -1) * 3]
    rows = [*seeds("linear", base), *seeds("relu", relu)]
    for others, word in ((0, "worse"), (11, "worse"), (12, "open"), (20, "open")):
        noise = [
            result
            for index in range(others)
            for result in seeds(f"act{index}", [0.3 + 0.01 * (-1) ** seed for seed in range(6)])
        ]
        judgement = difference_of(rows + noise).judgement
        assert judgement is not None
        assert judgement.level == pytest.approx(0.05 / (others + 1))
        assert judgement.word == word


def test_only_the_same_settings_are_compared():
    wide = {"model": {"channels": 8}, "optimizer": {"lr": 1e-3}}
    annealed = {"model": {"channels": 4}, "optimizer": {"lr": 1e-3}, "anneal": {"every": "step"}}
    results = [
        *seeds("linear", [0.2, 0.2]),
        *seeds("linear", [0.5, 0.5], config=wide),
        *seeds("relu", [0.4, 0.4], config=wide),
        *seeds("gelu", [0.3, 0.3], config=annealed),
    ]
    assert difference_of(results).mean == pytest.approx(-0.1)
    assert difference_of(results, "gelu").mean == pytest.approx(0.1)


STUDY = [
    *seeds("linear", [0.2, 0.21, 0.2, 0.22, 0.2, 0.2]),
    *seeds("relu", [0.1, 0.11, 0.1, 0.12, 0.1, 0.1]),
    *seeds("gelu", [0.3, 0.1, 0.2, 0.3, 0.15, 0.2]),
    *seeds("trelu", [0.201, 0.211, 0.201, 0.219, 0.199, 0.198]),
    *seeds("sign_ste", [0.9, 0.91, None, 0.9, 0.92, 0.9]),
    *seeds("bad", [None] * 4),
    made("bad", 4, None, status="failed"),
]


def test_the_table_of_a_study():
    table = StudyTable.of(STUDY, "linear", "test_loss")
    assert table.header == (
        "activation", "runs", "test loss: mean ± sd", "values", "− linear", "interval", "verdict",
        "not finished",
    )  # fmt: skip
    rows = {row[0]: row[1:] for row in table.rows}
    assert [*rows] == ["relu", "trelu", "linear", "gelu", "sign_ste", "bad"]
    assert rows["relu"] == (
        "6", "0.10500 ± 0.00837", "–", "−0.10000", "−0.10000 … −0.10000 (98.33 %)", "better", "–",
    )  # fmt: skip
    assert rows["linear"][2:] == ("–", "–", "–", "–", "–")
    low, high = interval_of([0.1, -0.11, 0, 0.08, -0.05, 0], 0.05 / 2)
    assert rows["gelu"][3:6] == (
        "+0.00333", f"−{-low:.5f} … +{high:.5f} (97.5 %)", "open",
    )  # fmt: skip
    low, high = interval_of([0.001, 0.001, 0.001, -0.001, -0.001, -0.002], 0.1)
    assert rows["trelu"][4:6] == (f"−{-low:.5f} … +{high:.5f} (90 %)", "same")
    assert rows["sign_ste"][2:] == (
        "0.90000 0.91000 0.90000 0.92000 0.90000", "+0.70000", "–", "–", "1 of 6 diverged",
    )  # fmt: skip
    assert rows["bad"] == ("0", "–", "–", "–", "–", "–", "4 of 5 diverged, 1 of 5 failed")
    assert table.notes[1:] == (
        "With fewer than 6 seeds there is no interval and no verdict.",
        "Differences are of the seeds at which both finished: sign_ste 5 of 6.",
    )


@pytest.mark.parametrize("count", [2, 5])
def test_few_seeds_have_no_word_and_no_interval(count: int):
    table = StudyTable.of([r for r in STUDY if r["seed"] < count], "linear", "test_loss")
    assert table.header[3:] == ("values", "− linear", "not finished")
    text = table.text()
    assert not any(word in text for word in ("better", "worse", "same", "open", "…", "confidence"))
    values = ["0.10000", "0.11000", "0.10000", "0.12000", "0.10000"][:count]
    assert text.splitlines()[1].split()[5 : 5 + count] == values


def test_the_table_in_files():
    table = StudyTable.of([*STUDY, *seeds("a|b_{", [0.5, 0.6])], "linear", "test_loss")
    markdown = table.markdown().splitlines()
    assert markdown[1] == "| --- | --: | --: | --- | --: | --: | --- | --- |"
    assert markdown[2] == (
        "| relu | 6 | 0.10500 ± 0.00837 | – | −0.10000 | −0.10000 … −0.10000 (98.33 %) | better "
        "| – |"
    )
    assert any(line.startswith(r"| a\|b_{ | 2 |") for line in markdown)
    latex = table.latex()
    assert r"\begin{tabular}{lrrlrrll}" in latex
    assert (
        r"relu & 6 & 0.10500 $\pm$ 0.00837 & -- & $-$0.10000 & $-$0.10000 \ldots{} $-$0.10000 "
        r"(98.33 \%) & better & -- \\" in latex
    )
    assert r"a|b\_\{ & 2" in latex


def test_the_csv_has_every_learning_rate_and_all_digits():
    results = [*seeds("linear", [1 / 3] * 9), *seeds("relu", [0.1, None], lr=0.01)]
    results += seeds("relu", losses := [0.3, 0.4, 0.2, 0.3, 0.3, 0.2, 0.4, 0.7], lr=0.1)
    rows = list(csv.DictReader(io.StringIO(as_csv(results, "linear", "test_loss"))))
    assert [(row["activation"], row["optimizer.lr"], row["chosen"]) for row in rows] == [
        ("linear", "0.001", "yes"), ("relu", "0.01", "no"), ("relu", "0.1", "yes"),
    ]  # fmt: skip
    assert float(rows[0]["mean"]) == np.mean([1 / 3] * 9)
    assert (rows[1]["finished"], rows[1]["diverged"], rows[1]["failed"]) == ("1", "1", "0")
    assert (rows[0]["difference"], rows[0]["verdict"]) == ("", "")
    low, high = interval_of([loss - 1 / 3 for loss in losses[2:]])
    assert (float(rows[2]["low"]), float(rows[2]["high"])) == (low, high)
    assert (rows[2]["seeds"], rows[2]["confidence"], rows[2]["verdict"]) == ("6", "0.95", "open")


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
    for text in ("relu  (6 of 6)", "sign_ste  (5 of 6)", "bad  (0 of 5)"):
        assert f">{text}</text>" in svg
    svg = (tmp_path / "out" / "runs" / "loss.svg").read_text()
    for text in ("relu", "sign_ste  (5 of 6)"):  # of which one is lost
        assert f">{text}</text>" in svg


def test_one_learning_rate_has_no_figure_of_its_own(tmp_path: Path):
    write(STUDY, tmp_path / "runs")
    assert report.main([str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES[:7])


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


def test_runs_that_have_not_ended_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(STUDY, tmp_path)
    (tmp_path / "cut_off").mkdir()
    (tmp_path / "cut_off" / "identity.json").write_text("{}")
    assert report.main([str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    assert "1 run has not ended and is left out" in capsys.readouterr().err
