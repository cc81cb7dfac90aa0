"""What happens around the epochs of a run: the curves, the checkpoint, the randomness."""

from __future__ import annotations

import logging
import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from experiments.common.signals import Stopped, StopRequest
from experiments.tasks.experiment import Experiment
from experiments.training.divergence import first_not_finite
from experiments.training.metrics import METRICS, Row, write_metrics

log = logging.getLogger("experiments")
epoch_log = logging.getLogger("experiments.epochs")


LOOK_EVERY = 50  # steps: a GPU would have to be waited for at each of them


class DivergedError(Exception):
    """The loss is no longer a finite number."""


class Curves(Callback):
    """What is measured in every epoch: to metrics.csv, the logger and the log.

    Its rows travel in the checkpoint, so a resumed run has each epoch once, and so do the sums over
    an epoch's training batches. A loss that is not finite stops the run there and then. With a
    patience, so many epochs in a row that are no better than the best before end the training.
    """

    def __init__(
        self, directory: Path, experiment: Experiment, patience: int | None = None
    ) -> None:
        self.path = directory / "metrics.csv"
        self.experiment = experiment
        self.patience = patience
        self.rows: list[Row] = []
        self.images = 0
        self.training_seconds = 0.0  # evaluation left out
        self.seconds = 0.0  # of an epoch that an earlier process began
        self._unseen: list[Tensor] = []
        self._images = 0  # of this epoch
        self._sums: dict[str, Tensor] = {}  # over this epoch's images, of what is measured
        self._restored: list[dict[str, Tensor]] = []
        self._epoch_start: float | None = None
        self._batch: tuple[Any, int] = (None, 0)

    @property
    def best(self) -> Row | None:
        """The epoch that is best on the validation images, the first of equals."""
        return min(self.rows, key=self.experiment.badness, default=None)

    @property
    def chosen(self) -> Row | None:
        """The epoch whose figures are the run's: the last one, or with a patience the best."""
        return self.best if self.patience else (self.rows or [None])[-1]

    @property
    def out_of_patience(self) -> bool:
        if self.best is None or self.patience is None:
            return False
        return self.rows[-1]["epoch"] - self.best["epoch"] >= self.patience

    @property
    def images_per_second(self) -> float | None:
        return self.images / self.training_seconds if self.training_seconds else None

    def state_dict(self) -> dict[str, Any]:
        sums = {name: value.cpu() for name, value in self._sums.items()}
        return {
            "rows": list(self.rows),
            "images": self.images,
            "training_seconds": self.training_seconds,
            "seconds": self._elapsed() if sums else 0.0,
            "unseen": [loss.cpu() for loss in self._unseen],
            "images_of_epoch": self._images,
            "sums": of_all_processes(sums),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
        self.images = state_dict["images"]
        self.training_seconds = state_dict["training_seconds"]
        self.seconds = state_dict["seconds"]
        self._unseen = state_dict["unseen"]
        self._images = state_dict["images_of_epoch"]
        self._restored = state_dict["sums"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)
        trainer.should_stop = self.out_of_patience  # a run that was cut off after its last epoch
        self._epoch_start = time.perf_counter() - self.seconds
        self._unseen = [loss.to(pl_module.device) for loss in self._unseen]
        if self._restored:
            own = self._restored[trainer.global_rank]
            self._sums = {name: value.to(pl_module.device) for name, value in own.items()}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._epoch_start = time.perf_counter()
        self._images = 0
        self._sums = {}

    def _elapsed(self) -> float:
        """Seconds of this epoch."""
        return 0.0 if self._epoch_start is None else time.perf_counter() - self._epoch_start

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch, batch_idx

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """On a CPU each loss is looked at, before the weights change with its gradient."""
        if not loss.is_cpu:
            return
        value = mean_over_processes(trainer, loss).item()
        if math.isfinite(value):
            return
        batch, index = self._batch
        context = trainer.precision_plugin.train_step_context
        with context():
            where = first_not_finite(
                pl_module.network,  # type: ignore[arg-type]
                lambda network: pl_module.measures(network, *batch),  # type: ignore[operator]
            )
        raise DivergedError(f"{diverged(value, trainer.current_epoch + 1, index + 1)}; {where}")

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        images = len(batch[0]) * trainer.world_size
        self.images += images
        self._images += images
        for name, value in outputs.items():
            precise = torch.promote_types(value.dtype, torch.float32)
            self._sums[name] = self._sums.get(name, 0) + value.detach().to(precise) * images
        if outputs["loss"].is_cpu:
            return
        self._unseen.append(mean_over_processes(trainer, outputs["loss"]))
        if len(self._unseen) == LOOK_EVERY or trainer.is_last_batch:
            self._look(trainer.current_epoch + 1, batch_idx + 1)

    def _look(self, epoch: int, step: int) -> None:
        """Raises DivergedError at the first loss that is not finite, of those up to this step."""
        losses = torch.stack(self._unseen).tolist()
        self._unseen.clear()
        for before, loss in zip(range(len(losses) - 1, -1, -1), losses, strict=True):
            if not math.isfinite(loss):
                raise DivergedError(diverged(loss, epoch, step - before))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.training_seconds += self._elapsed()

    def _means(self, trainer: Trainer) -> dict[str, Tensor]:
        """Of what is measured, over this epoch's training images."""
        images = torch.tensor(self._images)
        return {
            f"{name}/train": trainer.strategy.reduce(value.clone(), reduce_op="mean") / images
            for name, value in self._sums.items()
        }

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        means = self._means(trainer)
        pl_module.log_dict(means, prog_bar=True, logger=False, sync_dist=True)
        found = {**trainer.callback_metrics, **means}
        measured = {name: float(found[name]) for name in self.experiment.curves}
        for name, value in measured.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} after epoch {epoch}")
        seconds = round(self._elapsed(), 3)
        self._sums = {}
        self.rows.append({"epoch": epoch, **measured, "seconds": seconds})
        for logger in trainer.loggers:
            logger.log_metrics(measured, step=epoch)
            logger.save()
        self._write(trainer)
        curves = "  ".join(f"{name} {value:.5f}" for name, value in measured.items())
        epoch_log.info("epoch %d/%s  %s  %.1f s", epoch, trainer.max_epochs, curves, seconds)
        trainer.should_stop = trainer.should_stop or self.out_of_patience

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            columns = (METRICS[0], *self.experiment.curves, METRICS[-1])
            write_metrics(self.path, self.rows, columns)


