"""The same pairs in other packages: `surrogate.equivalent` beside what it is equal to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

import surrogate
from experiments.timing.measure import forward_and_backward, in_turn
from experiments.timing.pairs import compile_one, in_fusion
from experiments.timing.settings import Settings
from experiments.timing.table import Table

Activation = Callable[[Tensor], Tensor]


def _snntorch(name: str) -> Activation:
    return getattr(import_module("snntorch.surrogate"), name)()


def _spikingjelly(name: str) -> Activation:
    return getattr(import_module("spikingjelly.activation_based.surrogate"), name)()


def _norse(name: str) -> Activation:
    threshold = import_module("norse.torch.functional.threshold").threshold
    return lambda x: threshold(x, name, 100.0)


def _sinabs(name: str) -> Activation:
    activation: Any = import_module("sinabs.activation")
    shape = getattr(activation, name)()
    return lambda x: activation.SingleSpike.apply(x, 1.0, shape)


def _freegrad(name: str) -> Activation:
    freegrad: Any = import_module("freegrad")
    heaviside = freegrad.Activation("Heaviside")

    def spike(x: Tensor) -> Tensor:
        with freegrad.use(name):
            return heaviside(x)

    return spike


PACKAGES: dict[str, tuple[Callable[[str], Activation], tuple[str, ...]]] = {
    "snntorch": (
        _snntorch,
        ("straight_through_estimator", "fast_sigmoid", "sigmoid", "atan", "heaviside"),
    ),
    "spikingjelly": (
        _spikingjelly,
        ("PiecewiseQuadratic", "Sigmoid", "ATan", "SoftSign", "Erf", "Rect", "LeakyKReLU"),
    ),
    "norse": (_norse, ("circ", "triangle", "tanh")),
    "sinabs": (_sinabs, ("Heaviside", "Gaussian", "SingleExponential")),
    "freegrad": (_freegrad, ("rectangular", "triangular")),
}


def against_peers(settings: Settings) -> Iterator[Table]:
    """Each pair of each package that is installed, beside ours, at three sizes."""
    sizes = (10**4, 10**6) if settings.quick else (10**4, 10**6, 10**7)
    for package, (make, names) in PACKAGES.items():
        for name in names[:1] if settings.quick else names:
            try:
                theirs = make(name)
            except ImportError:
                continue  # the table of versions says what is installed
            activations = {"theirs, eager": theirs}
            ours = surrogate.equivalent(f"{package}.{name}")
            activations |= {"ours, eager": ours, "ours, compiled": compile_one(ours, dynamic=True)}
            compiled = compile_one(theirs, dynamic=True)
            try:
                forward_and_backward(compiled, torch.randn(sizes[0], device=settings.device))()
                activations["theirs, compiled"] = compiled
            except Exception:  # it can't be compiled, whatever the reason
                pass
            for elements in sizes:
                x = torch.randn(elements, device=settings.device)
                yield _beside(f"{package}.{name}", activations, x, settings)


def _beside(name: str, activations: dict[str, Activation], x: Tensor, settings: Settings) -> Table:
    works = {way: forward_and_backward(each, x) for way, each in activations.items()}
    works["ours, eager, fused"] = in_fusion(works["ours, eager"])
    rows = in_turn(works, "theirs, eager", settings.rounds, device=settings.device)
    kept = {
        way: f"{surrogate.saved_bytes(each, x) / x.numel():g}" for way, each in activations.items()
    }
    kept["ours, eager, fused"] = kept["ours, eager"]
    notes = {"bytes kept per element": [kept[row.name] for row in rows]}
    return Table(f"{name}, {x.numel():,} elements", "theirs, eager", rows, None, notes)
