"""Runs that are cut off, and go on from there as if they never had been."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import LightningModule, Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.training.callbacks import Curves, LastCheckpoint
from experiments.training.layers import LayerStatistics
from experiments.training.loggers import EventFile, HyperParameters
from experiments.training.metrics import read_metrics
from tests.experiments.conftest import CONFIGS, Command
from tests.same import differences

OPTIONS = ("--baseline", "none", "--trainer.max_epochs", "4")
ACT = "rrelu"  # draws random numbers while it trains
Hook = tuple[type, str]


@pytest.fixture(scope="module")
def whole(run: Command, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that nothing interrupted."""
    runs = tmp_path_factory.mktemp("whole")
    assert run(ACT, runs, *OPTIONS).code == 0
    return runs / "autoencoder" / ACT / "seed0"


def losses(directory: Path) -> list[dict[str, float]]:
    rows = read_metrics(directory / "metrics.csv")
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def resumed(directory: Path) -> list[str]:
    """From where the run went on, each time."""
    return re.findall("resumed after (.*)", (directory / "log.txt").read_text())


def do_at(
    monkeypatch: pytest.MonkeyPatch,
    action: Callable[[], None],
    hook: Hook,
    epoch: int,
    step: int = 1,
) -> None:
    """Does something in a callback's hook, before it does its work, from some step on, once."""
    callback, name = hook
    original = getattr(callback, name)
    done: list[None] = []

    def changed(self: Any, trainer: Trainer, module: LightningModule, *rest: Any) -> None:
        if not done and (trainer.current_epoch + 1, trainer.fit_loop.batch_idx + 1) >= (
            epoch,
            step,
        ):
            done.append(action())
        original(self, trainer, module, *rest)

    monkeypatch.setattr(callback, name, changed)


def interrupt() -> None:
    """As Ctrl-C does at its second time, or SIGKILL if nobody caught it: there and then."""
    raise KeyboardInterrupt


def interrupt_at(monkeypatch: pytest.MonkeyPatch, hook: Hook, epoch: int, step: int = 1) -> None:
    do_at(monkeypatch, interrupt, hook, epoch, step)


@pytest.mark.parametrize(
    ("hook", "epoch", "kept"),
    [
        ((Curves, "on_train_batch_end"), 1, 0),  # nothing to resume from
        ((Curves, "on_train_batch_end"), 3, 2),
        ((Curves, "on_validation_start"), 3, 2),
        ((LastCheckpoint, "on_train_epoch_end"), 3, 3),  # its row and events are written already
    ],
)
def test_an_interrupt_leaves_a_run_that_ends_with_the_same_bits(
    run: Command,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: Hook,
    epoch: int,
    kept: int,
):
    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        interrupt_at(patch, hook, epoch)
        outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 130
    assert outcome.out == ""
    assert outcome.err.splitlines()[-1] == "interrupted: the same command goes on from there"
    assert signal.getsignal(signal.SIGINT) is handler
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    assert not (directory / "result.json").exists()
    assert losses(directory) == losses(whole)[:kept]
    outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 0
    assert ("resumed after epoch 2\n" in outcome.err) == (epoch == 3)
    assert differences(directory, whole) == []


WIDTH = ("--anneal", "derivative.width: cosine(1, 0.1)")
ONE_CYCLE = (
    *("--schedule.name", "one_cycle", "--stopping.patience", "3"),
    *("--trainer.gradient_clip_val", "0.1", "--data.limit", "97"),
)


@pytest.mark.parametrize(
    ("command", "act", "options"),
    [
        ("run", ACT, ()),
        ("run", "heaviside_blurred", (*WIDTH, "--anneal_every", "epoch")),
        ("classify", ACT, ONE_CYCLE),
    ],
    ids=["stochastic", "annealed by epochs", "one cycle"],
)
def test_a_run_cut_off_within_epochs_ends_with_the_same_bits(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    act: str,
    options: tuple[str, ...],
):
    run: Command = request.getfixturevalue(command)
    options = ("--baseline", "none", *options)
    assert run(act, tmp_path / "whole", *options).code == 0
    for epoch, step in ((1, 3), (2, 1), (2, 2)):
        with monkeypatch.context() as patch:
            interrupt_at(patch, (LastCheckpoint, "on_train_batch_end"), epoch, step)
            outcome = run(act, tmp_path, *options, "--checkpoint_every", "0")
        assert outcome.code == 130
    assert run(act, tmp_path, *options).code == 0
    (whole,) = (path.parent for path in (tmp_path / "whole").rglob("result.json"))
    directory = tmp_path / whole.relative_to(tmp_path / "whole")
    assert resumed(directory) == ["epoch 0, step 2", "epoch 1", "epoch 1, step 1"]
    assert differences(directory, whole) == []


