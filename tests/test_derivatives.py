"""Slopes and rules of every derivative against the oracles."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from surrogate import SurrogateActivation, get
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.base import derivatives
from surrogate.functions.kernels import KERNELS
from tests import reference
from tests.measure import kept_bytes

FUNCTIONS = reference.FIXED
NAMES: list[Any] = list(KERNELS)
X = torch.tensor([-2.31, -1.004, -0.52, -0.13, 0.0071, 0.26, 0.4, 0.741, 1.113, 1.62, 2.9]).double()


def slope(
    derivative: d.Derivative, function: reference.Elementwise, x: torch.Tensor
) -> torch.Tensor:
    bound = derivative.bind(function)
    assert bound.pointwise
    return bound.slope(x)


def test_every_registered_derivative_is_tested() -> None:
    """Those with an oracle in `reference`, and those with tests of their own."""
    with_an_oracle = {type(derivative) for derivative, _ in reference.SHAPES + reference.RULES}
    assert {derivatives[name] for name in derivatives} == with_an_oracle | {
        d.Exact, d.DerivativeOf, d.Blurred, d.Directional, d.Noisy,  # here
        d.Split,  # in test_algebra
        d.Perturbed,  # in test_stochastic
        d.ClipNorm, d.Centralise, d.PreserveNorm,  # in test_upstream
        d.MeanMagnitude,  # in test_magnitude
    }  # fmt: skip


@pytest.mark.parametrize("width", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_blurred_equals_quadrature(function: f.Function, kernel: Any, width: float) -> None:
    expected = torch.tensor(
        [reference.blurred_slope(function, kernel, width, x) for x in X.tolist()],
        dtype=torch.float64,
    )
    blurred = d.Blurred(width=width, kernel=kernel)
    reported = slope(blurred, function, X)
    if kernel == "box":
        torch.testing.assert_close(reported, expected, rtol=1e-10, atol=1e-10)
    else:
        allowed = allowed_error(function, blurred)
        assert (reported - expected).abs().max() <= allowed
        single = slope(blurred, function, X.float())
        assert (single - reported).abs().max() <= 0.1 * allowed


def allowed_error(function: f.Function, blurred: d.Blurred) -> float:
    """Of the slope's maximum; where a function says nothing of itself, of its variation."""
    kernel = KERNELS[blurred.kernel](blurred.width)
    if getattr(function, "period", None) or getattr(function, "straight_outside", None):
        maximum = slope(blurred, function, torch.linspace(-3, 3, 2001).double()).abs().max()
        # A wide kernel leaves little of a wave, and the oracle is coarse where a wave jumps.
        wave = isinstance(function, (f.TriangleWave, f.SquareWave, f.SawtoothWave))
        return float(1e-3 * maximum) + (3e-4 if wave else 0)
    below = torch.linspace(-kernel.reach, kernel.reach, 20_001).double() * kernel.width
    variation = max(float(function(x + below).diff().abs().sum()) for x in X)
    return kernel.peak / kernel.width / 100 * variation + 1e-12


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_have_area_one_and_what_they_say_of_themselves(kernel: Any) -> None:
    k = KERNELS[kernel](0.7)
    u = torch.linspace(-30, 30, 2_000_001, dtype=torch.float64)
    step = float(u[1] - u[0])
    density = k.density(u)
    assert float(density.sum() * step) == pytest.approx(1, abs=1e-4)
    assert torch.equal(density, density.flip(0))
    assert float(k.density(torch.zeros(1))) == pytest.approx(k.peak / 0.7, rel=1e-6)
    torch.testing.assert_close(density.cumsum(0) * step, k.cumulative(u), rtol=0, atol=1e-4)
    for frequency in (0.3, 1.0, 4.0):
        wave = float((density * torch.cos(frequency * u)).sum() * step)
        assert float(k.characteristic(frequency, u)) == pytest.approx(wave, abs=1e-4)
    outside = k.cumulative(torch.tensor([-k.reach * 0.7 * 1.001], dtype=torch.float64))
    assert float(outside) < 1e-15
    for level in (0.01, 0.3, 0.9):
        at = k.density(torch.tensor([k.radius(level) * 0.7], dtype=torch.float64))
        if kernel != "box":
            assert float(at) == pytest.approx(level * k.peak / 0.7, rel=1e-9)


