"""What the machine may do to a run: no space, memory or compiler, one core, a clock that errs."""

from __future__ import annotations

import errno
import itertools
import os
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.common.errors import RunError
from experiments.common.files import read_json, write
from experiments.runs import carry_out as carrying_out
from experiments.runs import run as runs
from experiments.runs.run import Run
from experiments.studies import command
from experiments.studies.engines.base import Ended, Orders
from experiments.studies.engines.local import Local
from experiments.training import loop as training
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import Command

ONE = ("--baseline", "none", "--trainer.max_epochs", "1")


def full(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(*arguments: Any, **options: Any) -> None:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS))


@pytest.mark.parametrize(
    "what",
    ["lightning.pytorch.Trainer.save_checkpoint", "experiments.training.callbacks.write_metrics",
     "experiments.training.loggers.EventFile.log_metrics"],
)  # fmt: skip
def test_a_full_disk_fails_the_run_and_it_is_tried_again(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
):
    with monkeypatch.context() as patch:
        patch.setattr(what, full)
        outcome = run("relu", tmp_path, *ONE)
    assert outcome.code == 1
    assert "relu failed: OSError: [Errno 28] No space left on device" in outcome.err
    directory = tmp_path / "autoencoder" / "relu" / "seed0"
    assert read_json(directory / "result.json")["status"] == "failed"
    if what.endswith("checkpoint"):
        assert run("relu", tmp_path, *ONE).code == 0


def test_a_disk_too_full_for_the_result_is_an_error_in_a_line(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(carrying_out, "write_json", full)
    outcome = run("relu", tmp_path, *ONE)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1] == "error: [Errno 28] No space left on device"


def test_a_read_only_folder_is_an_error_in_a_line(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        patch.setattr(runs.tempfile, "mkdtemp", read_only)
        outcome = run("relu", tmp_path, *ONE)
    assert outcome.code == 2
    assert outcome.err == f"error: cannot keep runs in {tmp_path}: Read-only file system\n"
    with monkeypatch.context() as patch:  # the run's own directory, made before
        patch.setattr("experiments.studies.scheduler.held", read_only)
        outcome = run("relu", tmp_path, *ONE)
    assert outcome.code == 1
    assert "relu, seed 0, learning rate 0.001 failed: OSError: [Errno 30] Read-only" in outcome.out


def test_a_clock_that_jumps_back_changes_no_duration(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nor does it put off a checkpoint."""
    backwards = itertools.count(2e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(backwards))
    assert run("relu", tmp_path, *ONE, "--checkpoint_every", "0").code == 0
    directory = tmp_path / "autoencoder" / "relu" / "seed0"
    assert "checkpoint in epoch 1, after step 1\n" in (directory / "log.txt").read_text()
    assert 0 < read_json(directory / "result.json")["seconds"] < 600
    assert all(0 < row["seconds"] < 600 for row in read_metrics(directory / "metrics.csv"))


def test_without_a_compiler_a_run_says_so_and_is_eager(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def missing() -> None:
        raise RuntimeError("torch.compile does not work on this machine: no C++ compiler\n...")

    monkeypatch.setattr(training, "require_compiler", missing)
    monkeypatch.setattr(torch.nn.Module, "compile", full)
    outcome = run("relu", tmp_path, *ONE, "--compile", "true")
    assert outcome.code == 0
    assert "not compiled, which is slower: torch.compile does not work" in outcome.err


def test_without_memory_a_run_says_what_to_change(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def out_of_memory(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.nn.functional, "mse_loss", out_of_memory)
    monkeypatch.setattr(training.Training, "training_step", out_of_memory)
    assert run("relu", tmp_path, *ONE).code == 1
    message = read_json(tmp_path / "autoencoder" / "relu" / "seed0" / "result.json")["message"]
    assert message.startswith("OutOfMemoryError: CUDA out of memory.\n")
    assert "--data.batch_size" in message
    assert "bf16-mixed" in message


def test_one_core_is_one_core(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    assert command.cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert command.cores() == 1


def test_where_no_process_can_be_forked_a_run_waits_for_another_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def no_more(process: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    engine = Local(1, None, Orders("", (), 1, None))  # type: ignore[arg-type]
    monkeypatch.setattr(ForkServerProcess, "start", no_more)
    run = Run("autoencoder", "relu", "ReLU() / Exact()", "0e", 0, {})
    engine.start(run, tmp_path)
    reason = "no process: BlockingIOError: [Errno 11] Resource temporarily unavailable"
    assert engine.wait(0) == [Ended(run, None, reason, lost=True)]
    assert engine.wait(0) == []
    engine.close()


def test_a_run_with_a_link_in_it_is_refused(run: Command, tmp_path: Path):
    """What is written would go where the link leads, in a folder that a stranger packed."""
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    assert run("relu", tmp_path / "runs", *ONE).code == 0
    directory = tmp_path / "runs" / "autoencoder" / "relu" / "seed0"
    (directory / "result.json").unlink()
    (directory / "log.txt").unlink()
    (directory / "log.txt").symlink_to(precious)
    outcome = run("relu", tmp_path / "runs", *ONE)
    assert outcome.code == 2
    assert outcome.err.startswith(f"error: {directory / 'log.txt'} is a link; a run has none")
    assert precious.read_text() == "mine"
    (directory / "log.txt").unlink()
    os.mkfifo(directory / "log.txt")  # nor is a pipe waited for
    outcome = run("relu", tmp_path / "runs", *ONE)
    assert outcome.err.startswith(f"error: {directory / 'log.txt'} is not an ordinary file")
    link = tmp_path / ".metrics.csv.new"
    link.symlink_to(precious)
    write(tmp_path / "metrics.csv", "theirs")
    assert precious.read_text() == "mine"


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(RunError, match="not an ordinary file"):
        read_json(tmp_path / "result.json")