def diverged(loss: float, epoch: int, step: int) -> str:
    return f"the training loss is {loss} in epoch {epoch}, step {step}"


def mean_over_processes(trainer: Trainer, loss: Tensor) -> Tensor:
    """The mean of a loss over the processes that train together: all of them stop, or none."""
    return trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")  # type: ignore[return-value]


class BestCheckpoint(Callback):
    """`checkpoints/best.ckpt` after each epoch that is the best. Must follow `Curves`.

    It must come before `LastCheckpoint`: a run that is cut off between them repeats the epoch.
    """

    def __init__(self, path: Path, curves: Curves) -> None:
        self.path = path
        self.curves = curves

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.curves.best is self.curves.rows[-1]:
            save_checkpoint(trainer, self.path)


class EveryCheckpoint(Callback):
    """`checkpoints/epoch0.ckpt`, … after every epoch and before the first: the weights alone.

    It must come before `LastCheckpoint`, for the reason that `BestCheckpoint` must.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == 0:
            self._save(trainer, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer, trainer.current_epoch + 1)

    def _save(self, trainer: Trainer, epoch: int) -> None:
        save_checkpoint(trainer, self.folder / f"epoch{epoch}.ckpt", weights_only=True)


class LastCheckpoint(Callback):
    """`checkpoints/last.ckpt` after every epoch, and within one whenever some seconds have gone by.

    It must be the last of the callbacks: a checkpoint has what they all have done up to it, and a
    run that goes on from there gives each its `state_dict` back. It is written after a training
    step too if a signal asks for a stop, which comes next.

    Args:
        path: of the file.
        every: seconds between checkpoints within an epoch; with 0 there is one after each step.
        request: a signal's.
    """

    def __init__(self, path: Path, every: float, request: StopRequest) -> None:
        self.path = path
        self.every = every
        self.request = request
        self.step = 0
        self._saved = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.step = state_dict["step"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.step:
            # Lightning has done so, unless the schedule had to know how many steps there will be.
            trainer.train_dataloader.load_state_dict({"taken": self.step})  # type: ignore[union-attr]
        self.request.listen()  # to the signals that Lightning has taken
        self._saved = time.monotonic()
        self._stop(agreed(trainer, self.request.number))

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.is_last_batch:
            return  # that of the epoch comes next
        due = time.monotonic() - self._saved >= self.every
        wish = agreed(trainer, self.request.number or int(due))
        if wish:
            self._save(trainer, step=batch_idx + 1)
            log.debug("checkpoint in epoch %d, after step %d", trainer.current_epoch + 1, self.step)
            self._stop(wish)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer, step=0)
        self._stop(agreed(trainer, self.request.number))

    def _save(self, trainer: Trainer, step: int) -> None:
        self.step = step
        save_checkpoint(trainer, self.path)
        self._saved = time.monotonic()

    def _stop(self, wish: int) -> None:
        """Stops, if the wish is the number of a signal, which is above 1."""
        if wish > 1:
            raise Stopped(wish)


def save_checkpoint(trainer: Trainer, path: Path, weights_only: bool = False) -> None:
    """Writes a checkpoint, or replaces it in one step, after the events that it tells of."""
    for logger in trainer.loggers:
        logger.save()
    trainer.save_checkpoint(path, weights_only)  # all processes have a part in it


def agreed(trainer: Trainer, wish: int) -> int:
    """The greatest of the wishes of all processes, so that they all do the same."""
    if trainer.world_size == 1:
        return wish
    wishes = torch.tensor(wish, device=trainer.strategy.root_device)
    return int(trainer.strategy.reduce(wishes, reduce_op="max"))


def of_all_processes(value: Any) -> list[Any]:
    """What each of the processes that train together has."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


class EpochSeed(Callback):
    """Seeds all random numbers at each epoch, so that a resumed run draws the same ones.

    Each of the processes that train together draws others. Within an epoch a checkpoint has the
    states of their generators. It must be the first of the callbacks: then these are put back just
    before the step that they are for.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._device = torch.device("cpu")
        self._restored: list[dict[str, Any]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"generators": of_all_processes(generators(self._device))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict["generators"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._device = pl_module.device

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        numbers = [self.seed, trainer.current_epoch, trainer.global_rank]
        seed = int(np.random.SeedSequence(numbers).generate_state(1)[0])
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._restored = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self._restored:
            set_generators(self._restored[trainer.global_rank], self._device)
            self._restored = []


def generators(device: torch.device) -> dict[str, Any]:
    """The states of the generators that the code of a training step may draw from."""
    kind, keys, *rest = np.random.get_state()
    states = {
        "python": random.getstate(),
        "numpy": (kind, np.asarray(keys).tolist(), *rest),
        "torch": torch.get_rng_state(),
    }
    if device.type != "cpu":
        states["device"] = torch.get_device_module(device).get_rng_state()
    return states


def set_generators(states: dict[str, Any], device: torch.device) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states["device"])
