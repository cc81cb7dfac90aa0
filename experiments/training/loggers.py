"""What a run logs: its curves, settings and final figures, as events of TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.tensorboard import TensorBoardLogger as FabricTensorBoardLogger
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from experiments.common.files import flat
from experiments.training.callbacks import Curves


class EventFile(TensorBoardLogger):
    """TensorBoard's events in the run's directory, without another copy of its settings."""

    def __init__(self, directory: Path, first_step: int) -> None:
        make_way(directory)
        # What an earlier process logged from `first_step` on is purged: it is logged again.
        super().__init__(
            directory, name="", version="", default_hp_metric=False, purge_step=first_step
        )

    def save(self) -> None:
        FabricTensorBoardLogger.save(self)


def make_way(directory: Path) -> None:
    """Lets the event file to come be the last one by its name, also if the clock has jumped back.

    TensorBoard reads a directory's files by name, that is by the second of their making, and then
    by process.
    """
    now = latest = int(time.time())
    for path in sorted(directory.glob("events.out.tfevents.*"), reverse=True):
        name, second, rest = path.name[:20], path.name[20:30], path.name[30:]
        if not second.isdecimal():
            continue  # not one of ours
        if int(second) > latest:
            path.rename(directory / f"{name}{latest:010d}{rest}")
        latest = min(int(second), latest) - 1
    if list(directory.glob(f"events.out.tfevents.{now:010d}.*")):
        time.sleep(1)


class HyperParameters(Callback):
    """The run's settings and final test figures, for TensorBoard's table of hyperparameters."""

    def __init__(self, act: str, seed: int, config: Mapping[str, Any], curves: Curves) -> None:
        self.settings = {"act": act, "seed": seed, **flat(config)}
        self.curves = curves

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(self.curves.rows) == trainer.max_epochs:  # Lightning has nothing left to train
            self.on_train_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        chosen = self.curves.chosen
        assert chosen is not None
        metrics = self.curves.experiment.metrics
        final = {f"hp/test_{metric}": chosen[f"{metric}/test"] for metric in metrics}
        for logger in trainer.loggers:
            # Behind the last epoch: a run that was cut off here logs them again.
            logger.log_hyperparams(self.settings, final, step=len(self.curves.rows) + 1)  # type: ignore
