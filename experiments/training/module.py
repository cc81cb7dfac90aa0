"""What Lightning trains: a network of an experiment, and the batches of its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

import surrogate
from experiments.tasks import experiment as experiments
from experiments.tasks.data import Images
from experiments.training.optimization import make_optimizer, one_cycle

Batch = tuple[Tensor, Tensor]


class Training(LightningModule):
    """Trains a network of an experiment and measures it on three sets of images.

    All arguments are plain values, so a checkpoint holds no code:
    `Training.load_from_checkpoint(path, weights_only=True).network` is the trained network.

    Args:
        experiment: its name.
        model: name and arguments of the network.
        loss: options of what is measured.
        optimizer: name and options of the optimiser.
        schedule: name and options of the learning rate's schedule.
        annealed: schedules of numbers of the pairs, if any: path → text. They make the buffers in
            which a checkpoint has these numbers.
    """

    def __init__(
        self,
        experiment: str,
        model: dict[str, Any],
        loss: dict[str, Any],
        optimizer: dict[str, Any],
        schedule: dict[str, Any],
        annealed: dict[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.optimizer_options = optimizer
        self.schedule_options = schedule
        kinds = experiments.named(experiment)
        self.network = kinds.network(model)
        self.measures = kinds.measures(**loss)
        if annealed:
            surrogate.Anneal(self.network, annealed, steps=1)

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(self.parameters(), self.optimizer_options)
        if self.schedule_options["name"] == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = one_cycle(optimizer, self.schedule_options["rise"], steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        return self.measures(self.network, *batch)  # `Curves` adds up over the epoch

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int) -> None:
        part = ("val", "test")[dataloader_idx]
        measured = self.measures(self.network, *batch)
        self.log_dict(
            {f"{name}/{part}": value for name, value in measured.items()},
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            logger=False,  # `Curves` does it
            # The weight: Lightning divides the sum over processes by their number, and rounds.
            batch_size=len(batch[0]) * self.trainer.world_size,
            add_dataloader_idx=False,
            sync_dist=True,
        )


class Loaders(LightningDataModule):
    """The batches of a data set, this process's share of each."""

    def __init__(self, data: Images[Any], seed: int) -> None:
        super().__init__()
        self.data = data
        self.seed = seed

    def train_dataloader(self) -> DataLoader[Any]:
        return self.data.train_loader(self.seed, *self._share())

    def val_dataloader(self) -> Sequence[DataLoader[Any]]:
        parts = (self.data.val, self.data.test)
        return [self.data.eval_loader(part, *self._share()) for part in parts]

    def _share(self) -> tuple[int, int]:
        assert self.trainer is not None
        return self.trainer.global_rank, self.trainer.world_size
