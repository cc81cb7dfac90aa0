"""Runs that are cut off, and go on from there as if they never had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.callbacks import Curves, LastCheckpoint
from experiments.runs import read_metrics
from experiments.training import EventFile
from tests.experiments.conftest import CONFIGS, Command

OPTIONS = ("--baseline", "none", "--trainer.max_epochs", "4")
ACT = "rrelu"  # draws random numbers while it trains


@pytest.fixture(scope="module")
def whole(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that nothing interrupted."""
    runs = tmp_path_factory.mktemp("whole")
    assert run(ACT, runs, *OPTIONS).code == 0
    return runs / "autoencoder" / ACT / "seed0"


def losses(directory: Path) -> list[dict[str, float]]:
    rows = read_metrics(directory / "metrics.csv")
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def state(directory: Path) -> dict[str, Any]:
    path = directory / "checkpoints" / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)


def assert_same_end(directory: Path, whole: Path) -> None:
    assert losses(directory) == losses(whole)
    found, expected = state(directory), state(whole)
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, value in expected["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value), name
    adam, expected_adam = (each["optimizer_states"][0]["state"] for each in (found, expected))
    for parameter, moments in expected_adam.items():
        for name, value in moments.items():
            assert torch.equal(adam[parameter][name], value)
    events = EventAccumulator(str(directory)).Reload().Scalars("loss/test")
    assert [event.step for event in events] == [1, 2, 3, 4]
    assert (directory / "result.json").exists()


def interrupt_at(monkeypatch: pytest.MonkeyPatch, hook: tuple[type, str], epoch: int) -> None:
    """Ctrl-C in a callback's hook, before it does its work."""
    callback, name = hook
    original = getattr(callback, name)

    def interrupted(self: Any, trainer: Trainer, module: LightningModule, *rest: Any) -> None:
        if trainer.current_epoch + 1 == epoch:
            raise KeyboardInterrupt
        original(self, trainer, module, *rest)

    monkeypatch.setattr(callback, name, interrupted)


@pytest.mark.parametrize(
    ("hook", "epoch", "kept"),
    [
        ((Curves, "on_train_batch_end"), 1, 0),  # nothing to resume from
        ((Curves, "on_train_batch_end"), 3, 2),
        ((Curves, "on_validation_start"), 3, 2),
        ((LastCheckpoint, "on_train_epoch_end"), 3, 3),  # its row and events are written already
    ],
)
def test_ctrl_c_leaves_a_run_that_ends_with_the_same_bits(
    run: Command,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: tuple[type, str],
    epoch: int,
    kept: int,
):
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt_at(patch, hook, epoch)
        outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 130
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1].startswith("interrupted: the same command goes on")
    assert signal.getsignal(signal.SIGINT) is handler
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    assert not (directory / "result.json").exists()
    assert losses(directory) == losses(whole)[:kept]
    outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 0
    assert ("resumed after epoch 2\n" in outcome.err) == (epoch == 3)
    assert_same_end(directory, whole)


def test_a_run_killed_before_its_result_was_written_gets_one(run: Command, tmp_path: Path):
    options = ("--baseline", "none")
    assert run(ACT, tmp_path, *options).code == 0
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    before = losses(directory)
    (directory / "result.json").unlink()
    outcome = run(ACT, tmp_path, *options)
    assert outcome.code == 0
    assert "finished" in outcome.out
    assert losses(directory) == before
    assert "epoch 1/" not in outcome.err


def test_a_killed_run_ends_with_the_same_bits(run: Command, tmp_path: Path, whole: Path):
    command = [
        *(sys.executable, "-m", "experiments.autoencoder", "--runs", str(tmp_path)),
        *("--config", str(CONFIGS / "smoke.yaml"), "--act", ACT, *OPTIONS),
    ]
    process = subprocess.Popen(
        command,
        cwd=CONFIGS.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as here: the number changes the bits
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            if line.startswith("epoch 2/"):
                process.kill()
                break
    assert process.wait() == -signal.SIGKILL
    outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 0
    assert "resumed after epoch" in outcome.err
    assert_same_end(tmp_path / "autoencoder" / ACT / "seed0", whole)


def test_event_files_of_one_second_stay_in_order(tmp_path: Path):
    first = f"events.out.tfevents.{int(time.time())}.z.999999.0"
    (tmp_path / first).touch()
    events = EventFile(tmp_path, first_epoch=1)
    events.log_metrics({"loss/test": 1.0}, step=1)
    events.finalize("success")
    second, third = sorted(path.name for path in tmp_path.iterdir())
    assert second == first
    assert third > first
