"""How formulas are evaluated: half precision by way of float32, large tensors block by block or in
one fused kernel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd import forward_ad

from surrogate.core.fuse import Formula, is_fused, run_fused
from surrogate.core.messages import name_of

HALVES = (torch.float16, torch.bfloat16)
BLOCK = 2**17  # elements; a few blocks of float32 fit into a core's cache
FUSED_FROM = 2**15  # elements; below, a call of a compiled kernel takes longer than what it saves


def evaluate(formula: Formula, *tensors: Tensor, elementwise: bool = True) -> Tensor:
    """formula(*tensors), in the dtype of the first tensor.

    float16 and bfloat16 are computed in float32. What is `elementwise` is evaluated block by block,
    or, if it is fused, in one kernel; what may not be sees the whole, as does what autograd follows
    to numbers in it.
    """
    fused = is_fused(formula)
    worth = tensors[0].numel() >= (FUSED_FROM if fused else 2 * BLOCK + 1)
    if not (elementwise and worth and _is_plain(tensors)):
        return in_own_dtype(formula, *tensors)
    # torch.compile is slow with booleans.
    fused = fused and all(tensor.is_floating_point() for tensor in tensors)
    if not (fused or tensors[0].is_cpu):
        return in_own_dtype(formula, *tensors)
    result = torch.empty_like(tensors[0])
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
    """formula(*tensors) in the dtype of the first tensor; halves reach the formula as float32."""
    dtype = tensors[0].dtype
    if dtype in HALVES:
        tensors = tuple(tensor.float() if tensor.dtype in HALVES else tensor for tensor in tensors)
        return formula(*tensors).to(dtype)
    return formula(*tensors)


def _is_plain(tensors: tuple[Tensor, ...]) -> bool:
    """Dense, of one layout, and nobody is looking: no tracer, no transform, no autograd."""
    x = tensors[0]
    return (
        not torch.compiler.is_compiling()
        and not is_transformed()
        and all(type(t) is Tensor and (t.is_cpu or t.is_cuda) for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
        and all(t.shape == x.shape and t.stride() == x.stride() for t in tensors)
        and torch.empty_like(x, device="meta").stride() == x.stride()
    )


def _in_memory_order(x: Tensor) -> Tensor:
    """A flat view of a dense tensor, for which nobody has to know where it comes from."""
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    return x.detach().permute(order).view(-1)


def is_transformed() -> bool:
    """Whether a transform of torch.func or forward-mode differentiation is going on."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_watched(x: Tensor) -> bool:
    """Whether x is followed by autograd or a transform."""
    return (torch.is_grad_enabled() and x.requires_grad) or is_transformed()


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
