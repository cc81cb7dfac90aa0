"""Large tensors are evaluated block by block: the same numbers, in the same layout."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch.autograd import forward_ad

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.evaluate import BLOCK, evaluate
from surrogate.derivatives.base import DerivativeLike, as_derivative
from tests import reference
from tests.ids import shown

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


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_blocks_are_for_eager_mode_alone() -> None:
    seen: list[int] = []

    def formula(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.numel())
        return x * x

    def sizes(run: Callable[[torch.Tensor], object], x: torch.Tensor) -> list[int]:
        seen.clear()
        run(x)
        return seen.copy()

    square = functools.partial(evaluate, formula)
    small, x = torch.randn(2 * BLOCK), torch.randn(2 * BLOCK + 1)
    assert sizes(square, x) == [BLOCK, BLOCK, 1]
    assert sizes(square, small) == [2 * BLOCK]
    whole = [x.numel()]
    assert sizes(square, x.clone().requires_grad_()) == whole
    assert sizes(square, x.to("meta")) == whole
    assert sizes(square, x[:1].expand(x.shape)) == whole  # one number, many times
    assert sizes(torch.func.vmap(square), x.view(1, -1)) == whole
    assert sizes(torch.func.grad(lambda x: square(x).sum()), x) == whole
    assert sizes(lambda x: torch.func.jvp(square, (x,), (x,)), x) == whole
    with forward_ad.dual_level():
        assert sizes(square, forward_ad.make_dual(x, x)) == whole
    assert sizes(lambda x: evaluate(formula, x, elementwise=False), x) == whole


@pytest.mark.parametrize(
    "derivative",
    [
        lambda x: x - x.mean(),
        lambda x, grad_output: grad_output - grad_output.mean(),
        2 * as_derivative(lambda x: x - x.mean()) + d.Box(),
        0.5 * as_derivative(lambda x, grad_output: grad_output - grad_output.mean()),
        d.Noisy(lambda x: x - x.mean(), std=0.1),
        d.Directional(lambda x: x - x.mean(), d.Constant()),
        d.DerivativeOf(lambda x: x * x.mean()),
        2 * d.DerivativeOf(lambda x, value: x * x.mean() * value.abs()),
    ],
    ids=shown,
)
def test_what_may_not_be_elementwise_sees_the_whole_tensor(derivative: DerivativeLike) -> None:
    x = torch.randn(2 * BLOCK + 1, requires_grad=True)
    pair = SurrogateActivation(lambda x: x * (x.detach() > x.detach().mean()), derivative)
    upstream = torch.randn_like(x)
    expected = pair.derivative.bind(pair.function).rule(x.detach(), upstream)
    (gradient,) = torch.autograd.grad(pair(x), x, upstream)
    torch.testing.assert_close(gradient, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    "derivative",
    [d.Directional(width=0.5), d.Blurred(kernel="box"), d.Blurred(width=0.1), d.Perturbed()],
    ids=shown,
)
def test_what_is_not_elementwise_has_no_secants(derivative: d.Derivative) -> None:
    for function in (lambda x: x - x.mean(), torch.nn.Softmax(-1), f.MagnitudeSign()):
        with pytest.raises(TypeError, match=r"is not elementwise: use DerivativeOf\(h\)"):
            SurrogateActivation(function, derivative)


def test_a_derivative_is_elementwise_if_its_parts_are() -> None:
    of_user, of_ours = as_derivative(torch.tanh), d.Blurred(f.Staircase(), width=0.3)
    assert (of_ours + d.Noisy(d.Constant(), 0.1) + d.Directional(d.Exact(), d.Box())).elementwise
    assert not (of_ours + 2 * of_user).elementwise
    assert not d.Noisy(of_user, 0.1).elementwise
    assert not d.Directional().bind(torch.nn.PReLU(3)).elementwise
