"""What autograd keeps in memory between the forward and the backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def saved_bytes(function: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """The bytes that autograd keeps to differentiate function(x) for x.

    A tensor that is kept twice counts once, x itself counts if it is kept, and a parameter, which
    is there in any case, does not.
    """
    kept: dict[tuple[int, int], int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            size = tensor.numel() * tensor.element_size()
            kept[tensor.data_ptr(), size] = size
        return tensor

    x = x.detach().requires_grad_()
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = function(x)  # alive while counting: an address that is freed could be used again
        total = sum(kept.values())
        del y
    return total
