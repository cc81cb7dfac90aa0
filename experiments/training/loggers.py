"""What a run logs: its curves, settings and final figures, by a logger of Lightning's.

All of them write into the run's directory, and nothing leaves the machine. What a run logs again,
as it goes on from its last checkpoint, is there once with `tensorboard` and `csv`. With `wandb` and
`mlflow` each process that has had a part in a run leaves a run of its own, of the epochs that it
saw.
"""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.tensorboard import TensorBoardLogger as FabricTensorBoardLogger
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from experiments.common.errors import RunError
from experiments.common.files import LARGEST_TABLE, flat, read_text
from experiments.training.callbacks import Curves
from experiments.training.metrics import write_metrics


def make_logger(name: str, directory: Path, first_step: int, experiment: str, title: str) -> Logger:
    """The logger of that name, for a run in a directory that logs anew from `first_step` on.

    W&B and MLflow file it under the experiment and the title.
    """
    if name == "csv":
        return Table(directory, first_step)
    if name == "wandb":
        return OfflineRun(directory, experiment, title)
    if name == "mlflow":
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        return MLFlowLogger(
            experiment,
            title,
            tracking_uri=f"sqlite:///{directory.resolve() / 'mlflow.db'}",
            artifact_location=(directory.resolve() / "mlflow").as_uri(),
        )
    return EventFile(directory, first_step)


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


class Table(CSVLogger):
    """`csv/metrics.csv`, with a row for all that is logged at once, and `csv/hparams.yaml`."""

    def __init__(self, directory: Path, first_step: int) -> None:
        super().__init__(directory, name="csv", version="")
        self._experiment = Rows(directory / "csv", first_step)


class Rows(ExperimentWriter):
    """Those of an earlier process up to `first_step`, and the new ones; written in one step."""

    def __init__(self, folder: Path, first_step: int) -> None:
        super().__init__(str(folder))
        path = folder / self.NAME_METRICS_FILE
        try:
            table = csv.DictReader(io.StringIO(read_text(path, LARGEST_TABLE), newline=""))
            earlier = [row for row in table if int(row["step"]) < first_step]
        except FileNotFoundError:
            return
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise RunError(f"{path} is damaged: {error}") from None
        self.metrics = earlier  # type: ignore[assignment]  # texts, which stay what they are

    def _check_log_dir_exists(self) -> None:
        """Lightning would delete the earlier rows here."""

    def save(self) -> None:
        columns = sorted({name for row in self.metrics for name in row})
        write_metrics(Path(self.metrics_file_path), self.metrics, columns)


class OfflineRun(WandbLogger):
    """An offline run of W&B, for `wandb sync`; it says nothing, and ends with the training."""

    def __init__(self, directory: Path, experiment: str, title: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        super().__init__(
            title,
            directory,
            offline=True,
            project=experiment,
            mode="offline",
            reinit="create_new",  # also where an earlier run of this process has not ended
            settings={"silent": True, "console": "off", "symlink": False},
        )
        self._wandb_init.pop("anonymous")  # Lightning's, of which W&B says it has no effect
        # A run's directory may have no links in it, and W&B leaves this one all the same.
        (Path(self.experiment.dir).parent / "logs" / "debug-core.log").unlink(missing_ok=True)

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._experiment is not None:
            self._experiment.finish(exit_code=int(status != "success"))


class HyperParameters(Callback):
    """The run's settings and final test figures, such as for TensorBoard's table of them."""

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
        step = len(self.curves.rows) + 1  # a run that was cut off here logs them again
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(self.settings, final, step=step)
            else:
                logger.log_hyperparams(self.settings)
                logger.log_metrics(final, step=step)
