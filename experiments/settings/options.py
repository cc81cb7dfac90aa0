"""The options that belong to no experiment, as dataclasses that the command line is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from experiments.common.numbers import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt


@dataclass
class StudyOptions:
    """Which runs there are, one for each activation, learning rate and seed, and who does them.

    Args:
        act: activations: names, or text such as "Sign() / Constant(1)"
        seed: seeds of weights, data order and randomness; 0-4 stands for 0 1 2 3 4
        lr: learning rates (optimizer.lr if there is none)
        baseline: activation to compare with, or none
        metric: name of the result to compare by (the experiment's own)
        runs: folder in which runs are kept
        engine: what carries out the runs: inline (this process), local (a process for each), ray
        workers: runs at the same time, of local and ray (as many as cores)
        address: host:port of a Ray cluster, or auto; without it one is started on this machine
        gpus: share of a GPU for each run of ray
    """

    act: list[str] = field(default_factory=list)
    seed: list[NonNegativeInt] = field(default_factory=lambda: [0])
    lr: list[PositiveFloat] = field(default_factory=list)
    baseline: str = "linear"
    metric: str | None = None
    runs: str = "runs"
    engine: Literal["inline", "local", "ray"] = "inline"
    workers: PositiveInt | None = None
    address: str | None = None
    gpus: NonNegativeFloat = 0.0


@dataclass
class RunOptions:
    """How each run is carried out, apart from its groups of options.

    Args:
        checkpoint_every: seconds between checkpoints within an epoch
        anneal: numbers of the pairs (but the baseline's) that change in training:
            "derivative.width: cosine(1.0, 0.05)"; several in braces
        anneal_every: when they change: at each step or epoch
        probe: record to probe.npz what pairs see
        probe_every: record it in one of so many steps
        compile: compile the network first
        channels_last: channels last in memory
        fast: auto: these two and bfloat16 if they pay
        keep_checkpoints: keep the weights of every epoch
        logger: Lightning's, for the curves; wandb and mlflow write to the run's folder, offline
    """

    checkpoint_every: NonNegativeFloat = 60.0
    anneal: dict[str, str] = field(default_factory=dict)
    anneal_every: Literal["step", "epoch"] = "step"
    probe: bool = False
    probe_every: PositiveInt = 50
    compile: bool = False
    channels_last: bool = False
    fast: Literal["auto", "off"] = "off"
    keep_checkpoints: bool = False
    logger: Literal["tensorboard", "csv", "wandb", "mlflow"] = "tensorboard"


@dataclass
class StoppingOptions:
    """When to stop before the last epoch.

    Args:
        patience: stop after so many epochs that are no better on the validation images than the
            best; then its figures are the run's, and its weights are kept.
    """

    patience: PositiveInt | None = None


@dataclass
class TrainerOptions:
    """The options of Lightning's Trainer that change what is computed.

    Args:
        max_epochs: epochs to train for.
        accelerator: where to compute: auto, cpu, gpu, mps.
        devices: processes that train one network together, on a device each.
        num_nodes: hosts that do so; the command is started on each, and they share --runs.
        strategy: how they do: auto, or ddp: each takes its share of every batch, and the gradients
            are averaged (BatchNorm sees the share alone).
        precision: of the arithmetic.
        gradient_clip_val: longest gradient, by its norm.
        deterministic: refuse algorithms that may give other bits each time.
        detect_anomaly: find the operation whose gradient is NaN (slow).
    """

    max_epochs: PositiveInt = 3
    accelerator: str = "auto"
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    gradient_clip_val: PositiveFloat | None = None
    deterministic: bool = False
    detect_anomaly: bool = False


def processes(trainer: Mapping[str, Any]) -> int:
    """How many processes train one network together."""
    return trainer["devices"] * trainer["num_nodes"]
