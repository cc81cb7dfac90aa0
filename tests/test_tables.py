"""A table that is first used under a transform or a tracer is as good as any other."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
import torch
from torch import Tensor
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


@pytest.mark.parametrize(
    "first_use",
    [
        lambda pair, x: jvp(pair, (x,), (x,)),
        lambda pair, x: vmap(grad(pair))(x),
        lambda pair, x: torch.export.export(pair, (x,)),
        lambda pair, x: torch.compile(grad(lambda x: pair(x).sum()), backend="eager")(x),
        lambda pair, x: torch.inference_mode()(pair)(x),
    ],
    ids=["jvp", "vmap", "export", "compile", "inference"],
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
