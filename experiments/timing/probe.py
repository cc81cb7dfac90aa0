"""The suite of the probe: what it adds to the autoencoder's training step."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

import surrogate
from experiments.tasks.networks import Autoencoder
from experiments.timing.measure import Timing, Work, timing
from experiments.timing.settings import Settings
from experiments.timing.table import Table
from experiments.timing.training import BATCH, CHANNELS, step

EVERY = 50
ACTS = ("relu", "cantor2", "relu_directional")


def probe(settings: Settings) -> Iterator[Table]:
    """A step that is sampled against one without a probe, and the mean of 50, one of them sampled.

    In the other 49 the network is as it would be without: all that they cost is to find this out,
    which is timed by itself.
    """
    for act in ACTS[:1] if settings.quick else ACTS:
        plain, sampled, mean = timings(act, settings)
        yield Table(f"training step that is sampled, {act}", "without", [plain, sampled])
        title = f"training step with the probe, one of {EVERY} sampled, {act}"
        yield Table(title, "without", [plain, mean], 1.03)


def timings(act: str, settings: Settings) -> list[Timing]:
    network = Autoencoder(act, CHANNELS)
    plain = step(network, torch.rand(BATCH, 1, 28, 28, device=settings.device))
    every, never = surrogate.Probe(network, every=1), surrogate.Probe(network, every=10**9)
    with never.step():  # the first one is sampled
        pass
    works = {
        "without": plain,
        "sampled": within(every, plain),
        "not sampled": within(never, lambda: None),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(-2, settings.rounds):  # two to warm up
        for name in list(works)[:: 1 if turn % 2 else -1]:
            took = measured(works[name], settings.device)
            if turn >= 0:
                seconds[name].append(took)
    without, sampled, entered = seconds.values()
    mean = [
        plain + (EVERY - 1) / EVERY * empty + (whole - plain) / EVERY
        for plain, whole, empty in zip(without, sampled, entered, strict=True)
    ]
    return [
        timing("without", without, without),
        timing("sampled", sampled, without),
        timing("with the probe", mean, without),
    ]


def within(probe: surrogate.Probe, work: Work) -> Work:
    def probed() -> None:
        with probe.step():
            work()

    return probed


def measured(work: Work, device: torch.device) -> float:
    """Seconds for one time."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started
