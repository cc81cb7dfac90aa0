"""How each activation site of a network is doing: to layers.csv, and to the logger.

    epoch         epochs trained, 0 before the first
    site          its name in the network
    mean, std     of its outputs
    near_zero     share of its outputs within 0.05 of 0
    neurons       how many it has: units, or channels
    dead          how many of them put out one and the same value for all images (and places)
    gradient_out  norm of the loss's gradient at its output
    gradient_in   norm of what it reports of it to its input

They are measured on the first 512 validation images or so, in a copy of the network that is in
training mode and has randomness of its own: the training does not know. Gradients are those of one
image's loss, and their norm is the root of its mean square over images, whatever the batch size.
"""

from __future__ import annotations

import copy
import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from experiments.common.files import write
from experiments.tasks.data import Images
from experiments.tasks.experiment import Measures
from surrogate.pair import named_pairs
from surrogate.training.probe import extent
from surrogate.training.recording import NEAR_ZERO

IMAGES = 512


@dataclass(frozen=True)
class Layer:
    """What is measured of a site."""

    mean: float
    std: float
    near_zero: float
    neurons: int
    dead: int
    gradient_out: float
    gradient_in: float


class Sums:
    """What is added up of a site over batches."""

    def __init__(self) -> None:
        self.images = self.values = 0
        self.sum = self.squares = self.near_zero = 0.0
        self.gradient_out = self.gradient_in = 0.0
        self.low = self.high = torch.empty(0)

    def add(self, output: Tensor, gradient_out: Tensor | None, gradient_in: Tensor | None) -> None:
        """Adds a batch: the outputs, and the gradients of the batch's mean loss."""
        images = len(output)
        output = output.detach().double()
        low, high = extent(output)
        if self.images:
            low, high = torch.minimum(low, self.low), torch.maximum(high, self.high)
        self.low, self.high = low, high
        self.images += images
        self.values += output.numel()
        self.sum += output.sum().item()
        self.squares += output.square().sum().item()
        self.near_zero += (output.abs() <= NEAR_ZERO).sum().item()
        # That of the batch's mean loss is 1/images of that of an image's loss.
        self.gradient_out += squares(gradient_out) * images**2
        self.gradient_in += squares(gradient_in) * images**2

    def result(self) -> Layer:
        mean = self.sum / self.values
        variance = self.squares / self.values - mean**2
        return Layer(
            mean=mean,
            std=math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.nan,
            near_zero=self.near_zero / self.values,
            neurons=len(self.low),
            dead=int((self.low == self.high).sum()),
            gradient_out=math.sqrt(self.gradient_out / self.images),
            gradient_in=math.sqrt(self.gradient_in / self.images),
        )


def gradients(loss: Tensor, tensors: Iterable[Tensor]) -> Iterator[Tensor | None]:
    """Those of the loss at each of the tensors; None where there is no way to the loss."""
    tensors = list(tensors)
    wanted = [each for each in tensors if each.requires_grad]
    found = (
        torch.autograd.grad(loss, wanted, allow_unused=True)
        if wanted and loss.requires_grad
        else [None] * len(wanted)
    )
    rest = iter(found)
    return (next(rest) if each.requires_grad else None for each in tensors)


def squares(gradient: Tensor | None) -> float:
    return 0.0 if gradient is None else gradient.double().square().sum().item()


def statistics(
    network: nn.Module, measures: Measures, batches: Iterable[tuple[Tensor, Tensor]]
) -> dict[str, Layer]:
    """What is measured of each site of a network over some batches, by its name."""
    sites = named_pairs(network)
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = (inputs[0], output)

        return hook

    hooks = [site.register_forward_hook(watch(name)) for name, site in sites.items()]
    sums = {name: Sums() for name in sites}
    for images, labels in batches:
        loss = measures(network, images, labels)["loss"]
        found = gradients(loss, (each for pair in seen.values() for each in pair))
        for name, (_, output) in seen.items():
            gradient_in, gradient_out = next(found), next(found)
            sums[name].add(output, gradient_out, gradient_in)
    for hook in hooks:
        hook.remove()
    return {name: each.result() for name, each in sums.items() if each.images}


class LayerStatistics(Callback):
    """Measures all sites before the first epoch and after each.

    Processes that train together all do, so that an activation that raises does so in all of them;
    the first one writes what it found.
    """

    def __init__(self, directory: Path, data: Images[Any], seed: int) -> None:
        self.path = directory / "layers.csv"
        self.data = data
        self.seed = seed
        self.rows: list[dict[str, float | str]] = []
        self.batches: list[tuple[Tensor, Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        images = 0
        for batch in self.data.eval_loader(self.data.val, 0, trainer.world_size):
            if images >= IMAGES or len(batch[0]) < 2:  # BatchNorm cannot do with one
                break
            self.batches.append(batch)
            images += len(batch[0])
        if self.rows:
            self._write(trainer)
        else:
            self._measure(trainer, pl_module, 0)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._measure(trainer, pl_module, trainer.current_epoch + 1)

    def _measure(self, trainer: Trainer, pl_module: LightningModule, epoch: int) -> None:
        network = copy.deepcopy(pl_module.network).train()  # type: ignore[arg-type]
        device = pl_module.device
        precision = trainer.precision_plugin
        batches = (
            precision.convert_input(trainer.strategy.batch_to_device(batch, device))
            for batch in self.batches
        )
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), precision.train_step_context():
            torch.manual_seed(self.seed)
            found = statistics(network, pl_module.measures, batches)  # type: ignore[arg-type]
        for site, layer in found.items():
            self.rows.append({"epoch": epoch, "site": site, **asdict(layer)})
            values = {f"{name}/{site}": value for name, value in asdict(layer).items()}
            for logger in trainer.loggers:
                logger.log_metrics(values, step=epoch)
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if not trainer.is_global_zero:
            return
        text = io.StringIO()
        columns = ("epoch", "site", *(field.name for field in fields(Layer)))
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(self.rows)
        write(self.path, text.getvalue())
