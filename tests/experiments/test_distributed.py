"""One run over two processes, of the host's CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.runs.run import held
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, Command
from tests.same import differences
from tests.soak import session

RAISES = """
import surrogate, torch

def fail(x):
    raise RuntimeError("it does not work")

@surrogate.register
def raises():
    return surrogate.SurrogateActivation(fail, torch.ones_like)
"""
DDP = ("--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.accelerator", "cpu")


def train(
    experiment: str, config: str, runs: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    arguments = ("--config", str(CONFIGS / config), "--runs", str(runs), *options)
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{experiment}", *arguments],
        cwd=CONFIGS.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def metrics(directory: Path) -> list[dict[str, float]]:
    rows = read_metrics(directory / "metrics.csv")
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_two_processes_learn_what_one_does(classify: Command, tmp_path: Path):
    """Without BatchNorm the mean of the gradients is the gradient.

    Of 97 images one is left over: two processes cannot share it. The first activation raises.
    """
    file = tmp_path / "raises.py"
    file.write_text(RAISES)
    options = ("--lr", "0.1", "--data.limit", "97")
    outcome = train(
        *("classifier", "classifier/smoke.yaml", tmp_path, "--import", str(file)),
        *("--act", "raises", "relu", "gelu", "--baseline", "none", *options, *DDP),
    )
    assert outcome.returncode == 1, outcome.stderr
    assert "raises failed: RuntimeError: it does not work" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 2 + 3 + 3, outcome.stderr  # as from one process
    assert outcome.stdout.count("finished") == 2
    assert classify("relu|gelu", tmp_path / "alone", *options).code == 0
    for act in ("relu", "gelu"):
        [together] = (tmp_path / "classifier" / act).iterdir()
        alone = tmp_path / "alone" / "classifier" / act / "seed0"
        for found, expected in zip(metrics(together), metrics(alone), strict=True):
            assert found == pytest.approx(expected, rel=1e-5)
        assert len(list(together.glob("events.out.tfevents.*"))) == 1
        assert {path.name for path in together.iterdir() if "tfevents" not in path.name} == {
            path.name for path in alone.iterdir() if "tfevents" not in path.name
        }
        record = json.loads((together / "result.json").read_text())
        assert record["config"]["trainer"]["devices"] == 2


def test_two_processes_stop_at_a_signal_and_go_on_with_the_same_bits(tmp_path: Path):
    """Only the first process gets it; they agree on the step.

    Nor do they wait for another command that has their run.
    """
    options = ("--act", "rrelu", "--baseline", "none", "--trainer.max_epochs", "4", *DDP)
    assert train("autoencoder", "smoke.yaml", tmp_path / "whole", *options).returncode == 0
    arguments = ("--config", str(CONFIGS / "smoke.yaml"), "--runs", str(tmp_path), *options)
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.autoencoder", *arguments, "--checkpoint_every", "0"],
        cwd=CONFIGS.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    directory = tmp_path / "autoencoder" / "rrelu" / "seed0"
    log = directory / "log.txt"
    while not log.exists() or "checkpoint in epoch 1, after step 2" not in log.read_text():
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 143, err
    assert out == ""
    assert err.splitlines()[-1] == "stopped by SIGTERM: the same command goes on from there"
    assert err.count("the same command goes on") == 1
    deadline = time.monotonic() + 120
    while session(process.pid):
        assert time.monotonic() < deadline, "the other process was left behind"
        time.sleep(0.05)
    before = log.read_text()
    with held(directory):
        outcome = train("autoencoder", "smoke.yaml", tmp_path, *options)
    assert outcome.returncode == 2
    assert outcome.stderr == f"error: another process is training the run in {directory}\n"
    assert log.read_text() == before
    again = train("autoencoder", "smoke.yaml", tmp_path, *options)
    assert again.returncode == 0, again.stderr
    assert "resumed after epoch" in again.stderr
    assert differences(directory, tmp_path / "whole" / "autoencoder" / "rrelu" / "seed0") == []
