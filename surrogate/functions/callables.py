"""Checks of functions that users give, of their input and of their output."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from surrogate.core.messages import given_name, name_of
from surrogate.core.parts import text_of
from surrogate.core.torch_private import is_plain


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


def require_function(function: object) -> None:
    """Raise TypeError unless it can be called, ValueError if it has inplace=True."""
    if isinstance(function, type) or not callable(function):
        raise TypeError(f"function must be a callable Tensor → Tensor, got {given_name(function)}")
    if getattr(function, "inplace", False) is True:
        raise ValueError(
            f"function {text_of(function)} writes into its input, which the derivative and other "
            "layers read: make it with inplace=False"
        )


def call_user_function(
    function: Callable[..., Tensor], *tensors: Tensor, role: str = "function"
) -> Tensor:
    """function(*tensors) of a user's callable; raise unless the result has the shape and dtype of
    the first of them, and none of them is written into."""
    return require_like(left_alone(function, *tensors, role=role), tensors[0], role, function)


def left_alone(function: Callable[..., Tensor], *tensors: Tensor, role: str = "function") -> Tensor:
    """function(*tensors) of a user's callable; raise if it writes into one of them.

    Where torch does not count how often a tensor is written into, which is everywhere but in plain
    eager mode, the function gets copies, which it may write into.

    Raises:
        RuntimeError: a version counter tells that the function has written into a tensor.
    """
    if not is_plain() or tensors[0].is_inference() or torch.is_inference_mode_enabled():
        return function(*(tensor.clone() for tensor in tensors))
    versions = [tensor._version for tensor in tensors]
    result = function(*tensors)
    if versions != [tensor._version for tensor in tensors]:
        raise RuntimeError(
            f"{role} {text_of(function)} writes into its input, which the derivative and other "
            "layers read: use a form of it that does not (inplace=False)"
        )
    return result
