"""Eager mode with one kernel for each formula, in place of one for each operator of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from surrogate.core.parts import Part
from surrogate.core.torch_private import mark_dynamic_size

Formula = Callable[..., Tensor]

_fused = False


class fuse:  # noqa: N801 (used as a function, or in a with statement, as torch.no_grad is)
    """From here on, or in a with statement, each formula is compiled to one kernel in eager mode.

    In eager mode torch runs one kernel for each operator of a formula. Fused, a function is one
    kernel, and so is its derivative times the upstream gradient, whatever the formula. Values may
    differ in the last bits, as they do under `torch.compile`.

    Each formula is compiled when it is first met, once for tensors of all shapes: seconds, and a
    C++ compiler is needed (on a GPU, Triton). It is for tensors of 32,768 elements or more, and for
    formulas of ours with fixed numbers: callables of yours, learned numbers and transforms of
    `torch.func` go their ordinary way.

    Args:
        on: False is the ordinary way for all.

    Raises:
        RuntimeError: `torch.compile` does not work on this machine.

    >>> import torch, surrogate
    >>> x = torch.linspace(-2, 2, 2**16, requires_grad=True)
    >>> with surrogate.fuse():
    ...     surrogate.get("cantor2")(x).sum().backward()
    >>> x.grad.unique().tolist()
    [1.0]
    """

    def __init__(self, on: bool = True) -> None:
        global _fused
        self._before = _fused
        if on:
            require_compiler()
        _fused = on

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        global _fused
        _fused = self._before


@lru_cache(maxsize=1)
def require_compiler() -> None:
    """Raise RuntimeError where torch.compile does not work."""
    try:
        with torch.no_grad():
            torch.compile(lambda x: torch.exp(x) + 1, fullgraph=True)(torch.zeros(64))
    except Exception as error:
        raise RuntimeError(f"torch.compile does not work on this machine: {error}") from error


def is_fused(formula: Formula) -> bool:
    """Whether it is to be one kernel: a method of one of our functions or derivatives."""
    return _fused and isinstance(getattr(formula, "__self__", None), Part)


def run_fused(evaluate: Formula, formula: Formula, *tensors: Tensor) -> None:
    """The first tensor becomes evaluate(formula, *the others); all of them are flat."""
    kernel = _kernel(evaluate, formula.__self__, formula.__name__)  # type: ignore[attr-defined]
    with torch.no_grad():
        kernel(*tensors)


@lru_cache(maxsize=256)
def _kernel(evaluate: Formula, owner: object, method: str) -> Callable[..., None]:
    """Compiled once for all parts that are equal."""
    formula = getattr(owner, method)

    def kernel(result: Tensor, *tensors: Tensor) -> None:
        result.copy_(evaluate(formula, *tensors))

    # torch.compile counts recompilations by code object, and gives up after a few.
    kernel.__code__ = kernel.__code__.replace()
    # Only sizes are dynamic, by mark_dynamic: numbers of the formula are to be constants.
    compiled = torch.compile(kernel, fullgraph=True, dynamic=False)
    marked = False

    def run(*tensors: Tensor) -> None:
        nonlocal marked
        if not marked:  # when it is compiled; later on that would only take time
            for tensor in tensors:
                mark_dynamic_size(tensor)
            marked = True
        compiled(*tensors)

    return run
