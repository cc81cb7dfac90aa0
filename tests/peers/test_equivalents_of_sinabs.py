"""The names of sinabs beside its code."""

from __future__ import annotations

from typing import Any

import pytest
from sinabs import activation as theirs

import surrogate
from surrogate.equivalents import names
from tests.peers.agreement import SINGLE, assert_agree

OTHER_PARAMETERS: dict[str, dict[str, Any]] = {
    "Heaviside": {"window": 0.25},
    "Gaussian": {"mu": 0.3, "sigma": 2.0, "grad_scale": -3.0},
    "MultiGaussian": {"mu": -0.2, "sigma": 0.4, "h": 0.5, "s": 2.0, "grad_scale": 3.0},
    "SingleExponential": {"grad_width": 0.2, "grad_scale": 4.0},
    "PeriodicExponential": {"grad_width": 0.3, "grad_scale": 2.0},
}
SPIKE_FUNCTIONS: dict[str, Any] = {
    "SingleSpike": theirs.SingleSpike,
    "MultiSpike": theirs.MultiSpike,
    "MaxSpike": theirs.MaxSpike(max_num_spikes_per_bin=2),
}


def test_all_are_compared() -> None:
    ours = {name.split(".")[1] for name in names() if name.startswith("sinabs.")}
    assert ours == set(OTHER_PARAMETERS)


@pytest.mark.parametrize("threshold", [1.0, 0.5])
@pytest.mark.parametrize("spike_fn", SPIKE_FUNCTIONS)
@pytest.mark.parametrize("name", OTHER_PARAMETERS)
def test_it_is_the_code(name: str, spike_fn: str, threshold: float) -> None:
    spikes = SPIKE_FUNCTIONS[spike_fn]
    for parameters in ({}, OTHER_PARAMETERS[name]):
        ours = surrogate.equivalent(
            f"sinabs.{name}",
            **parameters,
            spike_threshold=threshold,
            spike_fn=spike_fn,
            max_num_spikes_per_bin=2 if spike_fn == "MaxSpike" else None,
        )
        gradient_function = getattr(theirs, name)(**parameters)
        code = lambda v, f=gradient_function: spikes.apply(v, threshold, f)
        assert_agree(ours, code, SINGLE)
