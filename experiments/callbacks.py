"""What happens around the epochs of a run: the curves, the checkpoint, the randomness."""

from __future__ import annotations

import logging
import math
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from experiments.runs import METRICS, Row, write_metrics

epoch_log = logging.getLogger("experiments.epochs")


class DivergedError(Exception):
    """The loss is no longer a finite number."""


class Curves(Callback):
    """The three losses of every epoch: to metrics.csv, the event file and the log.

    Its rows travel in the checkpoint, so a resumed run has each epoch once. A loss that is not
    finite stops the run there and then.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "metrics.csv"
        self.rows: list[Row] = []
        self.images = 0
        self.training_seconds = 0.0  # evaluation left out

    @property
    def best(self) -> Row | None:
        """The epoch of lowest validation loss."""
        return min(self.rows, key=lambda row: row["loss/val"], default=None)

    @property
    def images_per_second(self) -> float | None:
        return self.images / self.training_seconds if self.training_seconds else None

    def state_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "images": self.images,
            "training_seconds": self.training_seconds,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
        self.images = state_dict["images"]
        self.training_seconds = state_dict["training_seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        write_metrics(self.path, self.rows)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch_start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.images += len(batch[0])
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise DivergedError(
                f"the training loss is {loss} in epoch {trainer.current_epoch + 1}, "
                f"step {batch_idx + 1}"
            )

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training_seconds += time.perf_counter() - self._epoch_start

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        losses = {name: float(trainer.callback_metrics[name]) for name in METRICS[1:4]}
        for name, loss in losses.items():
            if not math.isfinite(loss):
                raise DivergedError(f"{name} is {loss} after epoch {epoch}")
        seconds = round(time.perf_counter() - self._epoch_start, 3)
        self.rows.append({"epoch": epoch, **losses, "seconds": seconds})
        for logger in trainer.loggers:
            logger.log_metrics(losses, step=epoch)
            logger.save()
        write_metrics(self.path, self.rows)
        curves = "  ".join(f"{name} {loss:.5f}" for name, loss in losses.items())
        epoch_log.info("epoch %d/%s  %s  %.1f s", epoch, trainer.max_epochs, curves, seconds)


class LastCheckpoint(Callback):
    """`checkpoints/last.ckpt` after every epoch, replaced in one step. Must follow `Curves`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        new = self.path.with_name("new.ckpt")
        trainer.save_checkpoint(new)
        os.replace(new, self.path)


class EpochSeed(Callback):
    """Seeds all random numbers at each epoch, so that a resumed run draws the same ones."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        mixed = np.random.SeedSequence([self.seed, trainer.current_epoch]).generate_state(1)
        seed = int(mixed[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
