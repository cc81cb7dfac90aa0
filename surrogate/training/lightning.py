"""What needs Lightning: import it by its own name, `surrogate` alone doesn't."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from surrogate.training.anneal import Anneal, Schedule
from surrogate.training.probe import Probe
from surrogate.training.recording import SiteRecord


class AnnealCallback(Callback):
    """`surrogate.Anneal` over a Trainer's fit, logged as `anneal/<path>`.

    The numbers follow `trainer.global_step` (or the epoch), so a resumed fit goes on where it was.

    Args:
        schedules: path of a number within a pair → its schedule, as for `surrogate.Anneal`.
        every: whether the numbers move at each "step" or at each "epoch".

    Raises:
        ValueError: every is neither; in fit, what `surrogate.Anneal` raises, and if the number of
            steps is not known.
    """

    def __init__(
        self, schedules: Mapping[str, Schedule | str], every: Literal["step", "epoch"] = "step"
    ) -> None:
        if every not in ("step", "epoch"):
            raise ValueError(f"AnnealCallback: every must be 'step' or 'epoch', got {every!r}")
        self.schedules = schedules
        self.every = every
        self.anneal: Anneal = None  # type: ignore[assignment]  # until `setup`

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Before a checkpoint is restored, so that its buffers find their place.
        self.anneal = Anneal(pl_module, self.schedules, steps=1)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        steps = trainer.max_epochs if self.every == "epoch" else trainer.estimated_stepping_batches
        if steps is None or not 0 < steps < float("inf"):
            raise ValueError(f"AnnealCallback: the fit must have an end, got {steps} {self.every}s")
        self.anneal.steps = int(steps)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        done = trainer.current_epoch if self.every == "epoch" else trainer.global_step
        if done != self.anneal.done:  # also where an epoch is gone on with
            self.anneal.move_to(done)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        values = {f"anneal/{path}": value for path, value in self.anneal.values().items()}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.current_epoch + 1)


class ProbeCallback(Callback):
    """`surrogate.Probe` over a Trainer's fit: to a file, and to TensorBoard as histograms.

    The file is written after each epoch, and so are `probe/<quantity>/<site>` and the scalars
    `probe_dead/<site>` and `probe_saturated/<site>`. An epoch that an error ends is in the file,
    too, as far as it got. What was recorded travels in the checkpoint, so a resumed fit has each
    epoch once; put the callback before the one that saves it. Of processes that train together the
    first one records, its own share of each batch.

    Args:
        path: the file, which `surrogate.training.recording.Recording.load` reads.
        every: one of so many batches is sampled, the first of each epoch among them.
        samples: points of a site that are recorded of each of these.
        seed: of the points.

    Raises:
        TypeError, ValueError: in fit, what `surrogate.Probe` raises.
    """

    def __init__(
        self, path: str | os.PathLike[str], every: int = 50, samples: int = 2048, seed: int = 0
    ) -> None:
        self.path = Path(path)
        self.options = {"every": every, "samples": samples, "seed": seed}
        self.probe: Probe = None  # type: ignore[assignment]  # until `setup`

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.probe = Probe(pl_module, **self.options)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.probe is None else self.probe.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.probe.load_state_dict(state_dict)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)  # also of a run that was cut off after its last epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.probe.begin_epoch(trainer.current_epoch + 1)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_global_zero:
            self.probe.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.probe.stop()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        records = self.probe.end_epoch(epoch)
        self._save(trainer)
        for logger in trainer.loggers:
            shares = {
                f"probe_{name}/{site}": getattr(record, f"{name}_share")
                for site, record in records.items()
                for name in ("dead", "saturated")
            }
            logger.log_metrics(shares, step=epoch)
            if isinstance(logger, TensorBoardLogger):
                log_histograms(logger, records, epoch)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        if self.probe is None:  # it is what raised
            return
        self.probe.stop()
        if any(record.steps for record in self.probe.records.values()):
            self.probe.end_epoch()
            self._save(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self.probe is not None:
            self.probe.remove()

    def _save(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            self.probe.recording.save(self.path)


def log_histograms(logger: TensorBoardLogger, records: Mapping[str, SiteRecord], step: int) -> None:
    """The distributions of all sites as TensorBoard's histograms, those without values left out."""
    for site, record in records.items():
        for name, found in record.distributions.items():
            if not found.finite:
                continue
            within = found.counts.nonzero()[0]
            first, last = int(within[0]), int(within[-1])
            limits = [*found.edges, max(found.high, found.edges[-1])]
            logger.experiment.add_histogram_raw(
                f"probe/{name}/{site}",
                min=found.low,
                max=found.high,
                num=found.finite,
                sum=found.total,
                sum_squares=found.squares,
                bucket_limits=limits[first : last + 1],
                bucket_counts=found.counts[first : last + 1].tolist(),
                global_step=step,
            )
