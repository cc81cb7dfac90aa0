"""What an experiment is: one small object, which its module keeps in `EXPERIMENT`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from experiments.data import Images

if TYPE_CHECKING:
    from experiments.runs import Row

# All experiments: each is the module of its name, and has an `EXPERIMENT`.
EXPERIMENTS = ("autoencoder", "classifier")

PARTS = ("train", "val", "test")
LARGEST = 10**9  # parameters: 4 GB, and as much again for gradients and each moment


class Network(NamedTuple):
    """A network that can be chosen, and the file in configs/ of the settings that go with it."""

    kind: type[nn.Module]
    config: str


class Measures(Protocol):
    """What is measured of a batch; made with the options of `--loss`."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Means over the batch by the names of the metrics; training lowers "loss"."""
        ...


@dataclass(frozen=True)
class Experiment:
    """What can be trained, on what, and how it is measured.

    Args:
        name: its name, that of its module and of its command.
        networks: by the name that `--model.name` takes; the first is the default.
        data: by the name that `--data.name` takes; the first is the default.
        measures: makes what measures a batch.
        metrics: what that measures.
        unit: of the loss, for figures.
        best_by: the metric of the validation images that tells which epoch is best: the loss, which
            should be low, or another, which should be high.
        of_the_data: the arguments of the networks that are the data's attributes of that name.
    """

    name: str
    networks: Mapping[str, Network]
    data: Mapping[str, type[Images[Any]]]
    measures: type[Measures]
    metrics: tuple[str, ...]
    unit: str
    best_by: str = "loss"
    of_the_data: tuple[str, ...] = ()

    def network(self, model: Mapping[str, Any]) -> nn.Module:
        """A new network, from its name (if there are several) and its arguments.

        Raises:
            ValueError: it would have more than `LARGEST` parameters: a slip, or a hostile file.
        """
        arguments = dict(model)
        name = arguments.pop("name", next(iter(self.networks)))
        kind = self.networks[name].kind
        try:
            size = parameters(kind, arguments)
        except (RuntimeError, OverflowError):  # sizes whose product has more than 64 bits
            size = LARGEST + 1
        if size > LARGEST:
            raise ValueError(f"the network would have more than {LARGEST:,} parameters")
        return kind(**arguments)

    def sizes(self, images: Images[Any]) -> dict[str, Any]:
        """The arguments of the networks that the data decides."""
        return {name: getattr(images, name) for name in self.of_the_data}

    def images(self, data: Mapping[str, Any]) -> Images[Any]:
        """The data, from its name (if there are several) and its options."""
        options = dict(data)
        name = options.pop("name", next(iter(self.data)))
        return self.data[name](**options)

    @property
    def curves(self) -> tuple[str, ...]:
        """The columns of metrics.csv that are measured: loss/train, loss/val …"""
        return tuple(f"{metric}/{part}" for metric in self.metrics for part in PARTS)

    @property
    def figures(self) -> dict[str, str]:
        """The names of the figures in result.json (test_loss, val_loss …) and their columns."""
        parts = ("test", "val")
        return {f"{part}_{name}": f"{name}/{part}" for part in parts for name in self.metrics}

    @property
    def score(self) -> str:
        """The figure that activations are compared by."""
        return f"test_{self.best_by}"

    def badness(self, row: Row) -> float:
        """What is lowest for the best epoch."""
        value = row[f"{self.best_by}/val"]
        return value if self.best_by == "loss" else -value


def parameters(kind: type[nn.Module], arguments: Mapping[str, Any]) -> int:
    """How many a network would have, at least; found without the memory for them."""
    given = (value for name, value in arguments.items() if name != "seed")
    lists = (value if isinstance(value, (list, tuple)) else [value] for value in given)
    sizes = [size for values in lists for size in values if isinstance(size, int)]
    if max(sizes, default=0) > LARGEST:  # a layer of any size has as many
        return max(sizes)
    with torch.device("meta"):
        network = kind(**{**arguments, "act": "linear"})
    return sum(parameter.numel() for parameter in network.parameters())


def named(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ValueError: there is none. The name may be from a file: nothing else is imported.
    """
    if name not in EXPERIMENTS:
        raise ValueError(f"unknown experiment {name!r}: there are {', '.join(EXPERIMENTS)}")
    return import_module(f"experiments.{name}").EXPERIMENT
