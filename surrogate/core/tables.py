"""Look-up tables that are computed once and then lie on each device as plain tensors.

A table is a constant, not state: it depends on its arguments alone, is not part of a checkpoint,
and `torch.compile` and `torch.export` take it as a constant of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from surrogate.core.torch_private import called_for_a_constant, fake_mode

Key = TypeVar("Key")


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index] for an index of any shape, within range.

    An index that comes from NaN is any integer: the caller brings it into range.
    """
    # index_select is the fastest of torch's ways, and the one that vmap knows for 0-d indices.
    return table.index_select(0, index.reshape(-1)).view(index.shape)


def constant_table(
    build: Callable[[Key], np.ndarray],
) -> Callable[[torch.dtype, torch.device, Key], Tensor]:
    """Turn a function that returns an array into one that returns the tensor of it.

    The result takes a dtype and a device first, and then the part whose table it is: torch.compile
    takes a frozen object for a constant, rather than its numbers, which it may make symbols.
    """
    array = lru_cache(maxsize=64)(build)

    @lru_cache(maxsize=64)
    def tensor(dtype: torch.dtype, device: torch.device, part: Key) -> Tensor:
        def make() -> Tensor:
            return torch.from_numpy(array(part)).to(device, dtype)

        # A tensor that is made under a transform, a tracer or inference mode belongs to it, and
        # would come back from the cache later on. All of them end at a thread, so it gets its own.
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(make).result()

    @called_for_a_constant
    def held(dtype: torch.dtype, device: torch.device, part: Key) -> tuple[Tensor]:
        # In a tuple, as torch.compile before 2.15 takes two bare tensors in a graph for the same.
        return (tensor(dtype, device, part),)

    def table(dtype: torch.dtype, device: torch.device, part: Key) -> Tensor:
        if torch.compiler.is_dynamo_compiling():
            return held(dtype, device, part)[0]
        found = tensor(dtype, device, part)
        # A tracer, and a user's fake mode, take it for a constant where it is looked up.
        return found if fake_mode() is None else torch.ops.aten.lift_fresh_copy(found)

    return table
