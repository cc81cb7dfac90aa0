"""The suite of torch's operators: what formulas are made of, and were chosen by."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from experiments.timing.measure import in_turn
from experiments.timing.settings import Settings
from experiments.timing.table import Table
from surrogate.core.evaluate import BLOCK


def operators(settings: Settings) -> Iterator[Table]:
    """Each on as many random numbers as formulas are evaluated on at a time."""
    x = torch.randn(BLOCK, device=settings.device)
    y, table = torch.randn_like(x), torch.randn(4096, device=settings.device)
    index = torch.randint(len(table), (BLOCK,), device=settings.device)
    mask = x > 0
    works: dict[str, Callable[[], Tensor]] = {
        "x * y": lambda: x * y,
        "clamp": lambda: x.clamp(min=0),
        "sign": lambda: x.sign(),
        "x > 0": lambda: x > 0,
        "bool to float": lambda: mask.float(),
        "where": lambda: torch.where(mask, x, y),
        "masked_fill": lambda: x.masked_fill(mask, 0),
        "exp": lambda: x.exp(),
        "tanh": lambda: x.tanh(),
        "erfc": lambda: x.erfc(),
        "log1p": lambda: x.abs().log1p(),
        "index_select": lambda: table.index_select(0, index),
        "take": lambda: table.take(index),
        "gather": lambda: table.gather(0, index),
        "indexing": lambda: table[index],
        "rand_like": lambda: torch.rand_like(x),
    }
    rows = in_turn(works, "x * y", settings.rounds, device=settings.device)
    notes = {"ns per element": [f"{1e6 * row.milliseconds / BLOCK:.2f}" for row in rows]}
    yield Table(f"torch's operators, {BLOCK:,} elements", "x * y", rows, None, notes)
