"""Suites of single activations: every pair, against torch's own, growth, and other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

import surrogate
from experiments.timing.measure import Work, forward_and_backward, in_turn
from experiments.timing.settings import Settings
from experiments.timing.table import Table

Activation = Callable[[Tensor], Tensor]

MILLION = 2**20


def pairs(settings: Settings) -> Iterator[Table]:
    """Every pair of the catalogue, forward and backward, against torch's GELU."""
    activations: dict[str, Activation] = {
        "torch GELU": nn.GELU(),
        "torch ReLU": nn.ReLU(),
        **{name: surrogate.get(name).train() for name in settings.acts},
    }
    x = torch.randn(MILLION, device=settings.device)
    kept = [surrogate.saved_bytes(each, x) / MILLION for each in activations.values()]
    notes = {"bytes kept per element": [f"{each:g}" for each in kept]}
    yield _timed("pairs, eager", activations, x, settings, 1.30, notes)
    yield _timed("pairs, eager, fused", activations, x, settings, 1.30, fused=True)
    compiled = {name: compile_one(each) for name, each in activations.items()}
    yield _timed("pairs, compiled", compiled, x, settings, 1.10)
    yield _against_a_copy(activations, compiled, x, settings)


def _timed(
    title: str,
    activations: Mapping[str, Activation],
    x: Tensor,
    settings: Settings,
    limit: float | None,
    notes: dict[str, Any] | None = None,
    fused: bool = False,
) -> Table:
    """The first activation is the reference."""
    works = {name: forward_and_backward(each, x) for name, each in activations.items()}
    if fused:
        works = {name: in_fusion(work) for name, work in works.items()}
    reference = next(iter(works))
    rows = in_turn(works, reference, settings.rounds, device=settings.device)
    return Table(f"{title}, {x.numel():,} elements", reference, rows, limit, notes or {})


def _against_a_copy(
    eager: Mapping[str, Activation],
    compiled: Mapping[str, Activation],
    x: Tensor,
    settings: Settings,
) -> Table:
    """The least that memory allows: two passes forward (x, y), three back (g, x, gradient)."""
    works: dict[str, Any] = {"2½ copies": _copies(x)}
    for name in ("torch ReLU", "torch GELU", "cantor2", "relu_blurred"):
        if name in eager:
            works[f"{name}, eager"] = forward_and_backward(eager[name], x)
            works[f"{name}, compiled"] = forward_and_backward(compiled[name], x)
    rows = in_turn(works, "2½ copies", settings.rounds, device=settings.device)
    return Table(f"against memory, {x.numel():,} elements", "2½ copies", rows)


def _copies(x: Tensor) -> Callable[[], object]:
    """As many bytes as five passes over x: two copies of it, and one of its half."""
    target, half = torch.empty_like(x), torch.empty_like(x[: x.numel() // 2])

    def copy() -> None:
        target.copy_(x)
        target.copy_(x)
        half.copy_(x[: half.numel()])

    return copy


def growth(settings: Settings) -> Iterator[Table]:
    """Flat in depth and resolution, linear in elements."""
    families = {
        "Cantor depth": ("Cantor(depth={}) / Constant(1)", (4, 8, 12, 16)),
        "Perlin resolution": ("PerlinNoise(resolution={}) / Exact()", (1, 4, 16, 64)),
        "blur width": ("Staircase() / Blurred(width={})", (0.05, 0.3, 2.0)),
    }
    for title, (text, numbers) in families.items():
        activations = {f"{number:g}": surrogate.get(text.format(number)) for number in numbers}
        x = torch.randn(MILLION, device=settings.device)
        compiled = {name: compile_one(each) for name, each in activations.items()}
        yield _timed(f"growth in {title}, eager", activations, x, settings, 1.10)
        yield _timed(f"growth in {title}, eager, fused", activations, x, settings, 1.10, fused=True)
        yield _timed(f"growth in {title}, compiled", compiled, x, settings, 1.10)
    pair = surrogate.get("relu_blurred")
    works = {
        f"{n:,}": forward_and_backward(pair, torch.randn(n, device=settings.device))
        for n in (2**16, 2**18, 2**20, 2**22)
    }
    rows = in_turn(works, next(iter(works)), settings.rounds, device=settings.device)
    per_element = [f"{1e6 * row.milliseconds / int(row.name.replace(',', '')):.2f}" for row in rows]
    notes = {"ns per element": per_element}
    yield Table("growth in elements, relu_blurred, eager", next(iter(works)), rows, None, notes)


def in_fusion(work: Work) -> Work:
    """The same with formulas fused."""

    def fused() -> None:
        with surrogate.fuse():
            work()

    return fused


def compile_one(activation: Activation, dynamic: bool = False) -> Activation:
    """Compiled by itself, from code of its own: torch limits how often one line is compiled."""

    def run(x: Tensor) -> Tensor:
        return activation(x)

    run.__code__ = run.__code__.replace()
    return torch.compile(run, fullgraph=True, dynamic=dynamic)
