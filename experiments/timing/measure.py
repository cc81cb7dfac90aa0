"""Times that can be compared: measured in turn, so that what slows the machine slows them all."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Work = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """The time of one piece of work, and its ratio to the reference's.

    Args:
        name: of the work.
        milliseconds: the median over the rounds.
        ratio: the median of its ratios to the reference in the same round.
        low, high: the quartiles of these ratios.
    """

    name: str
    milliseconds: float
    ratio: float
    low: float
    high: float


def in_turn(
    works: Mapping[str, Work],
    reference: str,
    rounds: int,
    least_seconds: float = 0.01,
    device: torch.device | None = None,
) -> list[Timing]:
    """Time each work once in each round, repeated until it takes least_seconds.

    Every other round goes backwards, so that none is always the one after a certain other.
    """
    wait = torch.cuda.synchronize if device is not None and device.type == "cuda" else lambda: None
    repeats = {name: _repeats(work, least_seconds, wait) for name, work in works.items()}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds):
        names = list(works)
        for name in names if turn % 2 == 0 else names[::-1]:
            seconds[name].append(_seconds(works[name], repeats[name], wait) / repeats[name])
    return [timing(name, seconds[name], seconds[reference]) for name in works]


def _seconds(work: Work, repeats: int, wait: Callable[[], None]) -> float:
    wait()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return time.perf_counter() - started


def _repeats(work: Work, least_seconds: float, wait: Callable[[], None]) -> int:
    # Warm-up: compilation, tables, the allocator.
    took = min(_seconds(work, 1, wait) for _ in range(3))
    return max(1, math.ceil(least_seconds / max(took, 1e-7)))


def timing(name: str, seconds: list[float], reference: list[float]) -> Timing:
    """Of the seconds of each round, and those of the reference."""
    ratios = [one / other for one, other in zip(seconds, reference, strict=True)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return Timing(
        name, 1e3 * statistics.median(seconds), statistics.median(ratios), *quartiles[::2]
    )


def forward_and_backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    """function(x) and the gradient for x, as a network does it."""
    x = x.detach().requires_grad_()
    upstream = torch.ones_like(x)
    return lambda: torch.autograd.grad(function(x), x, upstream)
