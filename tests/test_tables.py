"""A table that is first used under a transform or a tracer is as good as any other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.func import grad, jvp, vmap

import surrogate
from surrogate import SurrogateActivation

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")

FRESH = count(1000)  # arguments that no other test has used


def pairs() -> list[SurrogateActivation]:
    k = next(FRESH)
    return [
        surrogate.get(f"perlin(resolution={k}, seed={k})"),
        surrogate.get(f"Staircase(step={k / 999}) / Blurred(width={k / 2000})"),
        surrogate.get(f"Cantor(depth={k % 6 + 11}) / Constant(1)"),
    ]


def on_meta(pair: SurrogateActivation, x: Tensor) -> None:
    y = pair(x.to("meta").requires_grad_())
    y.sum().backward()
    assert y.is_meta


def on_fake_tensors(pair: SurrogateActivation, x: Tensor) -> None:
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(x).requires_grad_()
        pair(fake).sum().backward()
    assert fake.grad is not None
    assert fake.grad.shape == x.shape


@pytest.mark.parametrize(
    "first_use",
    [
        lambda pair, x: jvp(pair, (x,), (x,)),
        lambda pair, x: vmap(grad(pair))(x),
        lambda pair, x: torch.export.export(pair, (x,)),
        lambda pair, x: torch.compile(grad(lambda x: pair(x).sum()), backend="eager")(x),
        lambda pair, x: torch.inference_mode()(pair)(x),
        on_meta,
        on_fake_tensors,
    ],
    ids=["jvp", "vmap", "export", "compile", "inference", "meta", "fake"],
)
def test_first_use_leaves_plain_tensors(
    first_use: Callable[[SurrogateActivation, Tensor], object],
) -> None:
    for pair in pairs():
        first_use(pair, torch.randn(5))
        x = torch.randn(5, requires_grad=True)
        y = pair(x)
        assert type(y) is Tensor
        y.sum().backward()
        assert type(x.grad) is Tensor
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_tables_of_one_graph_are_kept_apart(dtype: torch.dtype) -> None:
    """torch 2.13 took two tables for one: those of one pair, and of two."""
    net = torch.nn.Sequential(*pairs(), *pairs())
    x = torch.randn(20, dtype=dtype)
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), net(x))
