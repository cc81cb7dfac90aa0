"""Derivatives with noise: the fields, their distribution, and that they are fields."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.stochastic import normal_field, uniform_field
from tests import reference

X = torch.tensor([-2.31, -0.52, -0.0, 0.0, 0.0071, 0.741, 1e30, 1e-40]).double()
MODES = ["backward", "func.grad", "func.jvp", "vmap(grad)", "create_graph, second order"]


def slope(
    derivative: d.Derivative, function: reference.Elementwise, x: torch.Tensor
) -> torch.Tensor:
    bound = derivative.bind(function)
    assert bound.pointwise
    return bound.slope(x)


def correlation(a: torch.Tensor, b: torch.Tensor) -> float:
    return abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1]))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_fields_are_hashes(seed: int) -> None:
    for field, oracle in (
        (uniform_field, reference.uniform),
        (normal_field, reference.normal),
    ):
        expected = reference.values(lambda x, oracle=oracle: oracle(x, seed), X)
        torch.testing.assert_close(field(X, seed), expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(field(X.float(), seed).double(), expected, rtol=1e-4, atol=1e-5)


def test_noise_is_standard_normal_and_independent() -> None:
    x = torch.rand(200_000, dtype=torch.float64)
    noise = normal_field(x, seed=1)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.1)
    neighbours = normal_field(x.float().nextafter(torch.tensor(2.0)).double(), seed=1)
    others = normal_field(x, seed=2)
    for other in (neighbours, others, x - 0.5):
        assert correlation(noise, other) < 0.01


def test_uniform_is_uniform_and_independent() -> None:
    x = torch.rand(200_000, dtype=torch.float64)
    for low, high in ((0.0, 1.0), (-2.0, 3.0)):
        noise = d.Uniform(low, high, seed=3).slope(x)
        assert low < float(noise.min()) < float(noise.max()) < high
        counts = torch.histc(noise, 100, low, high)
        chi_square = float(((counts - 2000) ** 2 / 2000).sum())
        assert 50 < chi_square < 170  # 99 degrees of freedom: 99 ± 14
        for other in (d.Uniform(low, high, seed=4).slope(x), x):
            assert correlation(noise, other) < 0.01
        half = noise[:-1], noise[1:]
        assert correlation(*half) < 0.01


@pytest.mark.parametrize(
    "derivative",
    [
        d.Uniform(),
        d.Noisy(d.Constant(), 1.0),
        d.Noisy(d.Gaussian(), 1.0, at="input"),
        d.Perturbed(f.ReLU()),
    ],
    ids=repr,
)
def test_noise_is_a_field_that_leaves_the_global_generator_alone(derivative: d.Pointwise) -> None:
    x = torch.randn(1000)
    state = torch.random.get_rng_state()
    noise = derivative.slope(x)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(derivative.slope(x), noise)
    # Vectors of another length or order may differ in the last place.
    torch.testing.assert_close(derivative.slope(x.flip(0)[:7]), noise.flip(0)[:7])
    torch.testing.assert_close(derivative.slope(x.double()).float(), noise, rtol=1e-4, atol=1e-4)
    assert noise.isfinite().all()
    assert len(noise.unique()) > 900


def test_noisy_is_on_the_slope_or_on_the_input() -> None:
    x = torch.randn(1000).double()
    noise = 0.2 * normal_field(x, 3)
    tanh = f.Tanh()
    on_slope = slope(d.Noisy(d.Exact(), 0.2, seed=3), tanh, x)
    torch.testing.assert_close(on_slope, tanh.slope(x) + noise)
    on_input = slope(d.Noisy(d.Exact(), 0.2, at="input", seed=3), tanh, x)
    torch.testing.assert_close(on_input, tanh.slope(x + noise))
    assert torch.equal(slope(d.Noisy(d.Exact(), 0.0), tanh, x), tanh.slope(x))
    pair = SurrogateActivation(f.ReLU(), d.Noisy(d.Exact(), 0.2))
    assert torch.equal(pair(x), f.ReLU()(x))


@pytest.mark.parametrize(("samples", "seed"), [(1, 0), (5, 9)])
def test_perturbed_equals_its_formula(samples: int, seed: int) -> None:
    x = torch.randn(50).double()
    for function, oracle in reference.FUNCTIONS:
        expected = reference.values(
            lambda v, oracle=oracle: reference.perturbed(oracle, v, 0.3, samples, seed), x
        )
        got = slope(d.Perturbed(width=0.3, samples=samples, seed=seed), function, x)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("at", [-0.4, 0.1, 0.9])
@pytest.mark.parametrize(
    "function", [f.Heaviside(), f.ReLU(), f.Sin(), f.Staircase(0.5), f.Cantor()], ids=repr
)
def test_perturbed_is_unbiased(function: f.Function, at: float) -> None:
    """Over 20 000 numbers in a thousandth its mean is the blurred slope, within 5 errors of it."""
    x = torch.linspace(at, at + 1e-3, 20_000, dtype=torch.float64)
    for samples in (1, 8):
        estimates = slope(d.Perturbed(width=0.5, samples=samples, seed=2), function, x)
        expected = slope(d.Blurred(width=0.5), function, x).mean()
        error = float(estimates.std()) / math.sqrt(len(x))
        # The second part is what the table of the blur may be off.
        assert abs(float(estimates.mean() - expected)) < 5 * error + 1e-3 * float(expected.abs())


def test_samples_and_seeds_of_perturbed_are_independent() -> None:
    x = torch.rand(20_000, dtype=torch.float64) * 1e-3 + 0.1
    variances = [
        float(slope(d.Perturbed(samples=samples), f.Heaviside(), x).var()) for samples in (1, 4, 16)
    ]
    assert variances[0] / variances[1] == pytest.approx(4, rel=0.1)
    assert variances[1] / variances[2] == pytest.approx(4, rel=0.1)
    by_seed = [slope(d.Perturbed(samples=4, seed=s), f.Heaviside(), x) for s in range(4)]
    correlations = np.abs(np.corrcoef(torch.stack(by_seed).numpy()) - np.eye(4))
    assert correlations.max() < 0.05


def test_perturbed_far_out_sees_the_straight_part() -> None:
    """x ± width · n would be rounded to x; the estimate of a straight line is the mean of n²."""
    far = torch.tensor([1e30, -1e30, math.inf, -math.inf, torch.finfo(torch.float32).max])
    got = slope(d.Perturbed(width=0.1, samples=200), f.ReLU(), far)
    torch.testing.assert_close(got, torch.tensor([1.0, 0, 1, 0, 1]), atol=0.5, rtol=0)
    assert slope(d.Perturbed(), f.ReLU(), torch.tensor([math.nan])).isnan().all()


def test_perturbed_takes_another_function() -> None:
    x = torch.randn(10)
    given = d.Perturbed(f.Tanh(), width=0.3)
    assert torch.equal(slope(given, f.Sign(), x), slope(d.Perturbed(width=0.3), f.Tanh(), x))
    with pytest.raises(RuntimeError, match="takes its pair's function"):
        d.Perturbed().slope(x)


@pytest.mark.parametrize(
    "derivative", [d.Uniform(-1.0), d.Noisy(d.Gaussian(), 0.1), d.Perturbed(samples=4)], ids=repr
)
def test_modes(derivative: d.Pointwise) -> None:
    pair = SurrogateActivation(f.SiLU(), derivative)
    surrogate.check(pair, modes=MODES).raise_if_wrong()
    surrogate.check(
        pair, modes=["compiled backward", "export, then backward"], dtypes=[torch.float32]
    ).raise_if_wrong()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: d.Uniform(1.0, 1.0), ValueError, "Uniform: high must be a finite number above 1"),
        (lambda: d.Uniform(seed=-1), ValueError, "Uniform: seed must be an integer at least 0"),
        (lambda: d.Noisy(d.Exact(), 1.0, seed=2**32), ValueError, "Noisy: seed"),
        (lambda: d.Perturbed(width=0), ValueError, "Perturbed: width"),
        (lambda: d.Perturbed(samples=0), ValueError, "Perturbed: samples must be an integer"),
        (lambda: d.Perturbed(seed=0.5), TypeError, "Perturbed: seed"),  # type: ignore[arg-type]
        (lambda: d.Perturbed(3), TypeError, "Perturbed: function must be callable, got 3"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_named(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]
