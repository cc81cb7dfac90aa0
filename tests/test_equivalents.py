"""Names of other packages: every one is there, and is what its document says."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import surrogate
from experiments.site.equivalents import main
from surrogate import SurrogateActivation
from surrogate.equivalents import entry, names
from surrogate.equivalents.freegrad import FORWARDS
from tests.equivalents import ALL, DRAWN, NAMES, POINTWISE, UPSTREAM
from tests.ids import shown
from tests.reference import Scalar, magnitude_sign, values

GRID = torch.arange(-192, 193, dtype=torch.float64) / 64
UPSTREAMS = (1.5, -0.75)
WHOLE = {  # they look at the whole tensor; each has a test of its own below
    "larq.MagnitudeAwareSign",
    "freegrad.clip_norm",
    "freegrad.centralize",
}


def value_and_gradient(pair: SurrogateActivation, x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_()
    y = pair(x)
    return y.detach(), torch.autograd.grad(y, x, g)[0]


def test_every_name_is_covered() -> None:
    assert sorted(names()) == sorted(ALL)
    assert len(set(ALL)) == len(ALL) == 71
    with_an_oracle = {name for name, *_ in [*POINTWISE, *UPSTREAM, *DRAWN]}
    assert with_an_oracle | WHOLE == set(ALL)


@pytest.mark.parametrize(("name", "parameters", "function", "slope"), POINTWISE, ids=shown)
def test_it_is_the_documented_pair(
    name: str, parameters: dict[str, Any], function: Scalar, slope: Scalar
) -> None:
    pair = surrogate.equivalent(name, **parameters)
    for upstream in UPSTREAMS:
        y, gradient = value_and_gradient(pair, GRID, torch.full_like(GRID, upstream))
        torch.testing.assert_close(y, values(function, GRID), rtol=1e-12, atol=1e-13)
        expected = upstream * values(slope, GRID)
        torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "parameters", "function", "rule"), UPSTREAM, ids=shown)
def test_it_is_the_documented_rule(
    name: str,
    parameters: dict[str, Any],
    function: Scalar,
    rule: Callable[[float, float], float],
) -> None:
    pair = surrogate.equivalent(name, **parameters)
    for upstream in UPSTREAMS:
        y, gradient = value_and_gradient(pair, GRID, torch.full_like(GRID, upstream))
        torch.testing.assert_close(y, values(function, GRID), rtol=1e-12, atol=1e-13)
        expected = values(lambda x, g=upstream: rule(x, g), GRID)
        torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("name", "parameters", "probability", "slope"), DRAWN, ids=shown)
def test_it_draws_spikes_with_the_documented_probability(
    name: str, parameters: dict[str, Any], probability: Scalar, slope: Scalar
) -> None:
    """In training as in evaluation."""
    pair, draws = surrogate.equivalent(name, **parameters), 5000
    x = torch.tensor([-1.5, -0.02, 0.0, 0.005, 0.4], dtype=torch.float64).repeat(draws, 1)
    expected = values(probability, x[0])
    allowed = 5 * (expected * (1 - expected) / draws).sqrt() + 1e-9
    for training in (True, False):
        fired, gradient = value_and_gradient(pair.train(training), x, torch.full_like(x, 1.5))
        assert set(fired.unique().tolist()) == {0.0, 1.0}
        assert ((fired.mean(0) - expected).abs() <= allowed).all()
        again = pair(x)
        assert not torch.equal(again, fired)
        torch.testing.assert_close(gradient[0], 1.5 * values(slope, x[0]), rtol=1e-11, atol=1e-13)
        assert torch.equal(gradient, gradient[:1].expand_as(gradient))


def test_the_pairs_that_look_at_the_whole_tensor() -> None:
    x, g = torch.randn(2, 12, 3, dtype=torch.float64).unbind()
    relu = x.clamp(min=0)
    for limit, shrunk in ((1.0, 1 / g.norm()), (1e3, torch.tensor(1.0))):
        pair = surrogate.equivalent("freegrad.clip_norm", max_norm=limit)
        y, gradient = value_and_gradient(pair, x, g)
        assert torch.equal(y, relu)
        torch.testing.assert_close(gradient, g * shrunk, rtol=1e-12, atol=0)
    for dim in (-1, 0):
        y, gradient = value_and_gradient(surrogate.equivalent("freegrad.centralize", dim=dim), x, g)
        assert torch.equal(y, relu)
        torch.testing.assert_close(gradient, g - g.sum(dim, keepdim=True) / g.shape[dim])
    for clip_value in (1.0, 0.5, None):
        pair = surrogate.equivalent("larq.MagnitudeAwareSign", clip_value=clip_value)
        y, gradient = value_and_gradient(pair, x, g)
        expected = magnitude_sign(x)
        inside = x.abs() <= (math.inf if clip_value is None else clip_value)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(gradient, g * inside * expected.abs())


def test_magic_clamp_keeps_the_norm() -> None:
    x, g = torch.randn(2, 40, dtype=torch.float64).unbind()
    pair = surrogate.equivalent("magic_clamp.magic_clamp", min_value=-0.3, max_value=0.5)
    y, gradient = value_and_gradient(pair, x, g)
    assert y.tolist() == [min(max(v, -0.3), 0.5) for v in x.tolist()]
    stays = ~((x < -0.3) & (g > 0)) & ~((x > 0.5) & (g < 0))
    assert 0 < int((~stays).sum()) < 40
    stretched = math.sqrt(float((g * g).sum()) / float((g[stays] * g[stays]).sum()))
    torch.testing.assert_close(gradient, g * stays * stretched)


def test_composed_rules_come_one_after_the_other() -> None:
    x, g = torch.randn(2, 20, dtype=torch.float64).unbind()
    window = (x.abs() <= 0.5).double()
    clipped, cut = (g / g.norm()) * window, g * window / (g * window).norm()
    for rules, expected in (
        (("clip_norm", "rectangular"), clipped),
        (("rectangular", "clip_norm"), cut),
    ):
        pair = surrogate.equivalent("freegrad.compose", rules=rules)
        torch.testing.assert_close(value_and_gradient(pair, x, g)[1], expected)


FREE: dict[str, Callable[[Tensor], Tensor]] = {
    "Linear": lambda x: x,
    "ReLU": torch.relu,
    "ReLU6": torch.nn.functional.relu6,
    "LeakyReLU": torch.nn.functional.leaky_relu,
    "ELU": torch.nn.functional.elu,
    "Tanh": torch.tanh,
    "Logistic": torch.sigmoid,
    "SiLU": torch.nn.functional.silu,
    "GELU": torch.nn.functional.gelu,
    "Softplus": torch.nn.functional.softplus,
    "Heaviside": lambda x: (x > 0).to(x),
}


@pytest.mark.parametrize("forward", FREE)
def test_freegrad_takes_any_of_its_functions(forward: str) -> None:
    assert set(FREE) == set(FORWARDS)
    for name in NAMES["freegrad"].split():
        needed = {"rules": ("noise",)} if name == "compose" else {}
        pair = surrogate.equivalent(f"freegrad.{name}", forward=forward, **needed)
        torch.testing.assert_close(pair(GRID), FREE[forward](GRID), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    "case", [*POINTWISE, *UPSTREAM, *DRAWN], ids=lambda case: str(case[:2])[:60]
)
def test_it_reads_back(case: tuple[str, dict[str, Any], object, object]) -> None:
    name, parameters, *_ = case
    pair = surrogate.equivalent(name, **parameters)
    again = surrogate.get(str(pair))
    assert (again.function, again.derivative) == (pair.function, pair.derivative)
    assert str(again) == str(pair)


@pytest.mark.parametrize("name", ALL)
def test_its_document_says_what_it_computes_and_what_it_reports(name: str) -> None:
    assert re.match(r"\S.*\. Reports \S.*[.:]$", paragraph(name))


def paragraph(name: str) -> str:
    return " ".join((entry(name).__doc__ or "").split("\n\n")[0].split())


def without_versions(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("Compared, by tests, with")]


def test_the_committed_table_is_what_the_command_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-o", str(tmp_path / "table.md")]) == 0
    assert capsys.readouterr().out.startswith("71 names of 14 packages: ")
    written = (tmp_path / "table.md").read_text(encoding="utf-8")
    committed = Path(__file__).parent.parent / "docs" / "equivalents.md"
    assert without_versions(written) == without_versions(committed.read_text(encoding="utf-8"))
    assert main([]) == 0
    assert capsys.readouterr().out == written + "\n"
    rows = re.findall(r"^\| `(\w+)\(.*?\)` \| `(.*?)` \|", written, re.MULTILINE)
    assert [name for name, _ in rows] == [
        name.split(".")[1] for package in sorted(NAMES) for name in names_of(package)
    ]
    for _, pair in rows:
        assert str(surrogate.get(pair)) == pair


def names_of(package: str) -> list[str]:
    return [name for name in names() if name.split(".")[0] == package]


@pytest.mark.parametrize(
    ("name", "parameters", "error", "message"),
    [
        ("snntorch.fastsigmoid", {}, ValueError, "did you mean 'snntorch.fast_sigmoid'"),
        ("fast_sigmoid", {}, ValueError, "unknown equivalent 'fast_sigmoid'; did you mean"),
        ("snntorch.atan", {"alfa": 2}, TypeError, "no parameter 'alfa'; did you mean 'alpha'"),
        ("snntorch.heaviside", {"x": 2}, TypeError, r"no parameter 'x' \(it takes: none\)"),
        ("snntorch.atan", {"alpha": 0}, ValueError, "snntorch.atan: alpha must be .* above 0, got"),
        ("snntorch.SFS", {"B": math.nan}, ValueError, "snntorch.SFS: B must be a finite number"),
        ("snntorch.SSO", {"seed": 0.5}, TypeError, "snntorch.SSO: seed must be an integer"),
        ("snntorch.atan", {"alpha": "2"}, TypeError, "alpha must be a finite number above 0"),
        ("spikingjelly.QPseudoSpike", {"alpha": 1}, ValueError, "alpha must be .* above 1, got 1"),
        ("compressai.LowerBound", {}, TypeError, "LowerBound needs the parameter 'bound'"),
        ("larq.ste_sign", {"clip_value": -1}, ValueError, "clip_value must be .* above 0, got -1"),
        ("sinabs.Gaussian", {"spike_fn": "MultSpike"}, ValueError, "did you mean 'MultiSpike'"),
        ("lava.Spike", {"graded_spike": 1}, TypeError, "graded_spike must be a bool, got 1"),
        (
            "tensorflow_compression.lower_bound",
            {"bound": 0, "gradient": "identty"},
            ValueError,
            "gradient must be one of .* did you mean 'identity'",
        ),
        ("freegrad.scale", {"forward": "Relu"}, ValueError, "forward must .* did you mean 'ReLU'"),
        ("freegrad.compose", {"rules": ("clipnorm",)}, ValueError, "did you mean 'clip_norm'"),
        ("freegrad.compose", {"rules": ("scale",), "t": 2}, TypeError, "no parameter 't'"),
        ("freegrad.compose", {"rules": "scale"}, TypeError, "rules must be a tuple, got 'scale'"),
        (
            "freegrad.compose",
            {"rules": ("scale", "triangular"), "width": 0},
            ValueError,
            "freegrad.triangular: width must be a finite number above 0, got 0",
        ),
    ],
)
def test_bad_names_and_parameters_are_named(
    name: str, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        surrogate.equivalent(name, **parameters)
