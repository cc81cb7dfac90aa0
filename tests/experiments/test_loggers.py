"""What Lightning's loggers other than TensorBoard's write of a run that was cut off and went on."""

from __future__ import annotations

import csv
import re
import sqlite3
from contextlib import closing
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from experiments.training.callbacks import LastCheckpoint
from experiments.training.metrics import Row, read_metrics
from tests.experiments.conftest import Command, planned
from tests.experiments.test_resume import interrupt_at

CURVES = ("loss/train", "loss/val", "loss/test")
OPTIONS = ("--baseline", "none", "--logger")


def cut_off(
    run: Command, runs: Path, monkeypatch: pytest.MonkeyPatch, logger: str
) -> tuple[Path, list[Row]]:
    """A run that ended after its second epoch was logged, and that logged it again as it went on:
    its directory, and what metrics.csv says."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, (LastCheckpoint, "on_train_epoch_end"), 2)
        assert run("relu", runs, *OPTIONS, logger).code == 130
    outcome = run("relu", runs, *OPTIONS, logger)
    assert outcome.code == 0
    told = [line.partition("  ")[0] for line in outcome.err.splitlines()]
    assert told[1:] == ["resumed after epoch 1", "epoch 2/2"]  # and nothing of the logger's
    directory = runs / "autoencoder" / "relu" / "seed0"
    assert not list(directory.glob("events.out.tfevents.*"))
    assert yaml.safe_load((directory / "config.yaml").read_text())["logger"] == logger
    rows = read_metrics(directory / "metrics.csv")
    assert len(rows) == 2
    return directory, rows


def test_csv_has_each_row_once(run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    directory, rows = cut_off(run, tmp_path, monkeypatch, "csv")
    with (directory / "csv" / "metrics.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    for name in CURVES:
        points = [(int(row["step"]), float(row[name])) for row in found if row[name]]
        assert points == [(row["epoch"], row[name]) for row in rows]
    # The sites before training and after each epoch, the curves after each, the final figure.
    sites = sum(name.startswith("mean/") for name in found[0])
    steps = [*[0] * sites, *[1] * (sites + 1), *[2] * (sites + 1), 3]
    assert sorted(int(row["step"]) for row in found) == steps
    assert [row["hp/test_loss"] for row in found][-1] == str(rows[-1]["loss/test"])
    settings = yaml.safe_load((directory / "csv" / "hparams.yaml").read_text())
    assert (settings["act"], settings["model.channels"]) == ("relu", 4)


@pytest.mark.filterwarnings("ignore")  # theirs are not ours
def test_wandb_has_an_offline_run_of_each_process(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    directory, rows = cut_off(run, tmp_path, monkeypatch, "wandb")
    parts = sorted(directory.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(parts) == 2
    for part, of_part in zip(parts, (rows, rows[1:]), strict=True):
        content = (
            part.read_bytes()
        )  # records of protobuf, of which a name's value is the next field
        for name in CURVES:
            found = re.findall(name.encode() + rb"\x82\x01.([-+.\de]+)", content, re.DOTALL)
            assert {float(value) for value in found} >= {row[name] for row in of_part}


@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_a_run_of_each_process(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    directory, rows = cut_off(run, tmp_path, monkeypatch, "mlflow")
    with closing(sqlite3.connect(directory / "mlflow.db")) as store:
        runs = store.execute(
            "select run_uuid, name, status from runs order by start_time"
        ).fetchall()
        assert [each[1:] for each in runs] == [
            ("relu, seed 0", "FAILED"),
            ("relu, seed 0", "FINISHED"),
        ]
        for (uuid, *_), of_part in zip(runs, (rows, rows[1:]), strict=True):
            for name in CURVES:
                query = (
                    "select step, value from metrics where run_uuid = ? and key = ? order by step"
                )
                points = store.execute(query, (uuid, name)).fetchall()
                assert points == [(row["epoch"], row[name]) for row in of_part]


def test_the_logger_does_not_make_another_run():
    study = ("--experiment", "autoencoder", "--act", "relu")
    (_, job), (_, other) = planned(*study), planned(*study, "--logger", "csv")
    assert job.run.digest == other.run.digest
    settings, others = yaml.safe_load(job.config_yaml), yaml.safe_load(other.config_yaml)
    assert others == {**settings, "logger": "csv"} != settings


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_said_before_anything_is_trained(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    def version(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", version)
    outcome = run("relu", tmp_path / "runs", *OPTIONS, name)
    assert outcome.code == 2
    assert outcome.err == (
        f"error: --logger {name} needs {name}: pip install '.[{name}]' in the project's folder\n"
    )
    assert not (tmp_path / "runs").exists()
