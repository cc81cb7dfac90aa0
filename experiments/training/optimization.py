"""Optimisers and schedules of the learning rate, by name, with their options."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from experiments.common.numbers import NonNegativeFloat, OpenUnitInterval, PositiveFloat

OPTIMIZERS: Mapping[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
}


@dataclass
class OptimizerOptions:
    """The optimiser. What is not given (null) is as PyTorch has it.

    Args:
        name: adam, sgd, or adamw (Adam with decoupled weight decay).
        lr: the learning rate; with a schedule, its highest.
        momentum: of sgd.
        nesterov: Nesterov's momentum, of sgd.
        betas: how much of the running means of g and of g² is kept at each step, of adam, adamw.
        eps: added to the root of the running mean of g², of adam, adamw.
        weight_decay: in each step, this share of the weights: added to g (adam, sgd), or, times lr,
            taken off the weights (adamw).
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: PositiveFloat = 1e-3
    momentum: NonNegativeFloat | None = None
    nesterov: bool | None = None
    betas: list[NonNegativeFloat] | None = None
    eps: PositiveFloat | None = None
    weight_decay: NonNegativeFloat | None = None


@dataclass
class ScheduleOptions:
    """The learning rate over the steps of a run.

    Args:
        name: constant; or one_cycle: by cosines from lr/10 up to lr and down to lr/100,000, while
            the momentum (adam's first beta) goes from 0.95 to 0.85 and back.
        rise: share of the steps in which it rises, in one_cycle.
    """

    name: Literal["constant", "one_cycle"] = "constant"
    rise: OpenUnitInterval = 0.5


def make_optimizer(
    parameters: Iterable[nn.Parameter], options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """The optimiser that the options ask for.

    Raises:
        ValueError: an option is none of this optimiser's, or out of range.
    """
    given = {name: value for name, value in options.items() if value is not None and name != "name"}
    kind = OPTIMIZERS[options["name"]]
    for name in given:
        if name not in inspect.signature(kind).parameters:
            raise ValueError(f"optimizer.{name} is no option of {options['name']}")
    return kind(parameters, **given)


def one_cycle(optimizer: torch.optim.Optimizer, rise: float, steps: int) -> LRScheduler:
    """The schedule of that name, over so many steps, from the optimiser's learning rate.

    Raises:
        ValueError: the steps are too few for the rate to rise.
    """
    if rise * steps <= 1:
        raise ValueError(
            f"one_cycle must rise for more than one step: schedule.rise is {rise:g} of {steps}"
        )
    return OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=steps,
        pct_start=rise,
        div_factor=10.0,
        final_div_factor=1e4,
        base_momentum=0.85,
        max_momentum=0.95,
    )
