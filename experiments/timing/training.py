"""The suite of networks: the autoencoder's training step with each pair, eager and compiled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch._inductor.utils import fresh_cache

import surrogate
from experiments.tasks.networks import Autoencoder
from experiments.timing.measure import Work, in_turn
from experiments.timing.pairs import in_fusion
from experiments.timing.settings import Settings
from experiments.timing.table import Table

CHANNELS, BATCH = 16, 128
COMPILED = ("relu_directional", "cantor2", "staircase_blurred", "perlin4", "relu_noisy", "mish")


def steps(settings: Settings) -> Iterator[Table]:
    """A training step of the autoencoder with each pair, against nn.ReLU in its place."""
    images = torch.rand(BATCH, 1, 28, 28, device=settings.device)
    works = {
        "torch ReLU": step(_with_modules(nn.ReLU), images),
        "torch GELU": step(_with_modules(nn.GELU), images),
    }
    for name in settings.acts:
        works[name] = step(Autoencoder(name, CHANNELS), images)
    rows = in_turn(works, "torch ReLU", settings.rounds, device=settings.device)
    yield Table("training step, eager", "torch ReLU", rows, 1.20)
    works = {
        name: work if name.startswith("torch ") else in_fusion(work) for name, work in works.items()
    }
    rows = in_turn(works, "torch ReLU", settings.rounds, device=settings.device)
    yield Table("training step, eager, fused", "torch ReLU", rows, 1.20)

    compiled: dict[str, Work] = {}
    seconds = []
    chosen = [name for name in COMPILED if name in settings.acts]
    # One network after another, and none that was compiled at another time.
    with torch._dynamo.config.patch(recompile_limit=64), fresh_cache():
        for name in ("torch GELU", "torch ReLU", *(chosen[:1] if settings.quick else chosen)):
            own = {"torch GELU": nn.GELU, "torch ReLU": nn.ReLU}.get(name)
            network = Autoencoder(name, CHANNELS) if own is None else _with_modules(own)
            network.compile(dynamic=False)
            compiled[name] = step(network, images)
            started = time.perf_counter()
            compiled[name]()
            seconds.append(time.perf_counter() - started)
        notes = {
            "compile s": [f"{each:.1f}" for each in seconds],
            "/ GELU's": [f"{each / seconds[0]:.2f}" for each in seconds],
        }
        rows = in_turn(compiled, "torch ReLU", settings.rounds, device=settings.device)
    yield Table("training step, compiled", "torch ReLU", rows, 1.05, notes)


def _with_modules(activation: Callable[[], nn.Module]) -> Autoencoder:
    network = Autoencoder("relu", CHANNELS)
    surrogate.swap(network, {surrogate.SurrogateActivation: activation})
    return network


def step(network: nn.Module, images: Tensor) -> Work:
    """A training step of a network."""
    network = network.to(images.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)

    def work() -> None:
        optimizer.zero_grad()
        network.loss(images, labels).backward()  # type: ignore[operator]
        optimizer.step()

    return work
