"""Look-up tables that are computed once and then lie on each device as plain tensors.

A table is a constant, not state: it depends on its arguments alone, is not part of a checkpoint,
and `torch.compile` and `torch.export` take it as a constant of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Concatenate, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch._guards import active_fake_mode
from torch.torch_version import TorchVersion

Arguments = ParamSpec("Arguments")
Function = TypeVar("Function", bound=Callable[..., object])


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """table[index] for an index of any shape, within range.

    An index that comes from NaN is any integer: the caller brings it into range.
    """
    # index_select is the fastest of torch's ways, and the one that vmap knows for 0-d indices.
    return table.index_select(0, index.reshape(-1)).view(index.shape)


def constant_table(
    build: Callable[Arguments, np.ndarray],
) -> Callable[Concatenate[torch.dtype, torch.device, Arguments], Tensor]:
    """Turn a function that returns an array into one that returns the tensor of it.

    The result takes a dtype and a device first, then the function's own arguments: frozen objects,
    which torch.compile takes for constants, rather than their numbers, which it may make symbols.
    """

    @lru_cache(maxsize=64)
    def array(*args: Arguments.args, **kwargs: Arguments.kwargs) -> np.ndarray:
        return build(*args, **kwargs)

    @lru_cache(maxsize=64)
    def tensor(
        dtype: torch.dtype,
        device: torch.device,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Tensor:
        def make() -> Tensor:
            return torch.from_numpy(array(*args, **kwargs)).to(device, dtype)

        # A tensor that is made under a transform, a tracer or inference mode belongs to it, and
        # would come back from the cache later on. All of them end at a thread, so it gets its own.
        with ThreadPoolExecutor(1) as elsewhere:
            return elsewhere.submit(make).result()

    @_as_constant
    def held(
        dtype: torch.dtype,
        device: torch.device,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> tuple[Tensor]:
        # In a tuple, as torch.compile before 2.15 takes two bare tensors in a graph for the same.
        return (tensor(dtype, device, *args, **kwargs),)

    def table(
        dtype: torch.dtype,
        device: torch.device,
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Tensor:
        (result,) = held(dtype, device, *args, **kwargs)
        return _faked(result)

    return table


def _faked(table: Tensor) -> Tensor:
    """A fake one for those who run a model on fake tensors; torch's own tracers take the real."""
    if torch.compiler.is_compiling():
        return table
    mode = active_fake_mode()
    return table if mode is None or mode.allow_non_fake_inputs else mode.from_tensor(table)


def _as_constant(function: Function) -> Function:
    """What torch.compile calls once, for a constant; older ones can't, and break the graph."""
    if TorchVersion(torch.__version__) >= "2.12":
        # torch.compiler.assume_constant_result does this alone, but imports the compiler: a second.
        function._dynamo_marked_constant = True  # type: ignore[attr-defined]
        return function
    return torch.compiler.disable(  # type: ignore[return-value]
        function, reason="look-up tables are constants of the graph from torch 2.12 on"
    )
