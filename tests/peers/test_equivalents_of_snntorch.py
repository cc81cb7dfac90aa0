"""The names of snnTorch beside its code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from snntorch import surrogate as theirs

import surrogate
from surrogate.equivalents import names
from tests.peers.agreement import SINGLE, assert_agree, gradients

CASES: list[tuple[str, dict[str, Any]]] = [
    ("straight_through_estimator", {}),
    ("fast_sigmoid", {}),
    ("fast_sigmoid", {"slope": 3}),
    ("sigmoid", {}),
    ("sigmoid", {"slope": 2}),
    ("atan", {}),
    ("atan", {"alpha": 5.0}),
    ("heaviside", {}),
    ("spike_rate_escape", {}),
    ("spike_rate_escape", {"beta": 2, "slope": 3}),
    ("SFS", {}),
    ("SFS", {"slope": 2, "B": -0.5}),
]


def test_all_are_compared() -> None:
    ours = {name.split(".")[1] for name in names() if name.startswith("snntorch.")}
    assert ours == {name for name, _ in CASES} | {"SSO", "LSO"}


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_it_is_the_code(name: str, parameters: dict[str, Any]) -> None:
    ours = surrogate.equivalent(f"snntorch.{name}", **parameters)
    assert_agree(ours, getattr(theirs, name)(**parameters), SINGLE)


def test_the_noise_of_sso_has_their_range() -> None:
    x = torch.randn(20_000)
    for function in (
        theirs.SSO(mean=0.25, variance=2),  # type: ignore[arg-type]
        surrogate.equivalent("snntorch.SSO", mean=0.25, variance=2),
    ):
        slope = gradients(function, x)[1][0] / 1.5
        assert (slope[x > 0] == 1).all()
        noise = slope[x <= 0]
        assert -0.5 <= float(noise.min()) < -0.49
        assert 1.49 < float(noise.max()) <= 1.5
        assert float(noise.mean()) == pytest.approx(0.5, abs=0.03)


def test_their_lso_raises() -> None:
    """`LSO` calls SSO's function; LeakySpikeOperator returns one gradient for two inputs."""
    with pytest.raises(TypeError):
        theirs.LSO()(SINGLE)
    x = SINGLE.clone().requires_grad_()
    spikes = theirs.LeakySpikeOperator.apply(x, 0.1)
    assert isinstance(spikes, torch.Tensor)
    assert torch.equal(spikes, surrogate.equivalent("snntorch.LSO")(SINGLE))
    with pytest.raises(RuntimeError, match="incorrect number of gradients"):
        spikes.sum().backward()


def test_their_sigmoid_overflows() -> None:
    x = torch.tensor([-4.0])
    assert gradients(theirs.sigmoid(), x)[1].isnan().all()
    assert (gradients(surrogate.equivalent("snntorch.sigmoid"), x)[1].abs() < 1e-40).all()
