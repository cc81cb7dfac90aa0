"""Values and slopes of every function against the oracles, over dtypes and extremes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.functions.base import PiecewiseConstant, functions
from surrogate.functions.cantor import cell_by_integers
from tests import reference

CASES = [
    pytest.param(function, oracle, id=repr(function)) for function, oracle in reference.FUNCTIONS
]
FUNCTIONS = [function for function, _ in reference.FUNCTIONS]
OURS = reference.FIXED
SLOPED = [function for function in OURS if not isinstance(function, PiecewiseConstant)]
WITHOUT_LIMIT = (f.Sin, f.TriangleWave, f.SquareWave, f.SawtoothWave, f.PerlinNoise)
INFINITY = math.inf


def test_every_registered_function_has_an_oracle() -> None:
    covered = {type(function) for function, _ in [*reference.FUNCTIONS, *reference.WHOLE]}
    drawn = {f.RReLU, f.Bernoulli}  # which are LeakyReLU and Heaviside with a drawn number
    assert covered == {functions[name] for name in functions} - drawn
    assert f.RReLU(0.1, 0.3) in FUNCTIONS


@pytest.mark.parametrize(("function", "oracle"), CASES)
def test_values_equal_the_oracle(function: f.Function, oracle: reference.Scalar) -> None:
    x = torch.cat([torch.linspace(-4, 4, 641), torch.randn(300)]).double()
    torch.testing.assert_close(function(x), reference.values(oracle, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("function", OURS, ids=repr)
def test_slope_equals_autograd(function: f.Function) -> None:
    """Also at the ties: all corners and jumps of the functions here are multiples of 1/80."""
    ties = torch.arange(-640, 641).double() / 80
    x = torch.cat([ties, torch.randn(300).double()]).requires_grad_()
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    torch.testing.assert_close(function.slope(x.detach()), gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("function", SLOPED, ids=repr)
def test_slope_equals_finite_differences(function: f.Function) -> None:
    x = torch.linspace(-3.9512, 3.95, 400, dtype=torch.float64)  # off the corners
    expected = reference.finite_difference(function, x)
    torch.testing.assert_close(function.slope(x), expected, rtol=1e-6, atol=2e-5)


@pytest.mark.parametrize(("function", "oracle"), CASES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_other_dtypes_are_the_rounded_value(
    function: f.Function, oracle: reference.Scalar, dtype: torch.dtype
) -> None:
    x = torch.linspace(-4, 4, 257).to(dtype)  # exact in each of them
    y = function(x)
    assert y.dtype == dtype
    error = (y.double() - reference.values(oracle, x)).abs()
    allowed = 2 * torch.finfo(dtype).eps * reference.values(oracle, x).abs() + 2e-5
    assert (error <= allowed).all()


@pytest.mark.parametrize("function", OURS, ids=repr)
def test_extremes_are_finite_or_the_limit(function: f.Function) -> None:
    largest = torch.finfo(torch.float32).max
    x = torch.tensor([0.0, -0.0, 1e-45, -1e-45, 1e30, -1e30, largest, -largest])
    for formula in (function, function.slope):
        representable = formula(x.double()).float().isfinite()
        assert torch.equal(formula(x).isfinite(), representable)
        assert representable.all() or isinstance(function, (f.SELU, f.Polynomial))
    ends = torch.tensor([INFINITY, -INFINITY, math.nan])
    no_limit = isinstance(function, WITHOUT_LIMIT)
    assert function(ends).isnan().tolist() == [no_limit, no_limit, True]


def test_limits_at_infinity_and_slopes_before_it() -> None:
    ends = torch.tensor([-INFINITY, INFINITY])
    before = torch.tensor([-1e38, 1e38], requires_grad=True)
    for function in (f.GELU(), f.GELU("tanh"), f.SiLU(), f.ReLU()):
        assert function(ends).tolist() == [0, INFINITY]
        assert function.slope(before).tolist() == [0, 1]
        assert torch.autograd.grad(function(before).sum(), before)[0].tolist() == [0, 1]
    assert f.Cantor()(ends).tolist() == [-INFINITY, INFINITY]
    assert f.Cantor(extend="clamp")(ends).tolist() == [0, 1]
    assert f.Staircase(0.3)(ends).tolist() == [-INFINITY, INFINITY]
    assert f.SoftStaircase()(ends).tolist() == [-INFINITY, INFINITY]


@pytest.mark.parametrize("depth", range(1, 17))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_cantor_is_exact(depth: int, dtype: torch.dtype) -> None:
    """At random numbers, at each jump of up to 6 digits, and at both neighbours of it."""
    jumps = torch.tensor([k / 3**6 for k in range(3**6 + 1)], dtype=dtype)
    jumps = torch.cat(
        [
            jumps,
            jumps.nextafter(torch.tensor(2.0, dtype=dtype)),
            jumps.nextafter(torch.tensor(-1.0, dtype=dtype)),
        ]
    )
    small = torch.tensor([1e-30, -1e-30, -1e-9, 3.5, -2.25, 1e6 + 0.125], dtype=dtype)
    large = torch.tensor([2.0**49 + 0.625, -(2.0**50) + 0.75, 2.0**90, 1e38, -1e38], dtype=dtype)
    x = torch.cat([torch.randn(300, dtype=dtype), jumps, small, large])
    expected = [float(reference.cantor(v, depth)) for v in x.tolist()]
    assert torch.equal(f.Cantor(depth)(x), torch.tensor(expected, dtype=torch.float64).to(dtype))


@pytest.mark.parametrize("depth", range(1, 11))
def test_a_compiled_cantor_finds_the_cell_of_each_float32_next_to_an_end(depth: int) -> None:
    """The expected cell is exact: in float64 the product of a float32 and 3^depth has 40 bits."""
    cells = 3**depth
    ends = np.concatenate([np.arange(first, first + cells + 1) for first in (0, -cells, 5 * cells)])
    nearest = (ends / cells).astype(np.float32)
    below = np.nextafter(nearest, np.float32(-np.inf))
    above = np.nextafter(nearest, np.float32(np.inf))
    x = np.concatenate([below, nearest, above])
    exact = x.astype(np.float64)
    expected = np.floor(exact * cells) - np.floor(exact) * cells
    found = cell_by_integers(torch.tensor(x), torch.tensor(x).floor(), cells)
    assert np.array_equal(found.clamp(0, cells - 1).numpy(), expected)


def test_a_compiled_cantor_is_the_eager_one_at_floats_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bits = torch.randint(-(2**31), 2**31, (100_000,))
    x = torch.cat([bits.to(torch.int32).view(torch.float32), torch.randn(100_000)])
    eager = f.Cantor()(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(f.Cantor()(x).nan_to_num(7), eager.nan_to_num(7))


@given(st.floats(-1e3, 1e3, width=32))
def test_cantor_stays_near_the_identity_and_is_odd_about_a_half(x: float) -> None:
    y = f.Cantor(10)(torch.tensor([x, x + 1], dtype=torch.float64))
    assert abs(float(y[0]) - x) < 1
    assert float(y[1] - y[0]) == pytest.approx(1, abs=2**-10 if x + 1 - 1 != x else 0)


def test_cantor_approaches_the_cantor_function() -> None:
    x = torch.rand(2000, dtype=torch.float64)
    deep = f.Cantor(16)(x)
    for depth in range(1, 16):
        assert (f.Cantor(depth)(x) - deep).abs().max() <= 2.0**-depth
        assert len(f.Cantor(depth)(torch.linspace(0, 1, 100_001)[:-1]).unique()) <= 2**depth


def test_perlin_is_the_same_in_every_dtype_and_instance() -> None:
    x = torch.linspace(-4, 4, 257)
    noise = f.PerlinNoise(16.0, seed=5)
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        expected = f.PerlinNoise(16.0, seed=5)(x.double()).to(dtype)
        torch.testing.assert_close(noise(x.to(dtype)), expected, rtol=0.01, atol=1e-5)
    assert not torch.equal(noise(x), f.PerlinNoise(16.0, seed=6)(x))
    # The array itself, pinned: another one would make other results under the same name.
    pinned = f.PerlinNoise(1.0)(torch.arange(4.0))
    assert pinned.tolist() == pytest.approx([0.688843, 0.515909, -0.158857, -0.482166], abs=1e-5)


def test_soft_staircase_is_between_the_staircase_and_the_line() -> None:
    x = torch.linspace(-2, 2, 1001, dtype=torch.float64)
    x = x[(x - x.floor() - 0.5).abs() > 0.01]
    hard, soft = f.Staircase()(x), f.SoftStaircase(softness=1e-6)(x)
    torch.testing.assert_close(soft, hard, rtol=0, atol=1e-4)
    assert torch.equal(f.SoftStaircase(softness=1.0)(x), x)
    assert (f.SoftStaircase(softness=0.2)(x).diff() > 0).all()
    tread, riser = torch.tensor([0.0]), torch.tensor([0.5])  # the defaults: step 1, softness ½
    assert f.SoftStaircase().slope(tread).item() == pytest.approx(1 / 3)
    assert f.SoftStaircase().slope(riser).item() == pytest.approx(3)


def test_rrelu_draws_while_training_and_averages_in_evaluation() -> None:
    rrelu = SurrogateActivation(f.RReLU(0.1, 0.3), d.Exact())
    x = torch.full((10_000,), -1.0, requires_grad=True)
    y = rrelu(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    y = y.detach()
    torch.testing.assert_close(gradient, -y)  # the slope that was drawn
    assert -0.3 <= float(y.min()) < -0.29
    assert -0.11 < float(y.max()) <= -0.1
    assert float(y.mean()) == pytest.approx(-0.2, abs=0.003)
    for evaluated in (rrelu.eval()(x), f.RReLU(0.1, 0.3)(x)):
        assert evaluated.unique().tolist() == pytest.approx([-0.2])
        (gradient,) = torch.autograd.grad(evaluated.sum(), x)
        assert gradient.unique().tolist() == pytest.approx([0.2])
    positive = torch.rand(10)
    assert torch.equal(rrelu.train()(positive), positive)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: f.Staircase(-1.0), "Staircase: step must be a finite number above 0, got -1.0"),
        (lambda: f.Staircase(math.nan), "step must be a finite number above 0, got nan"),
        (lambda: f.Cantor(0), "depth must be an integer at least 1 and at most 16, got 0"),
        (lambda: f.Cantor(-3), "Cantor: depth"),
        (lambda: f.Cantor(extend="repat"), "did you mean 'repeat'"),  # type: ignore[arg-type]
        (lambda: f.SoftStaircase(softness=0.0), "SoftStaircase: softness"),
        (lambda: f.SoftStaircase(softness=1.1), "above 0 and at most 1, got 1.1"),
        (lambda: f.PerlinNoise(0.0), "PerlinNoise: resolution"),
        (lambda: f.RReLU(0.5, 0.1), "RReLU: lower must be a finite number at most 0.1, got 0.5"),
        (lambda: f.RReLU(upper=math.inf), "RReLU: upper must be a finite number, got inf"),
        (lambda: f.Bernoulli(0.0), "Bernoulli: width must be a finite number above 0, got 0.0"),
        (lambda: f.Bernoulli(law="normal"), "law must be one of 'logistic', 'algebraic', got"),  # type: ignore[arg-type]
        (lambda: f.GELU("tan"), "GELU: approximate"),  # type: ignore[arg-type]
        (lambda: f.Ternary(at_tie=math.inf), "Ternary: at_tie must be a finite number"),
        (lambda: f.GradedSpike(scale=0), "GradedSpike: scale must be a finite number above 0"),
    ],
)
def test_bad_arguments_are_named(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    "make",
    [
        lambda: f.Cantor(2.5),  # type: ignore[arg-type]
        lambda: f.Staircase("1"),
        lambda: f.Staircase(True),
    ],
)
def test_arguments_of_a_wrong_type_are_named(make: object) -> None:
    with pytest.raises(TypeError, match=r"must be (an integer|a finite number)"):
        make()  # type: ignore[operator]


@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_integers_and_complex_numbers_are_refused(function: f.Function) -> None:
    for dtype in (torch.int64, torch.complex64):
        with pytest.raises(TypeError, match=f"{type(function).__name__} takes a real floating"):
            function(torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_shape_is_kept(function: f.Function) -> None:
    for shape in ((), (0,), (2, 0, 3), (4, 3, 2, 5)):
        assert function(torch.randn(shape)).shape == shape
    strided = torch.randn(4, 6)[:, ::2].t()
    torch.testing.assert_close(function(strided), function(strided.contiguous()))
