"""What an experiment is: networks, data, and what is measured. Anybody can register one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from experiments.common.errors import UsageError
from experiments.tasks.data import Images
from surrogate.core.messages import did_you_mean

BUILT_IN = ("autoencoder", "classifier")  # modules of this package, imported when asked for

PARTS = ("train", "val", "test")
LARGEST = 10**9  # parameters: 4 GB, and as much again for gradients and each moment


class Network(NamedTuple):
    """A network that can be chosen, and the file in configs/ of its default settings, if any.

    `kind` is made as `kind(act=…, seed=…, **options)`: every other argument is an option of the
    command, with the help text of its docstring.
    """

    kind: type[nn.Module]
    config: str | None = None


class Measures(Protocol):
    """What is measured of a batch; made with the options of `--loss`."""

    def __call__(self, network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Means over the batch by the names of the metrics; training lowers "loss"."""
        ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is measured in every epoch, and by which of it activations are compared.

    Args:
        metrics: the names of what is measured, "loss" among them.
        unit: of the loss, for figures.
        best_by: the metric of the validation images that tells which epoch is best: the loss, which
            should be low, or another, which should be high.
    """

    metrics: tuple[str, ...] = ("loss",)
    unit: str = "loss"
    best_by: str = "loss"

    def __post_init__(self) -> None:
        if "loss" not in self.metrics or self.best_by not in self.metrics:
            raise ValueError(
                f"metrics must contain 'loss' and best_by, {self.best_by!r}, got {self.metrics!r}"
            )

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
    def numbers(self) -> tuple[str, ...]:
        """The names of the numbers in result.json that activations can be compared by."""
        return (*self.figures, "best_epoch", "epochs", "seconds", "images_per_second")

    @property
    def score(self) -> str:
        """The figure that activations are compared by."""
        return f"test_{self.best_by}"

    def badness(self, row: Mapping[str, float]) -> float:
        """What is lowest for the best epoch."""
        value = row[f"{self.best_by}/val"]
        return value if self.best_by == "loss" else -value

    def higher_is_better(self, number: str) -> bool:
        """Whether a number of result.json should be high rather than low."""
        metric = number.removeprefix("test_").removeprefix("val_")
        return number == "images_per_second" or (metric != "loss" and metric in self.metrics)


@dataclass(frozen=True)
class Experiment(Measured):
    """What can be trained, on what, and how it is measured.

    Args:
        name: its name, for `--experiment`, and that of the folder of its runs.
        networks: by the name that `--model.name` takes; the first is the default. A class stands
            for `Network(class)`.
        data: by the name that `--data.name` takes; the first is the default.
        measures: makes what measures a batch; `metrics`, `unit` and `best_by` say what that is.
        of_the_data: the arguments of the networks that are the data's attributes of that name.
    """

    name: str
    networks: Mapping[str, Network | type[nn.Module]]
    data: Mapping[str, type[Images[Any]]]
    measures: type[Measures]
    of_the_data: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise ValueError(f"Experiment: name must be an identifier, got {self.name!r}")
        for argument in ("networks", "data"):
            if not getattr(self, argument):
                raise ValueError(f"Experiment {self.name}: {argument} must not be empty")
        super().__post_init__()

    def offered(self, name: str) -> Network:
        """The network of that name, and where its settings are."""
        network = self.networks[name]
        return network if isinstance(network, Network) else Network(network)

    def network(self, model: Mapping[str, Any]) -> nn.Module:
        """A new network, from its name (if there are several) and its arguments.

        Raises:
            ValueError: it would have more than `LARGEST` parameters: a slip, or a hostile file.
        """
        arguments = dict(model)
        name = arguments.pop("name", next(iter(self.networks)))
        kind = self.offered(name).kind
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

    def data_kind(self, data: Mapping[str, Any]) -> type[Images[Any]]:
        """The class of the data, from its name if there are several."""
        return self.data[data.get("name", next(iter(self.data)))]

    def images(self, data: Mapping[str, Any]) -> Images[Any]:
        """The data, from its name (if there are several) and its options."""
        options = {name: value for name, value in data.items() if name != "name"}
        return self.data_kind(data)(**options)


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


_REGISTERED: dict[str, Experiment] = {}


def register(experiment: Experiment) -> Experiment:
    """Makes an experiment known by its name, in place of an earlier one; returns it.

    Raises:
        ValueError: the name is that of a built-in experiment.
    """
    if experiment.name in BUILT_IN and experiment.name in _REGISTERED:
        raise ValueError(f"the experiment {experiment.name!r} is built in: choose another name")
    _REGISTERED[experiment.name] = experiment
    return experiment


def names() -> tuple[str, ...]:
    """The names of all experiments."""
    return tuple(dict.fromkeys([*BUILT_IN, *_REGISTERED]))


def named(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        UsageError: there is none. The name may be from a file: nothing else is imported.
    """
    if name in BUILT_IN:
        import_module(f"experiments.tasks.{name}")
    if name not in _REGISTERED:
        hint = did_you_mean(name, names())
        raise UsageError(
            f"unknown experiment {name!r}{hint}: there are {', '.join(names())}; --import FILE.py "
            "runs a file that registers another"
        )
    return _REGISTERED[name]
