"""A function and a derivative that look at all of a channel: `MagnitudeSign`, `MeanMagnitude`."""

from __future__ import annotations

import pytest
import torch
from torch.func import vmap

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from tests import reference
from tests.ids import shown

SHAPES = [(7, 3), (2, 5, 3), (4, 1), (6,)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("function", "oracle"), reference.WHOLE, ids=shown)
def test_values_equal_the_oracle(
    function: f.Function, oracle: reference.Elementwise, shape: tuple[int, ...]
) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    x.view(-1)[0] = 0.0
    torch.testing.assert_close(function(x), oracle(x), rtol=1e-12, atol=1e-14)
    assert not function.elementwise
    for dtype in (torch.float32, torch.bfloat16):
        low = x.to(dtype)
        assert function(low).dtype == dtype
        torch.testing.assert_close(
            function(low).double(), oracle(low.double()), rtol=0.01, atol=1e-6
        )


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mean_magnitude_is_the_size_of_the_sign(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    expected = reference.magnitude_sign(x).abs()
    slope = d.MeanMagnitude().slope(x)
    torch.testing.assert_close(slope, expected, rtol=1e-12, atol=1e-14)
    assert not d.MeanMagnitude().elementwise
    assert not (d.MeanMagnitude() * d.Box()).elementwise


def test_large_tensors_are_not_cut_into_blocks() -> None:
    x = torch.randn(2**20, 1)
    pair = surrogate.equivalent("larq.MagnitudeAwareSign", clip_value=None)
    x.requires_grad_()
    y = pair(x)
    mean = x.detach().abs().double().mean().float()
    torch.testing.assert_close(y.detach().abs(), mean.expand_as(x), rtol=1e-5, atol=0)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient, mean.expand_as(x), rtol=1e-5, atol=0)


def test_under_vmap_each_sample_has_its_own() -> None:
    x = torch.randn(5, 7, 3)
    one_by_one = torch.stack([f.MagnitudeSign()(sample) for sample in x])
    torch.testing.assert_close(vmap(f.MagnitudeSign())(x), one_by_one)


def test_modes() -> None:
    pair = SurrogateActivation(f.MagnitudeSign(), d.MeanMagnitude() * d.Box())
    modes = ["backward", "func.grad", "func.jvp", "create_graph, second order", "checkpoint"]
    surrogate.check(pair, modes=[*modes, "dtype kept"]).raise_if_wrong()
    surrogate.check(
        pair, modes=["compiled backward", "export, then backward"], dtypes=[torch.float64]
    ).raise_if_wrong()
