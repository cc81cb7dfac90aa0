"""Large tensors are evaluated block by block: the same numbers, in the same layout."""

from __future__ import annotations

import pytest
import torch

import surrogate
from surrogate.evaluation import BLOCK
from tests import reference

OURS = [function for function, _ in reference.FUNCTIONS if hasattr(function, "slope")]


def large(layout: str, dtype: torch.dtype) -> torch.Tensor:
    x = torch.randn(3, 4, 150, 200).to(dtype)
    assert x.numel() > 2 * BLOCK
    if layout == "channels_last":
        return x.contiguous(memory_format=torch.channels_last)
    return x.transpose(1, 3) if layout == "transposed" else x


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("function", OURS, ids=repr)
def test_values_of_large_tensors(
    function: reference.Elementwise, dtype: torch.dtype, layout: str
) -> None:
    x = large(layout, dtype)
    y = function(x)
    assert y.stride() == x.stride()
    pieces = torch.cat([function(piece) for piece in x.split(1)])
    torch.testing.assert_close(y, pieces)


@pytest.mark.parametrize("layout", ["contiguous", "channels_last", "transposed"])
@pytest.mark.parametrize("name", ["staircase_blurred", "relu_directional", "relu_noisy"])
def test_gradients_of_large_tensors(name: str, layout: str) -> None:
    pair, x = surrogate.get(name), large(layout, torch.float32).requires_grad_()
    upstream = torch.randn_like(x)
    (gradient,) = torch.autograd.grad(pair(x), x, upstream)
    pieces = [
        torch.autograd.grad(pair(piece), piece, part)[0]
        for piece, part in zip(x.split(1), upstream.split(1), strict=True)
    ]
    torch.testing.assert_close(gradient, torch.cat(pieces))
