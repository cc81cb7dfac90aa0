"""The names of FreeGrad beside its code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from freegrad import context, wrappers
from freegrad.registry import compose
from torch import Tensor

import surrogate
from surrogate.equivalents import names
from surrogate.equivalents.freegrad import FORWARDS
from tests.peers.agreement import assert_agree, gradients

RULES: list[tuple[str, str, dict[str, Any]]] = [
    ("identity", "d(Linear)", {}),
    ("heaviside", "d(ReLU)", {}),
    ("rectangular", "rectangular", {}),
    ("rectangular", "rectangular", {"a": -2.0, "b": 0.25}),
    ("triangular", "triangular", {}),
    ("triangular", "triangular", {"width": 2.0}),
    ("scale", "scale", {}),
    ("scale", "scale", {"s": -0.3}),
    ("clip_norm", "clip_norm", {}),
    ("clip_norm", "clip_norm", {"max_norm": 100.0}),
    ("centralize", "centralize", {}),
    ("centralize", "centralize", {"dim": 0}),
]
COMPOSED = ("rectangular", "scale", "clip_norm", "triangular")
NOISE: list[tuple[str, dict[str, Any]]] = [
    ("full_jam", {}),
    ("positive_jam", {}),
    ("rectangular_jam", {"a": -0.5, "b": 1.0}),
    ("noise", {"sigma": 0.3}),
]


def theirs(forward: str, rule: Any, parameters: dict[str, Any]) -> Any:
    def activation(x: Tensor) -> Tensor:
        with context.use(rule=rule, params=parameters):
            return wrappers.Activation(forward)(x)

    return activation


def test_all_are_compared() -> None:
    ours = {name.split(".")[1] for name in names() if name.startswith("freegrad.")}
    assert ours == {name for name, *_ in RULES} | {name for name, _ in NOISE} | {"compose"}
    assert set(FORWARDS) == set(wrappers._FWD_MAP)


@pytest.mark.parametrize("forward", FORWARDS)
def test_it_is_the_code(forward: str) -> None:
    for name, rule, parameters in RULES:
        ours = surrogate.equivalent(f"freegrad.{name}", forward=forward, **parameters)
        assert_agree(ours, theirs(forward, rule, parameters))
    for rules in (COMPOSED, COMPOSED[::-1]):
        parameters = {"a": -0.5, "b": 2.0, "s": 3.0, "max_norm": 2.0, "width": 2.5}
        ours = surrogate.equivalent("freegrad.compose", rules=rules, forward=forward, **parameters)
        assert_agree(ours, theirs(forward, compose(*rules), parameters))


@pytest.mark.parametrize(("name", "parameters"), NOISE, ids=str)
def test_the_noise_has_their_distribution(name: str, parameters: dict[str, Any]) -> None:
    """Its quantiles in each half; the place of the noise is that of theirs, element for element."""
    x = torch.randn(40_000)
    tenths = torch.tensor([0.1, 0.5, 0.9])
    where, quantiles = [], []
    for function in (
        surrogate.equivalent(f"freegrad.{name}", forward="Tanh", **parameters),
        theirs("Tanh", name, parameters),
    ):
        gradient = gradients(function, x)[1][0] / 1.5
        where.append(gradient == 0)
        quantiles.append([gradient[half].quantile(tenths) for half in (x < 0, x > 0)])
    assert torch.equal(*where)
    for mine, their in zip(*quantiles, strict=True):
        torch.testing.assert_close(mine, their, atol=0.03, rtol=0)
