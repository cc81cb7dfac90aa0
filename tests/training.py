"""How tests train other people's models for some steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def losses(
    model: nn.Module, loss: Callable[[], Tensor], steps: int = 15, learning_rate: float = 1e-2
) -> list[float]:
    """The losses of some steps of Adam; every parameter gets a finite gradient at each."""
    optimiser = torch.optim.Adam(model.parameters(), lr=learning_rate)
    found = []
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        optimiser.step()
        found.append(value.item())
    return found
