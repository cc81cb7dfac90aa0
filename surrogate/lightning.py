"""What needs Lightning: import it by its own name, `surrogate` alone doesn't."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer

from surrogate.schedule import Anneal, Schedule


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
        self,
        schedules: Mapping[str, Schedule | str],
        every: Literal["step", "epoch"] = "step",
    ) -> None:
        if every not in ("step", "epoch"):
            raise ValueError(f"AnnealCallback: every must be 'step' or 'epoch', got {every!r}")
        self.schedules = schedules
        self.every = every
        self.anneal: Anneal | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        # Before a checkpoint is restored, so that its buffers find their place.
        self.anneal = Anneal(pl_module, self.schedules, steps=1)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        steps = trainer.max_epochs if self.every == "epoch" else trainer.estimated_stepping_batches
        if steps is None or not 0 < steps < float("inf"):
            raise ValueError(f"AnnealCallback: the fit must have an end, got {steps} {self.every}s")
        assert self.anneal is not None
        self.anneal.steps = int(steps)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if self.every == "epoch" and batch_idx > 0:
            return
        assert self.anneal is not None
        done = trainer.current_epoch if self.every == "epoch" else trainer.global_step
        self.anneal.move_to(done)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self.anneal is not None
        values = {f"anneal/{path}": value for path, value in self.anneal.values().items()}
        for logger in trainer.loggers:
            logger.log_metrics(values, step=trainer.current_epoch + 1)
