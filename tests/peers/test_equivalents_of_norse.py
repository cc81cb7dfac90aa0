"""The names of norse beside its code, which leaves out factors that its documents have."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import surrogate
from surrogate.equivalents import names
from tests.peers.agreement import GRID, assert_agree, gradients

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", ".torch.jit.* is deprecated", FutureWarning)
    from norse.torch.functional import threshold as theirs

FUNCTIONS = {
    "super": theirs.superspike_fn,
    "tanh": theirs.heavi_tanh_fn,
    "heavi_erfc": theirs.heavi_erfc_fn,
    "circ": theirs.heavi_circ_fn,
    "triangle": theirs.triangle_fn,
    "logistic": theirs.logistic_fn,
    "circ_dist": theirs.circ_dist_fn,
}


def ours(name: str, **parameters: Any) -> surrogate.SurrogateActivation:
    return surrogate.equivalent(f"norse.{name}", **parameters)


def test_all_are_compared() -> None:
    assert {name.split(".")[1] for name in names() if name.startswith("norse.")} == set(FUNCTIONS)


@pytest.mark.parametrize("name", ["circ", "triangle"])
@pytest.mark.parametrize("alpha", [0.3, 1.5, 100.0])
def test_it_is_the_code(name: str, alpha: float) -> None:
    assert_agree(ours(name, alpha=alpha), lambda x: FUNCTIONS[name](x, alpha))


def test_their_super_spike_ignores_alpha() -> None:
    for alpha in (1.0, 100.0):
        assert_agree(ours("super", alpha=1), lambda x, alpha=alpha: FUNCTIONS["super"](x, alpha))


@pytest.mark.parametrize("name", ["tanh", "heavi_erfc", "logistic"])
@pytest.mark.parametrize("k", [0.5, 3.0])
def test_their_code_leaves_out_half_of_k(name: str, k: float) -> None:
    reported = gradients(ours(name, k=k))[1]
    of_the_code = gradients(lambda x: FUNCTIONS[name](x, k))[1]
    # Their √π is a float32.
    torch.testing.assert_close(reported, k / 2 * of_the_code, rtol=1e-7, atol=1e-12)
    if name != "logistic":
        assert torch.equal(ours(name, k=k)(GRID), FUNCTIONS[name](GRID, k))


def test_circ_dist_reports_what_circ_does() -> None:
    reported = gradients(ours("circ_dist", alpha=0.5))[1]
    of_the_code = gradients(lambda x: FUNCTIONS["circ_dist"](x, 0.5))[1]
    torch.testing.assert_close(reported, of_the_code, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "parameters"), [("logistic", {"k": 0.8}), ("circ_dist", {"alpha": 0.7})]
)
def test_spikes_are_as_frequent_as_theirs(name: str, parameters: dict[str, float]) -> None:
    (number,) = parameters.values()
    for at in (-1.0, -0.1, 0.4, 1.5):
        x = torch.linspace(at, at + 1e-3, 5000)
        share = float(ours(name, **parameters)(x).mean())
        theirs_share = float(FUNCTIONS[name](x, number).mean())
        assert share == pytest.approx(theirs_share, abs=0.04)  # more than 4 standard deviations
