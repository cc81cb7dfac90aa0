from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.analysis import report
from experiments.analysis.report.figures import within
from experiments.common.files import write_json
from experiments.runs.records import Record
from experiments.training.metrics import write_metrics
from tests.experiments.conftest import Smoke

CONFIG = {"model": {"channels": 4}, "compile": False}


def made(act: str, losses: Sequence[float], **changes: Any) -> Record:
    rows = [
        {"epoch": epoch, "loss/train": 1.0, "loss/val": loss, "loss/test": loss, "seconds": 1.0}
        for epoch, loss in enumerate(losses, start=1)
    ]
    result = {
        "act": act,
        "seed": 0,
        "status": "finished",
        "test_loss": losses[-1],
        "best_epoch": len(losses),
        "epochs": len(losses),
        "images_per_second": 1234.5,
        "config": CONFIG,
    }
    return Record(Path(act), result | changes, rows)


def write(record: Record, directory: Path) -> None:
    directory.mkdir(parents=True)
    write_json(directory / "result.json", record.result)
    write_metrics(directory / "metrics.csv", record.rows)


def test_it_prints_the_table_and_draws_the_curves(
    smoke: Smoke, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    output = tmp_path / "new" / "figures"
    assert report.main([str(smoke.runs / "autoencoder"), "-o", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = smoke.outcome.out.splitlines()
    assert lines[0].split() == shown[0].split()
    assert {tuple(line.split()) for line in lines[1:4]} == {tuple(s.split()) for s in shown[1:4]}
    assert lines[4:] == [str(output / "loss.png"), str(output / "loss.svg")]
    assert (output / "loss.png").read_bytes().startswith(b"\x89PNG")
    picture = (output / "loss.svg").read_text()
    for text in ("linear", "cantor2", "Staircase(step=0.5) / Blurred(width=0.3)", "epoch"):
        assert f">{text}</text>" in picture


def test_the_same_runs_give_the_same_picture(tmp_path: Path):
    found = [made("linear", [0.2, 0.1]), made("relu", [0.3, 0.09])]
    pictures = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        report.draw(found, tmp_path / name, "linear")
        pictures.append((tmp_path / name / "loss.svg").read_bytes())
    assert pictures[0] == pictures[1]


def test_the_table_is_sorted_by_loss_with_what_has_none_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(made("relu", [0.5, 0.25]), tmp_path / "relu")
    write(made("bad", [1.0], status="diverged", test_loss=None), tmp_path / "bad")
    write(made("linear", [0.2, 0.2]), tmp_path / "linear")
    assert report.main([str(tmp_path)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [
        ["linear", "0.20000", "1.000", "2", "2", "1,234", "finished"],
        ["relu", "0.25000", "1.250", "2", "2", "1,234", "finished"],
        ["bad", "–", "–", "1", "1", "1,234", "diverged"],
    ]
    assert (tmp_path / "loss.png").exists()


def test_the_ratio_is_to_the_baseline_of_the_same_seed_and_settings():
    wide = {"model": {"channels": 8}, "compile": False}
    found = [
        made("linear", [0.2]),
        made("linear", [0.1], config=wide),
        made("linear", [0.4], seed=1),
        made("relu", [0.2]),
        made("relu", [0.2], config=wide),
        made("relu", [0.2], seed=1),
        made("relu", [0.2], seed=2),
    ]
    lines = report.table([record.result for record in found], "linear").splitlines()
    assert lines[0].endswith("settings")
    assert [line.split()[2] for line in lines[4:]] == ["1.000", "2.000", "0.500", "–"]
    assert lines[5].endswith("seed=0 model.channels=8")
    other = report.table([record.result for record in found], "relu").splitlines()
    assert "/ relu" in other[0]
    assert [line.split()[2] for line in other[1:4]] == ["1.000", "0.500", "2.000"]


def test_columns_are_aligned():
    results = [made("linear", [0.2]).result, made("a_long_name", [10.0]).result]
    lines = report.table(results, "linear").splitlines()
    assert len({line.index("finished") for line in lines[1:]}) == 1
    assert lines[0].index("status") == lines[1].index("finished")


@pytest.mark.parametrize(
    "damage",
    [
        lambda directory: (directory / "result.json").write_text('{"act": "re'),
        lambda directory: (directory / "result.json").write_text("[]"),
        lambda directory: (directory / "result.json").write_text('{"act": "relu"}'),
        lambda directory: (directory / "metrics.csv").write_text("nonsense"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage
):
    write(made("linear", [0.2, 0.1]), tmp_path / "linear")
    write(made("relu", [0.2, 0.1]), tmp_path / "relu")
    damage(tmp_path / "relu")
    assert report.main([str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"error: {tmp_path / 'relu'}")
    assert len(captured.err.splitlines()) == 1
    assert captured.out.splitlines()[1].startswith("linear")
    assert "relu" not in captured.out


def test_a_folder_without_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert report.main([str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err == f"error: no finished run in {tmp_path / 'nothing'}\n"
    assert not (tmp_path / "nothing").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write(made("linear", [0.2]), tmp_path / "runs")
    (tmp_path / "file").touch()
    assert report.main([str(tmp_path / "runs"), "-o", str(tmp_path / "file" / "figures")]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_runs_without_a_single_epoch_make_an_empty_figure(tmp_path: Path):
    failed = Record(tmp_path, made("relu", [0.1]).result | {"test_loss": None}, [])
    assert all(path.exists() for path in report.draw([failed], tmp_path, "linear"))


def test_curves_are_on_a_log_scale_with_a_colour_per_activation():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    seeds = [made("relu", [0.3, 0.1]), made("relu", [0.4, 0.2], seed=1), made("linear", [0.2, 0.1])]
    report.curves(axes, seeds)
    assert axes.get_yscale() == "log"
    first, second, baseline = axes.get_lines()
    assert np.asarray(first.get_xydata()).tolist() == [[1, 0.3], [2, 0.1]]
    assert first.get_color() == second.get_color() != baseline.get_color() == "black"
    assert sorted(text.get_text() for text in axes.texts) == ["linear", "relu"]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.floats(0.01, 10))
def test_labels_are_spread_apart_in_order(places: list[float], gap: float):
    moved = report.spread(places, gap)
    pairs = sorted(zip(places, moved, strict=True))
    between = [b[1] - a[1] for a, b in pairwise(pairs)]
    assert all(distance >= gap * (1 - 1e-6) for distance in between)
    assert sum(moved) == pytest.approx(sum(places), abs=1e-6)


def test_labels_that_are_apart_stay():
    assert report.spread([3.0, 1.0, 8.0], 2.0) == [3.0, 1.0, 8.0]
    assert report.spread([1.0, 1.0, 5.0], 2.0) == [0.0, 2.0, 5.0]


def test_the_results_are_plain_json(smoke: Smoke):
    record = json.loads((smoke.directory("linear") / "result.json").read_text())
    assert report.table([record], "linear").splitlines()[1].split()[:3] == [
        *("linear", f"{record['test_loss']:.5f}", "1.000")
    ]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=9), st.floats(0.1, 1))
def test_labels_stay_within_the_axes_and_apart(places: list[float], gap: float):
    low, high = 0.0, gap * (len(places) - 1) + 1
    moved = within(report.spread(places, gap), gap, low, high)
    assert low - 1e-9 <= min(moved) <= max(moved) <= high + 1e-9
    assert all(after - before > gap - 1e-9 for before, after in pairwise(sorted(moved)))
    assert np.argsort(moved, kind="stable").tolist() == np.argsort(places, kind="stable").tolist()
    kept = within(report.spread(places, gap), gap, -99, 99)  # room enough: nothing is moved
    assert kept == report.spread(places, gap)
