"""What is measured, and how long."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Settings:
    """Of all suites.

    Args:
        acts: names of the catalogue.
        rounds: how often everything is timed in turn.
        quick: a small part of everything.
        device: where.
    """

    acts: tuple[str, ...]
    rounds: int
    quick: bool
    device: torch.device
