"""Fused formulas report the same, are compiled once, and leave alone what is not theirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core import fuse
from surrogate.core.evaluate import FUSED_FROM

PAIRS = ["cantor2", "perlin4", "staircase_blurred", "relu_directional", "sign_ste", "mish"]


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    fuse._kernel.cache_clear()
    yield
    surrogate.fuse(False)
    fuse._kernel.cache_clear()
    torch.compiler.reset()


def value_and_gradient(pair: SurrogateActivation, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    y = pair(x)
    upstream = torch.empty_like(x).copy_(torch.arange(x.numel()).view(x.shape).sin())
    (gradient,) = torch.autograd.grad(y, x, upstream)
    return y.detach(), gradient


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", PAIRS)
def test_values_and_gradients(name: str, dtype: torch.dtype) -> None:
    pair = surrogate.get(name)
    large = torch.randn(2, 4, 80, 80).to(dtype)
    for x in (large, large.contiguous(memory_format=torch.channels_last), large.transpose(1, 3)):
        expected = value_and_gradient(pair, x)
        with surrogate.fuse():
            got = value_and_gradient(pair, x)
        for one, other in zip(got, expected, strict=True):
            torch.testing.assert_close(one, other)
            assert one.stride() == x.stride()


def test_extremes() -> None:
    largest = torch.finfo(torch.float32).max
    ends = torch.tensor([torch.nan, torch.inf, -torch.inf, largest, -largest, 1e-45, -0.0, 0.0])
    for name in PAIRS:
        pair, x = surrogate.get(name), ends.repeat(FUSED_FROM // 8)
        expected = value_and_gradient(pair, x)
        with surrogate.fuse():
            got = value_and_gradient(pair, x)
        for one, other in zip(got, expected, strict=True):
            torch.testing.assert_close(one, other, equal_nan=True)


def test_a_formula_is_compiled_once() -> None:
    """Whatever the shape, and for all pairs that are equal."""
    surrogate.fuse()
    counters.clear()
    for size in range(3):
        for shape in ((2**16,), (64 + size, 1024), (16, 8, 32, 33 + size)):
            value_and_gradient(surrogate.get("relu_blurred"), torch.randn(shape))
            value_and_gradient(surrogate.get("softsign"), torch.randn(shape))
    assert counters["stats"]["unique_graphs"] == 3  # the value of softsign, and two gradients
    for depth in range(1, 14):  # more than torch.compile compiles of one line
        surrogate.get(f"Cantor(depth={depth}) / Constant(1)")(torch.randn(FUSED_FROM))
    assert counters["stats"]["unique_graphs"] == 16


@pytest.mark.parametrize(
    "pair",
    [
        SurrogateActivation(f.Staircase(Learnable(0.5)), d.Box()),
        SurrogateActivation(lambda x: torch.round(x), lambda x: torch.exp(-x * x)),
        SurrogateActivation(f.RReLU(), d.Exact()),
        SurrogateActivation(f.MagnitudeSign(), d.MeanMagnitude()),
    ],
    ids=repr,
)
def test_what_is_not_fused(pair: SurrogateActivation) -> None:
    surrogate.fuse()
    x = torch.randn(4, FUSED_FROM, requires_grad=True)
    pair(x).sum().backward()
    assert fuse._kernel.cache_info().currsize == 0


def test_transforms_and_compilers_go_their_own_way() -> None:
    pair, x = surrogate.get("softsign"), torch.randn(FUSED_FROM)
    surrogate.fuse()
    torch.func.grad(lambda x: pair(x).sum())(x)
    torch.func.vmap(pair)(x.view(1, -1))
    torch.compile(pair, fullgraph=True)(x)
    pair(x[1:])  # too small
    assert fuse._kernel.cache_info().currsize == 0


def test_it_ends_with_the_block() -> None:
    pair, x = surrogate.get("softsign"), torch.randn(FUSED_FROM)
    with surrogate.fuse():
        with surrogate.fuse(False):
            pair(x)
        assert fuse._kernel.cache_info().currsize == 0
        pair(x)
        assert fuse._kernel.cache_info().currsize == 1
    fuse._kernel.cache_clear()
    pair(x)
    assert fuse._kernel.cache_info().currsize == 0


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise OSError("no C++ compiler")

    fuse.require_compiler.cache_clear()
    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(RuntimeError, match=r"torch.compile does not work.*no C\+\+ compiler"):
        surrogate.fuse()
    surrogate.get("softsign")(torch.randn(FUSED_FROM))
