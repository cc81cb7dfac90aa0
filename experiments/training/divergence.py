"""Where a training that diverged first left the finite numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from surrogate import SurrogateActivation


def first_not_finite(network: nn.Module, forward: Callable[[nn.Module], Any]) -> str:
    """The first thing in a network that is not finite, in words.

    If all parameters are finite, that is the output of a layer. Otherwise the gradient of the step
    before was not: it is not finite from some layer on towards the input, and this layer is named.

    Args:
        network: as it was when the loss that is not finite was computed.
        forward: computes the loss of a network on the batch. It is given a copy.
    """
    network = copy.deepcopy(network)
    layers = {name: each for name, each in network.named_modules() if is_layer(each)}
    called: dict[str, bool] = {}  # in the order of the calls: whether all outputs were finite

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                called[name] = called.get(name, True) and is_finite(output)

        return hook

    for name, layer in layers.items():
        layer.register_forward_hook(watch(name))
    with torch.no_grad():
        forward(network)
    broken = [
        name for name in called if not all(map(is_finite, layers[name].parameters(recurse=False)))
    ]
    if broken:
        return f"the first gradient that was not finite is that of {broken[-1]}, in the step before"
    for name, finite in called.items():
        if not finite:
            return f"the first value that is not finite is the output of {name or 'the network'}"
    return "the output of every layer is finite"


def is_layer(module: nn.Module) -> bool:
    """Whether a module is looked at as a whole."""
    return isinstance(module, SurrogateActivation) or not any(True for _ in module.children())


def is_finite(tensor: Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
