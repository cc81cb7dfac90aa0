"""A network of somebody else, as the README shows it: a file that registers an experiment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import compare
from experiments.common.errors import UsageError
from experiments.common.files import below
from experiments.tasks.data import FashionMNIST
from experiments.tasks.experiment import Experiment, named, register
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, readme_file
from tests.same import differences

pytestmark = pytest.mark.filterwarnings("default")  # snnTorch and what it imports have some

ROOT = CONFIGS.parent
ACT = "Heaviside() / Triangle()"
SMALL = ("--data.limit", "256", "--data.batch_size", "64", "--model.hidden", "16")


@pytest.fixture
def spiking(tmp_path: Path) -> tuple[str, ...]:
    """The options for the README's experiment, small."""
    path = readme_file("spiking.py", tmp_path)
    assert len(path.read_text().splitlines()) <= 25
    return ("--import", str(path), "--experiment", "spiking", "--act", ACT, *SMALL)


def test_it_is_compared_like_ours(
    spiking: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--baseline", "heaviside_blurred", "--seed", "0-5", "--trainer.max_epochs", "1")
    runs = tmp_path / "runs"
    assert compare.main([*spiking, *options, "--runs", str(runs), "--workers", "2"]) == 0
    table = capsys.readouterr().out.splitlines()
    cells = [re.split(r"\s{2,}", line) for line in table[:3]]
    assert cells[0][:3] == ["activation", "runs", "test accuracy: mean ± sd"]
    assert "verdict" in cells[0]
    assert {row[0] for row in cells[1:]} == {"heaviside_blurred", ACT}
    assert all(row[1] == "6" for row in cells[1:])
    layers = (below(runs, "layers.csv")[0]).read_text()
    assert "neurons.spike_grad" in layers


def test_killed_it_ends_with_the_same_bits(
    spiking: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (
        *spiking, "--baseline", "none", "--trainer.max_epochs", "6", "--checkpoint_every", "0"
    )  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert compare.main([*options, "--runs", str(whole), "--workers", "1"]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.compare", *options, "--runs", str(killed)],
        cwd=ROOT, stdout=-1, stderr=-1, start_new_session=True,
    )  # fmt: skip
    while not below(killed, "last.ckpt"):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not below(killed, "result.json")
    assert compare.main([*options, "--runs", str(killed), "--workers", "1"]) == 0
    (first,), (second,) = (
        [path.parent for path in below(folder, "identity.json")] for folder in (whole, killed)
    )
    assert "resumed after epoch" in (second / "log.txt").read_text()
    assert len(read_metrics(second / "metrics.csv")) == 6
    assert differences(first, second) == []


def test_a_name_that_is_taken_and_parts_that_are_missing() -> None:
    ours = named("classifier")
    with pytest.raises(ValueError, match="'classifier' is built in: choose another name"):
        register(ours)
    data = {"fashion_mnist": FashionMNIST}
    with pytest.raises(ValueError, match="name must be an identifier, got 'my net'"):
        Experiment("my net", ours.networks, data, ours.measures)
    with pytest.raises(ValueError, match="networks must not be empty"):
        Experiment("mine", {}, data, ours.measures)
    with pytest.raises(ValueError, match="metrics must contain 'loss' and best_by, 'accuracy'"):
        Experiment("mine", ours.networks, data, ours.measures, best_by="accuracy")
    with pytest.raises(UsageError, match=r"unknown experiment 'spikin'.*--import FILE.py"):
        named("spikin")
