"""The names of SpikingJelly beside its code."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from spikingjelly.activation_based import surrogate as theirs

import surrogate
from surrogate.equivalents import names
from tests.peers.agreement import assert_agree, gradients

OTHER_PARAMETERS: dict[str, dict[str, Any]] = {
    "PiecewiseQuadratic": {"alpha": 2.0},
    "PiecewiseExp": {"alpha": 3.0},
    "Sigmoid": {"alpha": 1.5},
    "SoftSign": {"alpha": 5.0},
    "SuperSpike": {"alpha": 3.0},
    "ATan": {"alpha": 5.0},
    "NonzeroSignLogAbs": {"alpha": 4.0},
    "Erf": {"alpha": 0.7},
    "PiecewiseLeakyReLU": {"w": 0.25, "c": 0.3},
    "SquarewaveFourierSeries": {"n": 4, "T_period": 2.0},
    "S2NN": {"alpha": 2.0, "beta": 0.3},
    "QPseudoSpike": {"alpha": 1.5},
    "LeakyKReLU": {"leak": 0.2, "k": 3.0},
    "FakeNumericalGradient": {"alpha": 2.0},
    "LogTailedReLU": {"alpha": 0.4},
    "Rect": {"alpha": 2.0},
    "DeterministicPass": {},
}


def test_all_are_compared() -> None:
    ours = {name.split(".")[1] for name in names() if name.startswith("spikingjelly.")}
    assert ours == set(OTHER_PARAMETERS)


@pytest.mark.parametrize(("name", "parameters"), OTHER_PARAMETERS.items(), ids=str)
def test_it_is_the_code(name: str, parameters: dict[str, Any]) -> None:
    for given in ({}, parameters):
        their_function = getattr(theirs, name)(**given)
        assert_agree(surrogate.equivalent(f"spikingjelly.{name}", **given), their_function)


def test_the_ends_of_the_piecewise_leaky_relu_are_outside() -> None:
    """Their document has them inside."""
    ends = torch.tensor([-1.0, 1.0])
    for function in (
        theirs.PiecewiseLeakyReLU(),
        surrogate.equivalent("spikingjelly.PiecewiseLeakyReLU"),
    ):
        assert (gradients(function, ends)[1][0] / 1.5).tolist() == pytest.approx([0.01, 0.01])


def test_their_fake_numerical_gradient_at_minus_zero() -> None:
    zero = torch.tensor([-0.0])
    assert gradients(theirs.FakeNumericalGradient(), zero)[1][0] == -torch.inf
    ours = surrogate.equivalent("spikingjelly.FakeNumericalGradient")
    assert gradients(ours, zero)[1][0] == pytest.approx(0.45)