@pytest.mark.parametrize("kernel", ["gaussian", "triangle", "logistic"])
def test_blurred_fits_a_function_of_which_nothing_is_known(kernel: Any) -> None:
    """Within half a layer, k(0)/100 times the variation below the kernel: jumps of 2 and of 0.5."""

    def unknown(x: torch.Tensor) -> torch.Tensor:
        return 2.0 * (x > 0.25) - 0.5 * (x > 0.3) + torch.tanh(x)

    expected = [reference.blurred_slope(unknown, kernel, 0.4, x) for x in X.tolist()]
    reported = slope(d.Blurred(width=0.4, kernel=kernel), unknown, X)
    bound = KERNELS[kernel](0.4).peak / 0.4 / 100 * (2.5 + 2)
    assert np.abs(reported.numpy() - expected).max() <= bound


@pytest.mark.parametrize("kernel", ["gaussian", "triangle", "logistic"])
def test_the_blur_of_a_jump_is_off_by_half_a_layer_at_most(kernel: Any) -> None:
    """k(0)/100, at every distance from the jump; and the whole of the jump is somewhere."""
    k = KERNELS[kernel](0.4)
    x = torch.linspace(-1, 1, 20_001, dtype=torch.float64) * k.reach * 0.4 * 1.01
    reported = slope(d.Blurred(width=0.4, kernel=kernel), lambda x: (x > 0).to(x), x)
    assert (reported - k.density(x)).abs().max() <= k.peak / 0.4 / 100
    assert float(reported.sum() * (x[1] - x[0])) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("width", [0.05, 0.1, 0.3, 0.7, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("kernel", ["gaussian", "triangle", "logistic"])
def test_blurred_fits_a_smooth_function_of_a_user(
    kernel: Any, width: float, dtype: torch.dtype
) -> None:
    """(cos ∗ k)'(x) = −k̂(1) · sin(x), within 1e-3 of its maximum."""
    x = torch.linspace(-4, 4, 1001, dtype=dtype)
    damping = {
        "gaussian": math.exp(-(width**2) / 2),
        "triangle": (math.sin(width / 2) / (width / 2)) ** 2,
        "logistic": math.pi * width / math.sinh(math.pi * width),
    }[kernel]
    reported = slope(d.Blurred(width=width, kernel=kernel), torch.cos, x)
    error = (reported.double() + damping * x.double().sin()).abs().max()
    assert error <= 1e-3 * damping


def test_blurred_takes_another_function() -> None:
    soft = f.SoftStaircase(step=1.0)
    given_one = d.Blurred(soft, width=0.3)
    torch.testing.assert_close(
        slope(given_one, f.Staircase(), X), slope(d.Blurred(width=0.3), soft, X), rtol=0, atol=0
    )


def test_blurred_reaches_the_limits_far_out() -> None:
    ends = torch.tensor([-3e38, -1e30, 1e30, 3e38])
    for kernel in NAMES:
        for function in (f.ReLU(), f.GELU(), f.SiLU(), f.ELU()):
            reported = slope(d.Blurred(width=0.3, kernel=kernel), function, ends)
            torch.testing.assert_close(reported, torch.tensor([0.0, 0, 1, 1]), atol=2e-3, rtol=0)
        for function in (f.Heaviside(), f.Sigmoid(), f.Tanh(), f.Cantor(extend="clamp")):
            reported = slope(d.Blurred(width=0.3, kernel=kernel), function, ends)
            torch.testing.assert_close(reported, torch.zeros(4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("width", [1e-3, 1e-4, 1e-6, 1e-9])
@pytest.mark.parametrize("kernel", KERNELS)
def test_a_narrow_blur_of_a_jump_is_the_kernel(kernel: Any, width: float) -> None:
    """Also where it is narrower than the cells of a table: within k(0)/100 times the jump."""
    narrow = KERNELS[kernel](width)
    x = 0.5 + width * torch.linspace(-3, 3, 101, dtype=torch.float64)
    x = x[(x - 0.5).abs() != width / 2]  # the ends of the box
    reported = slope(d.Blurred(width=width, kernel=kernel), f.Staircase(), x)
    error = (reported - narrow.density(x - 0.5)).abs().max()
    assert error <= narrow.peak / width / 100


@pytest.mark.parametrize("width", [1e-30, 1e-5, 1e5, 1e30])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    "function",
    [
        *(f.Staircase(), f.Staircase(step=5e-324), f.Cantor(), f.Cantor(extend="clamp")),
        *(f.PerlinNoise(), f.Heaviside(), f.GELU(), f.ReLU(), f.Sin()),
    ],
    ids=repr,
)
def test_blurred_is_finite_at_any_width(function: f.Function, kernel: Any, width: float) -> None:
    x = torch.tensor([-1e30, -1.0, 0.0, 0.3, 2.0, 1e30], dtype=torch.float64)
    assert slope(d.Blurred(width=width, kernel=kernel), function, x).isfinite().all()


@pytest.mark.parametrize("kernel", ["gaussian", "triangle", "logistic"])
def test_a_blur_over_thousands_of_steps_is_the_mean_slope(kernel: Any) -> None:
    reported = slope(d.Blurred(width=1.0, kernel=kernel), f.Staircase(1e-4), X)
    torch.testing.assert_close(reported, torch.ones_like(X), rtol=0, atol=1e-6)


def test_blurred_area_is_the_rise_of_the_function() -> None:
    for kernel in NAMES:
        x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)
        area = slope(d.Blurred(width=0.3, kernel=kernel), f.Sign(), x).sum() * 1e-4
        assert float(area) == pytest.approx(2, abs=1e-3)  # the grid meets the ends


@pytest.mark.parametrize(
    ("g", "left", "right"),
    list(itertools.product([-2.0, -0.5, 0.0, 0.5, 2.0], [-1.5, -1, 0, 1, 1.5], [-2, -1, 0, 1, 2])),
)
def test_directional_equals_the_definition(g: float, left: float, right: float) -> None:
    pair = SurrogateActivation(
        torch.tanh,
        d.Directional(lambda x: left * torch.ones_like(x), lambda x: right * torch.ones_like(x)),
    )
    x = torch.randn(5, dtype=torch.float64, requires_grad=True)
    (reported,) = torch.autograd.grad(pair(x), x, torch.full_like(x, g))
    assert reported.tolist() == [reference.directional(g, left, right)] * 5


@given(st.floats(-5, 5), st.floats(-3, 3))
def test_directional_with_equal_sides_is_the_ordinary_rule(g: float, x: float) -> None:
    at, upstream = torch.tensor([x]).double(), torch.tensor([g]).double()
    rule = d.Directional(d.Exact(), d.Exact()).bind(f.GELU())
    ordinary = upstream * f.GELU().slope(at)
    torch.testing.assert_close(rule.rule(at, upstream), ordinary, rtol=0, atol=0)


def test_directional_relu_of_the_seed() -> None:
    """ReLU'(+x) = {left 1, right 1}, ReLU'(−x) = {left 0, right 1}."""
    x = torch.tensor([1.0, 1.0, -1.0, -1.0], requires_grad=True)
    upstream = torch.tensor([2.0, -2.0, 2.0, -2.0])
    (reported,) = torch.autograd.grad(get("relu_directional")(x), x, upstream)
    assert reported.tolist() == [2, -2, 0, -2]


def test_directional_secants_by_default() -> None:
    """On a step of the staircase both sides see the next step, a width away."""
    staircase = f.Staircase(1.0)
    rule = d.Directional(width=0.6).bind(staircase)
    x = torch.tensor([0.3, 0.3, -0.3, -0.3])
    g = torch.tensor([1.0, -1.0, 1.0, -1.0])
    expected = [
        reference.directional(
            gi,
            float(staircase(torch.tensor(xi)) - staircase(torch.tensor(xi - 0.6))) / 0.6,
            float(staircase(torch.tensor(xi + 0.6)) - staircase(torch.tensor(xi))) / 0.6,
        )
        for xi, gi in zip(x.tolist(), g.tolist(), strict=True)
    ]
    assert rule.rule(x, g).tolist() == pytest.approx(expected)
    assert 0 in expected
    assert any(expected)


def test_derivative_of_a_callable_is_by_autograd() -> None:
    x, g = torch.randn(2, 100).double().unbind()
    for h, expected in (
        (torch.tanh, g * f.Tanh().slope(x)),
        (get("cantor2"), g),  # of a pair it is what the pair reports
    ):
        pair = SurrogateActivation(f.Sign(), d.DerivativeOf(h))
        torch.testing.assert_close(pair.reported_gradient(x, g), expected)
        at = x.clone().requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(pair(at), at, g)[0], expected)


@given(st.floats(-3, 3), st.floats(-3, 3), st.lists(st.floats(-2, 2), min_size=1, max_size=5))
def test_sums_and_multiples_are_linear(a: float, b: float, at: list[float]) -> None:
    x = torch.tensor(at).double()
    box, exact = d.Box(), d.DerivativeOf(f.Tanh())
    combined = a * box + exact * b
    torch.testing.assert_close(slope(combined, f.Sign(), x), a * box.slope(x) + b * exact.slope(x))
    pair = SurrogateActivation(f.Sign(), combined)
    y = x.clone().requires_grad_()
    (reported,) = torch.autograd.grad(pair(y).sum(), y)
    torch.testing.assert_close(reported, slope(combined, f.Sign(), x))


def test_sums_with_a_rule_are_rules() -> None:
    mixed = 0.5 * d.Directional(d.Constant(0.0), d.Constant(1.0)) + 2 * d.Constant(1.0)
    assert not mixed.linear
    x = torch.zeros(2, requires_grad=True)
    upstream = torch.tensor([1.0, -1.0])
    (reported,) = torch.autograd.grad(SurrogateActivation(f.ReLU(), mixed)(x), x, upstream)
    assert reported.tolist() == [2.0, -2.5]


@pytest.mark.parametrize(
    ("derivative", "bytes_per_element"),
    [
        (d.Constant(0.7), 0),
        (0.5 * d.Constant(1.0) + d.Constant(2.0), 0),
        (d.Box(), 1),
        (3 * d.Box() + d.Constant(1.0), 1),
        (d.Box() + 2 * d.Box(0.0, 0.5), 4),
        (d.Blurred(width=0.3), 4),
    ],
    ids=repr,
)
def test_only_what_is_needed_is_saved(derivative: d.Derivative, bytes_per_element: int) -> None:
    x = torch.randn(100, requires_grad=True)
    pair = SurrogateActivation(f.Staircase(), derivative)
    assert kept_bytes(pair, x) == 100 * bytes_per_element
    (reported,) = torch.autograd.grad(pair(x).sum(), x)
    torch.testing.assert_close(reported, slope(derivative, f.Staircase(), x.detach()))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: d.Blurred(width=0),
            "Blurred: width must be a finite number at least 1e-30 and at most 1e.30, got 0",
        ),
        (lambda: d.Blurred(kernel="gausian"), "did you mean 'gaussian'"),  # type: ignore[arg-type]
        (lambda: d.Box(1.0, 1.0), "Box: right must be a finite number above 1"),
        (lambda: d.Directional(width=-1.0), "Directional: width"),
        (lambda: d.Noisy(d.Exact(), -1.0), "Noisy: std"),
        (
            lambda: d.Noisy(d.Exact(), 1.0, seed=2**32),
            "seed must be an integer at least 0 and below",
        ),
        (lambda: d.Noisy(d.Exact(), 1.0, seed=-1), "Noisy: seed"),
        (lambda: d.Noisy(d.Exact(), 1.0, at="slop"), "did you mean 'slope'"),  # type: ignore[arg-type]
        (lambda: d.Constant(math.inf), "Constant: value must be a finite number, got inf"),
        (lambda: d.Constant() * math.nan, "Multiple: factor"),
    ],
)
def test_bad_arguments_are_named(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    "derivative", [d.Blurred(), d.Blurred(kernel="box"), d.Perturbed(), d.Directional()], ids=repr
)
def test_what_evaluates_elsewhere_needs_an_elementwise_function(derivative: d.Derivative) -> None:
    for function in (lambda x: x.softmax(-1), lambda x: x - x.mean(), f.MagnitudeSign()):
        with pytest.raises(TypeError, match=r"is not elementwise: use DerivativeOf\(h\)"):
            SurrogateActivation(function, derivative)
    SurrogateActivation(nn.PReLU(5), derivative)  # which can't be tried without its input


def test_rules_are_refused_where_slopes_are_needed() -> None:
    with pytest.raises(TypeError, match=r"Noisy: derivative must be .* does not depend on the ups"):
        d.Noisy(d.Directional(), 0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Directional: left must be .* does not depend on the ups"):
        d.Directional(left=lambda x, grad_output: x)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="takes its pair's function"):
        d.Blurred(width=1.0).slope(X)
    with pytest.raises(TypeError, match="both depend on the upstream gradient and have no product"):
        _ = d.Directional() * d.Directional()
