"""How formulas are evaluated: half precision by way of float32, large tensors block by block."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd import forward_ad

from surrogate.describe import name_of

HALVES = (torch.float16, torch.bfloat16)
BLOCK = 2**17  # elements; a few blocks of float32 fit into a core's cache


def evaluate(formula: Callable[..., Tensor], *tensors: Tensor, blocks: bool = True) -> Tensor:
    """formula(*tensors) for an elementwise formula, in the dtype of the first tensor.

    float16 and bfloat16 are computed in float32. In eager mode on a CPU a formula of many operators
    would go through memory once for each; block by block its intermediate results stay in cache.
    Without `blocks` the formula sees the whole: one that may not be elementwise has to,
    and one that autograd follows to numbers in it.
    """
    dtype = tensors[0].dtype
    working = formula
    if dtype in HALVES:
        working = lambda *halves: formula(*(half.float() for half in halves)).to(dtype)
    if not (blocks and _worth_blocks(tensors)):
        return working(*tensors)
    result = torch.empty_like(tensors[0])
    pieces = [_in_memory_order(tensor).split(BLOCK) for tensor in (result, *tensors)]
    for target, *sources in zip(*pieces, strict=True):
        target.copy_(working(*sources))
    return result


def _worth_blocks(tensors: tuple[Tensor, ...]) -> bool:
    """Large, dense, of one layout, and nobody is looking: no tracer, no transform, no autograd."""
    x = tensors[0]
    return (
        x.numel() > 2 * BLOCK
        and not torch.compiler.is_compiling()
        and not is_transformed()
        and all(type(t) is Tensor and t.device.type == "cpu" for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and all(t.shape == x.shape and t.stride() == x.stride() for t in tensors)
        and torch.empty_like(x, device="meta").stride() == x.stride()
    )


def _in_memory_order(x: Tensor) -> Tensor:
    """A flat view of a dense tensor."""
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    return x.permute(order).view(-1)


def is_transformed() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is going on."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_exporting() -> bool:
    """Whether torch.export is going on; torch 2.11's own answer is yes under torch.compile too."""
    return torch.compiler._is_exporting_flag


def require_floating(x: Tensor, owner: object) -> None:
    """Raise TypeError unless x is a real floating-point tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{owner} takes a torch.Tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{owner} takes a real floating-point tensor, got dtype {x.dtype}")


def require_like(result: object, x: Tensor, role: str, owner: object) -> Tensor:
    """The result; raise unless it is a tensor with the shape and dtype of x.

    Under autocast torch may have chosen another floating-point dtype: then it is cast back.
    """
    if not isinstance(result, Tensor):
        raise TypeError(
            f"{role} {name_of(owner)} must return a tensor, got {type(result).__name__}"
        )
    if result.shape != x.shape:
        raise ValueError(
            f"{role} {name_of(owner)} must keep the shape of its input: "
            f"{tuple(x.shape)} became {tuple(result.shape)}"
        )
    if result.dtype != x.dtype:
        device = x.device.type
        cast = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        if cast and result.is_floating_point():
            return result.to(x.dtype)
        raise TypeError(
            f"{role} {name_of(owner)} must keep the dtype of its input: "
            f"{x.dtype} became {result.dtype}"
        )
    return result
