"""How formulas are evaluated: half precision by way of float32, large tensors block by block or in
one fused kernel."""

from __future__ import annotations

import torch
from torch import Tensor

from surrogate.core.fuse import Formula, is_fused, run_fused
from surrogate.core.numbers import HALVES
from surrogate.core.torch_private import is_transformed

BLOCK = 2**17  # elements; a few blocks of float32 fit into a core's cache
FUSED_FROM = 2**15  # elements; below, a call of a compiled kernel takes longer than what it saves


def evaluate(formula: Formula, *tensors: Tensor, elementwise: bool = True) -> Tensor:
    """formula(*tensors), in the dtype of the last tensor.

    float16 and bfloat16 are computed in float32. A formula that is `elementwise` is evaluated block
    by block on large tensors, or in one kernel if it is fused; any other one sees the whole.
    """
    like = tensors[-1]
    size = like.numel()
    # Compiled code must not depend on the size, which a tracer may have as a symbol.
    traced = torch.compiler.is_compiling() or not isinstance(size, int)
    if not elementwise or traced or size < FUSED_FROM:
        return in_own_dtype(formula, *tensors) if like.dtype in HALVES else formula(*tensors)
    fused = is_fused(formula) and all(tensor.is_floating_point() for tensor in tensors)
    blocks = like.is_cpu and size > 2 * BLOCK
    if not (fused or blocks) or not _is_plain(tensors):
        return in_own_dtype(formula, *tensors)
    result = torch.empty_like(like)
    flat = [_in_memory_order(tensor) for tensor in (result, *tensors)]
    if fused:
        run_fused(in_own_dtype, formula, *flat)
    else:
        # A formula of many operators would go through memory once for each; block by block its
        # intermediate results stay in cache.
        for target, *sources in zip(*(tensor.split(BLOCK) for tensor in flat), strict=True):
            target.copy_(in_own_dtype(formula, *sources))
    return result


def in_own_dtype(formula: Formula, *tensors: Tensor) -> Tensor:
    """formula(*tensors) in the dtype of the last tensor; halves reach the formula as float32."""
    dtype = tensors[-1].dtype
    if dtype not in HALVES:
        return formula(*tensors)
    full = (tensor.float() if tensor.dtype in HALVES else tensor for tensor in tensors)
    return formula(*full).to(dtype)


def _is_plain(tensors: tuple[Tensor, ...]) -> bool:
    """Dense, of one layout, and nobody is looking: no transform, no autograd."""
    x = tensors[-1]
    return (
        not is_transformed()
        and all(type(t) is Tensor and (t.is_cpu or t.is_cuda) for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and all(t.shape == x.shape and t.stride() == x.stride() for t in tensors)
        and torch.empty_like(x, device="meta").stride() == x.stride()
    )


def _in_memory_order(x: Tensor) -> Tensor:
    """A flat view of a dense tensor, for which nobody has to know where it comes from."""
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    return x.detach().permute(order).view(-1)
