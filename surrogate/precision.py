"""Half precision is computed in float32 and returned in its own dtype: here, once, for all."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

HALVES = (torch.float16, torch.bfloat16)


def in_working_precision(formula: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """formula(*tensors), by way of float32 if the first tensor is float16 or bfloat16."""
    dtype = tensors[0].dtype
    if dtype not in HALVES:
        return formula(*tensors)
    return formula(*(tensor.float() for tensor in tensors)).to(dtype)


def require_floating(x: Tensor, owner: object) -> None:
    """Raise TypeError unless x is a real floating-point tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{owner} takes a torch.Tensor, got {type(x).__name__}")
    if not x.is_floating_point():
        raise TypeError(f"{owner} takes a real floating-point tensor, got dtype {x.dtype}")


def require_like(result: object, x: Tensor, role: str, owner: object) -> Tensor:
    """Raise unless the result is a tensor with the shape and dtype of x."""
    if not isinstance(result, Tensor):
        raise TypeError(f"{role} {owner!r} must return a tensor, got {type(result).__name__}")
    if result.shape != x.shape:
        raise ValueError(
            f"{role} {owner!r} must keep the shape of its input: "
            f"{tuple(x.shape)} became {tuple(result.shape)}"
        )
    if result.dtype != x.dtype:
        raise TypeError(
            f"{role} {owner!r} must keep the dtype of its input: {x.dtype} became {result.dtype}"
        )
    return result
