"""Shapes with a closed form against plain Python: slopes, areas, peaks, extremes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.bells import Bell
from tests import reference
from tests.measure import kept_bytes

TIES = [-1.0, -0.5, -0.25, -0.0, 0.0, 0.25, 0.5, 1.0]
X = torch.tensor([*TIES, *(3 * torch.randn(200, generator=torch.Generator().manual_seed(1)))])
EXTREMES = [0.0, 5e-324, 1e-310, 1e-40, 1e-30, 1e30]

shapes = pytest.mark.parametrize(
    ("derivative", "oracle"), reference.SHAPES, ids=[repr(shape) for shape, _ in reference.SHAPES]
)
MODES = [
    "backward", "func.grad", "func.jvp", "vmap(grad)", "create_graph, second order",
    "layout kept", "dtype kept", "extremes", "memory for backward",
]  # fmt: skip
KINDS = sorted({type(shape) for shape, _ in reference.SHAPES}, key=lambda kind: kind.__name__)


@shapes
def test_slope_equals_the_oracle(derivative: d.Pointwise, oracle: reference.Scalar) -> None:
    expected = reference.values(oracle, X)
    got = derivative.slope(X.double())
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-14)
    single = derivative.slope(X)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=2e-5, atol=1e-5)


@shapes
def test_extremes(derivative: d.Pointwise, oracle: reference.Scalar) -> None:
    for dtype in (torch.float32, torch.float64):
        largest = torch.finfo(dtype).max
        x = torch.tensor([s * e for e in (*EXTREMES, largest) for s in (1, -1)], dtype=dtype)
        got = derivative.slope(x)
        assert got.isfinite().all()
        repeats = isinstance(derivative, (d.Cosines, d.PeriodicLaplace))
        if repeats and dtype == torch.float32:  # the period itself is rounded
            x, got = x[:-4], got[:-4]
        elif repeats:
            x, got = x[:-2], got[:-2]
        # Where squares overflow, the slope is 0.
        torch.testing.assert_close(got.double(), reference.values(oracle, x), rtol=1e-5, atol=1e-18)
        nan = derivative.slope(torch.tensor([math.nan], dtype=dtype))
        assert nan.isnan().all() or isinstance(derivative, (d.Constant, d.Box, d.Uniform))


def area(derivative: d.Pointwise) -> float:
    """By the midpoint rule on x = ±exp(½π sinh t), which reaches from 1e-36 to 1e36."""
    t = (np.arange(200_000) + 0.5) / 200_000 * 9 - 4.5
    x = np.exp(np.pi / 2 * np.sinh(t))
    weight = x * np.pi / 2 * np.cosh(t) * 9 / 200_000
    right, left = (derivative.slope(torch.from_numpy(s * x)).numpy() for s in (1, -1))
    return float(((right + left) * weight).sum())


@pytest.mark.parametrize(
    ("derivative", "oracle"),
    [(s, o) for s, o in reference.SHAPES if not isinstance(s, (d.Constant, d.Uniform))],
)
def test_area_and_peak(derivative: Any, oracle: reference.Scalar) -> None:
    if math.isfinite(derivative.area):
        assert derivative.area == pytest.approx(area(derivative), rel=1e-4)
    else:  # it falls no faster than 1 / x; 5.6e7 is a multiple of all periods
        assert abs(oracle(5.6e7)) * 5.6e7 > 0.1
    x = np.linspace(-4, 4, 8001)
    largest = max(abs(oracle(v)) for v in (*x.tolist(), *TIES))
    assert abs(derivative.peak) == pytest.approx(largest, rel=1e-12)
    assert oracle(0.0) == pytest.approx(derivative.peak, rel=1e-12)


@pytest.mark.parametrize(
    "derivative",
    [
        d.FastSigmoid(power=1),
        d.Cauchy(power=0.5),
        d.Hyperbola(),
        d.PeriodicLaplace(),
        d.Cosines(),
        d.Box(outside=0.1),
    ],
    ids=repr,
)
def test_what_has_no_finite_area_says_so(
    derivative: Any,
) -> None:
    assert derivative.area == math.inf


def test_the_peak_of_a_box_may_be_outside() -> None:
    assert d.Box(height=0.1, outside=-0.3).peak == -0.3


def test_box_ends_are_in_or_out() -> None:
    x = torch.tensor([-0.51, -0.5, 0.0, 1.0, 1.01])
    assert d.Box(-0.5, 1.0, height=2.0).slope(x).tolist() == [0, 2, 2, 2, 0]
    assert d.Box(-0.5, 1.0, 2.0, 5.0, closed=False).slope(x).tolist() == [5, 5, 2, 5, 5]
    assert d.Box(-0.5, 1.0, closed="left").slope(x).tolist() == [0, 1, 1, 0, 0]
    assert d.Box(-0.5, 1.0, closed="right").slope(x).tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_box_keeps_a_byte_and_its_numbers(dtype: torch.dtype, closed: bool) -> None:
    """0.1 is not a number of float32: from the mask it must come as that of the dtype."""
    x = torch.tensor([-2.0, -1.0, 0.0, 3.0], dtype=dtype, requires_grad=True)
    huge = SurrogateActivation(f.Sign(), d.Box(height=1e300, closed=closed))
    (reported,) = torch.autograd.grad(huge(x).sum(), x)
    assert reported[2] == (1e300 if dtype == torch.float64 else math.inf)
    pair = SurrogateActivation(f.Sign(), d.Box(height=0.1, outside=0.3, closed=closed))
    assert kept_bytes(pair, x) == 4
    (reported,) = torch.autograd.grad(pair(x).sum(), x)
    expected = [0.3, 0.1 if closed else 0.3, 0.1, 0.3]
    assert torch.equal(reported, torch.tensor(expected, dtype=dtype))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Bell)])
def test_numbers_may_be_tensors(kind: type[Bell]) -> None:
    """As those of a shape that learns its width: each gets a gradient."""
    shape = kind(0.8, 1.3)
    learned = torch.tensor([0.8, 1.3], dtype=torch.float64, requires_grad=True)
    for name, value in zip(("width", "height"), learned, strict=True):
        object.__setattr__(shape, name, value)
    x = torch.tensor([0.3, -1.1], dtype=torch.float64)

    def slopes(numbers: torch.Tensor) -> torch.Tensor:
        return kind(*numbers.tolist()).slope(x)

    torch.testing.assert_close(shape.slope(x), slopes(learned))
    (gradient,) = torch.autograd.grad(shape.slope(x).sum(), learned)
    step = 1e-6 * torch.eye(2, dtype=torch.float64)
    differences = [(slopes(learned + h) - slopes(learned - h)).sum() / 2e-6 for h in step]
    torch.testing.assert_close(gradient, torch.stack(differences), rtol=1e-6, atol=1e-8)


def test_the_heights_of_a_box_may_be_tensors() -> None:
    box = d.Box(outside=0.1)
    numbers = torch.tensor([0.7, 0.2], dtype=torch.float64, requires_grad=True)
    for name, value in zip(("height", "outside"), numbers, strict=True):
        object.__setattr__(box, name, value)
    x = torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    assert box.area == math.inf
    for slope in (box.slope(x), box.pull(box.save(x), torch.ones_like(x))):
        assert slope.tolist() == [0.7, 0.2, 0.2]
        assert torch.autograd.grad(slope.sum(), numbers)[0].tolist() == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_modes(kind: type[d.Pointwise]) -> None:
    derivative = next(shape for shape, _ in reference.SHAPES if type(shape) is kind)
    # A hash of x has no limit far out.
    modes = [mode for mode in MODES if kind is not d.Uniform or mode != "extremes"]
    surrogate.check(SurrogateActivation(f.Sign(), derivative), modes=modes).raise_if_wrong()


@pytest.mark.parametrize(
    "derivative",
    [d.Box(height=0.1, outside=0.3), d.Cauchy(power=1.5), d.SwishSign(), d.PeriodicLaplace()],
    ids=repr,
)
def test_compiled_and_exported(derivative: d.Pointwise) -> None:
    surrogate.check(
        SurrogateActivation(f.Sign(), derivative),
        modes=["compiled backward", "compiled vmap(grad)", "export, then backward"],
        dtypes=[torch.float64],
    ).raise_if_wrong()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: d.Gaussian(0), ValueError, "Gaussian: width must be a finite number above 0"),
        (lambda: d.Laplace(height=math.inf), ValueError, "Laplace: height must be a finite"),
        (lambda: d.Cauchy(power=0), ValueError, "Cauchy: power"),
        (lambda: d.FastSigmoid(power=-1), ValueError, "FastSigmoid: power"),
        (lambda: d.FastSigmoid(width=-1), ValueError, "FastSigmoid: width"),
        (lambda: d.PeriodicLaplace(period=0), ValueError, "PeriodicLaplace: period"),
        (lambda: d.PeriodicLaplace(width=0), ValueError, "PeriodicLaplace: width"),
        (lambda: d.SwishSign(0), ValueError, "SwishSign: beta"),
        (lambda: d.Cosines(period=0), ValueError, "Cosines: period"),
        (lambda: d.Cosines(terms=0), ValueError, "Cosines: terms must be an integer at least 1"),
        (lambda: d.Cosines(terms=1.5), TypeError, "Cosines: terms"),  # type: ignore[arg-type]
        (lambda: d.Cosines(height=math.nan), ValueError, "Cosines: height"),
        (lambda: d.Box(outside=math.nan), ValueError, "Box: outside"),
        (lambda: d.Box(closed=1), ValueError, "Box: closed must be one of True, False, 'left'"),  # type: ignore[arg-type]
        (lambda: d.Box(closed="lft"), ValueError, "Box: closed .* did you mean 'left'"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_named(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]
