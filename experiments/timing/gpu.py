"""The suite for a GPU: how near the pairs come to its memory's speed, and the paper's network to
that of its matrix units."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import surrogate
from experiments.tasks.networks.autoencoder import Autoencoder
from experiments.timing.measure import Timing, Work, in_turn
from experiments.timing.pairs import compile_one
from experiments.timing.settings import Settings
from experiments.timing.table import Table

ELEMENTS = 2**26  # 256 MiB of float32: more than any cache holds
CHANNELS, BATCH = 128, 128  # configs/paper.yaml
MULTIPLY_ADDS = 539e6  # of the network, forward, for each image
MATRIX = 8192


def gpu(settings: Settings) -> Iterator[Table]:
    """Nothing where there is none."""
    if not torch.cuda.is_available():
        print("no GPU here", file=sys.stderr)
        return
    device = torch.device("cuda")
    yield from against_copies(settings, device, ELEMENTS)
    yield paper_step(settings, device, CHANNELS, BATCH, MATRIX)


def against_copies(settings: Settings, device: torch.device, elements: int) -> Iterator[Table]:
    """Forward against a copy (read x, write y); backward against one and a half (read x and g)."""
    x = torch.randn(elements, device=device)
    half, target = x[: elements // 2].clone(), torch.empty_like(x)
    copy: Work = lambda: target.copy_(x)
    copies: Work = lambda: (target.copy_(x), half.copy_(target[: elements // 2]))
    forward: dict[str, Work] = {"a copy": copy}
    backward: dict[str, Work] = {"1½ copies": copies}
    for name in settings.acts:
        pair = compile_one(surrogate.get(name).to(device).train())
        forward[name] = _without_graph(pair, x)
        backward[name] = _backward(pair, x)
    for title, reference, works in (
        ("forward", "a copy", forward),
        ("backward", "1½ copies", backward),
    ):
        rows = in_turn(works, reference, settings.rounds, device=device)
        share = [f"{100 / row.ratio:.0f} %" for row in rows]
        yield Table(
            f"{title} on a GPU, compiled, {elements:,} elements",
            reference,
            rows,
            1 / 0.85,
            {"of the copy's speed": share},
        )


def _without_graph(pair: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    def work() -> None:
        with torch.no_grad():
            pair(x)

    return work


def _backward(pair: Callable[[Tensor], Tensor], x: Tensor) -> Work:
    x = x.detach().requires_grad_()
    y, upstream = pair(x), torch.ones_like(x)
    if y.grad_fn is None:  # the identity, compiled, is its input
        return lambda: None
    return lambda: torch.autograd.grad(y, x, upstream, retain_graph=True)


def paper_step(
    settings: Settings, device: torch.device, channels: int, batch: int, matrix: int
) -> Table:
    """A training step of the paper's network in bf16, with CUDA graphs, against its multiply-adds
    at the rate of a large matrix product."""
    a = torch.randn(matrix, matrix, device=device, dtype=torch.bfloat16)
    images = torch.rand(batch, 1, 28, 28, device=device)
    works: dict[str, Any] = {"matrix product": lambda: a @ a}
    for name in dict.fromkeys(("relu", "cantor2")):
        network = Autoencoder(name, channels).to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.compile(mode="reduce-overhead" if device.type == "cuda" else None)
        works[name] = _step(network, images)
    rows = in_turn(works, "matrix product", settings.rounds, device=device)
    per_second = matrix**3 / (1e-3 * rows[0].milliseconds)  # multiply-adds
    scale = (channels / 128) ** 2
    notes = {
        "of the matrix rate": [_share(row, per_second, batch * scale) for row in rows],
        "epochs per minute": [
            "" if row is rows[0] else f"{60e3 / row.milliseconds * batch / 60000:.1f}"
            for row in rows
        ],
    }
    title = f"training step, {channels} channels, batch {batch}, bf16, compiled"
    return Table(title, "matrix product", rows, None, notes)


def _share(row: Timing, per_second: float, images: float) -> str:
    """Backward takes twice the multiply-adds of forward."""
    if row.name == "matrix product":
        return ""
    least = 3 * MULTIPLY_ADDS * images / per_second
    return f"{100 * least / (1e-3 * row.milliseconds):.0f} %"


def _step(network: nn.Module, images: Tensor) -> Work:
    capturable = images.is_cuda
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, capturable=capturable)
    labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(images.device.type, torch.bfloat16):
            loss = network.loss(images, labels)  # type: ignore[operator]
        loss.backward()
        optimizer.step()

    return step