@pytest.mark.parametrize(
    ("number", "hook", "step", "after"),
    [
        (signal.SIGTERM, (LayerStatistics, "on_train_start"), 0, []),
        (signal.SIGTERM, (Curves, "on_train_batch_end"), 2, ["epoch 2, step 2"]),
        (signal.SIGINT, (Curves, "on_train_batch_end"), 2, ["epoch 2, step 2"]),
        (signal.SIGTERM, (Curves, "on_validation_start"), 4, ["epoch 3"]),
    ],
    ids=["start", "step", "step, Ctrl-C", "validation"],
)
def test_a_signal_stops_a_run_after_the_step(
    run: Command,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    hook: Hook,
    step: int,
    after: list[str],
):
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        epoch = 3 if step else 1
        do_at(patch, lambda: os.kill(os.getpid(), number), hook, epoch, step)
        outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 128 + number
    words = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    assert outcome.err.splitlines()[-1] == f"{words}: the same command goes on from there"
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert run(ACT, tmp_path, *OPTIONS).code == 0
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    assert resumed(directory) == after
    assert differences(directory, whole) == []


def test_a_second_ctrl_c_does_not_wait(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        do_at(patch, twice, (Curves, "on_train_batch_end"), 1, 2)
        outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 130
    assert not list(tmp_path.rglob("last.ckpt"))


@pytest.mark.parametrize("damaged", [("last.ckpt",), ("last.ckpt", "previous.ckpt")])
def test_a_damaged_checkpoint_is_not_used(
    run: Command,
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    damaged: tuple[str, ...],
):
    with monkeypatch.context() as patch:
        interrupt_at(patch, (Curves, "on_validation_start"), 3)
        assert run(ACT, tmp_path, *OPTIONS).code == 130
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    for name in damaged:
        path = directory / "checkpoints" / name
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 0
    first = directory / "checkpoints" / "last.ckpt"
    wrong = "its SHA-256 is not the one that was written with it"
    assert f"{first} is damaged ({wrong}): taking the one before\n" in outcome.err
    anew = len(damaged) == 2
    assert ("no checkpoint is left: starting anew\n" in outcome.err) == anew
    assert resumed(directory) == ([] if anew else ["epoch 1"])
    assert differences(directory, whole) == []


def test_a_run_killed_before_its_result_was_written_gets_one(
    run: Command, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """Killed before the last events, and again behind them."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, (HyperParameters, "on_train_end"), 1)
        assert run(ACT, tmp_path, *OPTIONS).code == 130
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    outcome = run(ACT, tmp_path, *OPTIONS)
    assert outcome.code == 0
    assert "finished" in outcome.out
    assert "epoch 1/" not in outcome.err
    assert differences(directory, whole) == []
    (directory / "result.json").unlink()
    assert run(ACT, tmp_path, *OPTIONS).code == 0
    assert differences(directory, whole) == []


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
    assert differences(tmp_path / "autoencoder" / ACT / "seed0", whole) == []


def test_the_interval_of_checkpoints_does_not_make_another_run(
    run: Command, tmp_path: Path, whole: Path
):
    assert run(ACT, tmp_path, *OPTIONS, "--checkpoint_every", "0").code == 0
    directory = tmp_path / "autoencoder" / ACT / "seed0"
    found, expected = ((each / "identity.json").read_text() for each in (directory, whole))
    assert found == expected
    assert differences(directory, whole) == []
    assert [path.name for path in (directory / "checkpoints").iterdir()] == ["last.ckpt"]


def test_events_of_a_run_that_left_no_checkpoint_are_not_doubled(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patch:
        interrupt_at(patch, (Curves, "on_validation_start"), 1)
        assert run(ACT, tmp_path, *OPTIONS).code == 130
    assert run(ACT, tmp_path, *OPTIONS).code == 0
    events = EventAccumulator(str(tmp_path / "autoencoder" / ACT / "seed0")).Reload()
    (tag, *_) = (name for name in events.Tags()["scalars"] if name.startswith("std/"))
    assert [event.step for event in events.Scalars(tag)] == [0, 1, 2, 3, 4]


def test_event_files_of_one_second_stay_in_order(tmp_path: Path):
    now = int(time.time())
    names = [f"events.out.tfevents.{second}.z.999999.0" for second in (now - 9, now)]
    for name in names:
        (tmp_path / name).touch()
    events = EventFile(tmp_path, first_step=1)
    events.log_metrics({"loss/test": 1.0}, step=1)
    events.finalize("success")
    *before, last = sorted(path.name for path in tmp_path.iterdir())
    assert before == names
    assert last > names[-1]


def test_a_clock_that_has_jumped_back_leaves_each_point_once(
    run: Command, tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
):
    """TensorBoard reads the event files by the times in their names."""
    for now, epoch in ((4e9, 2), (4.1e9, 3)):
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda now=now: now)
            interrupt_at(patch, (LastCheckpoint, "on_train_epoch_end"), epoch)
            assert run(ACT, tmp_path, *OPTIONS).code == 130
    assert run(ACT, tmp_path, *OPTIONS).code == 0
    assert differences(tmp_path / "autoencoder" / ACT / "seed0", whole) == []
