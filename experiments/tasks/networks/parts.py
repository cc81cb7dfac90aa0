"""What the networks share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

import surrogate


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Initial weights drawn here depend on the seed alone, and nothing outside on them."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def activation(act: str) -> nn.Module:
    """An activation of a site's own (it may hold state); what it draws shifts no weights."""
    with torch.random.fork_rng(devices=[]):
        return surrogate.get(act)


class Normalise(nn.Module):
    """(images − mean) / std, for each channel, or the same for all."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float], channels: int) -> None:
        super().__init__()
        for name, numbers in {"mean": mean, "std": std}.items():
            if len(numbers) not in (1, channels):
                raise ValueError(
                    f"model.{name} must be one number or one for each channel, {channels}, "
                    f"got {len(numbers)}"
                )
            values = torch.tensor(numbers, dtype=torch.float32).view(-1, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
