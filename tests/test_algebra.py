"""The laws by which derivatives combine."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.base import as_derivative
from tests.measure import kept_bytes

X = torch.cat([torch.linspace(-4, 4, 129), torch.tensor([0.1, -1.37, 2.601])]).double()

number = st.floats(-4, 4)
positive = st.floats(0.1, 4)
pointwise = st.recursive(
    st.one_of(
        st.just(d.DerivativeOf(f.Tanh())),
        st.just(d.DerivativeOf(f.Sin())),
        st.builds(d.Constant, number),
        st.builds(d.Box, st.floats(-3, 0), st.floats(0.1, 3), number),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner | number),
        st.builds(lambda a, b: a.shift(b), inner, number),
        st.builds(lambda a, b: a.scale(b), inner, positive),
        st.builds(lambda a, b: a.clip(-b, b), inner, positive),
        st.builds(lambda a: a.mirror(), inner),
        st.builds(d.Split, inner, inner, number, st.sampled_from(["left", "right"])),
    ),
    max_leaves=5,
)


def same(left: d.Derivative, right: d.Derivative) -> None:
    torch.testing.assert_close(left.slope(X), right.slope(X), rtol=1e-9, atol=1e-9)


@given(pointwise, pointwise, pointwise, number)
@settings(deadline=None)  # the first comparison of a process imports for half a second
def test_sums_products_and_multiples(
    a: d.Derivative, b: d.Derivative, c: d.Derivative, k: float
) -> None:
    torch.testing.assert_close((a + b).slope(X), a.slope(X) + b.slope(X))
    torch.testing.assert_close((a * b).slope(X), a.slope(X) * b.slope(X))
    torch.testing.assert_close((k * a).slope(X), k * a.slope(X))
    same(a + b, b + a)
    same(a * b, b * a)
    same((a + b) + c, a + (b + c))
    same((a + b) * c, a * c + b * c)
    same(k * (a + b), k * a + k * b)
    same(a - b, a + -b)
    same(a * k, k * a)


@given(pointwise, number, positive, positive)
def test_moving_stretching_and_cutting(
    a: d.Derivative, distance: float, width: float, limit: float
) -> None:
    torch.testing.assert_close(a.shift(distance).slope(X), a.slope(X - distance))
    torch.testing.assert_close(a.scale(width).slope(X), a.slope(X / width))
    torch.testing.assert_close(a.mirror().slope(X), a.slope(-X))
    torch.testing.assert_close(a.clip(-limit, limit).slope(X), a.slope(X).clamp(-limit, limit))
    torch.testing.assert_close(a.clip(low=limit).slope(X), a.slope(X).clamp(min=limit))
    same(a.mirror().mirror(), a)
    same(a.mirror().scale(width), a.scale(width).mirror())
    same(a.clip(-limit, limit).clip(-limit, limit), a.clip(-limit, limit))
    same(d.Split(a, a, at=distance), a)


@pytest.mark.parametrize("sides", [(d.Constant(2.0), d.Constant(3.0)), (d.Box(-9.0), d.Gaussian())])
def test_a_split_has_a_side_at_its_tie(sides: tuple[d.Pointwise, d.Pointwise]) -> None:
    x = torch.tensor([0.25, 0.5, 0.75])
    left, right = (side.slope(x) for side in sides)
    at_right, at_left = (d.Split(*sides, at=0.5, tie=tie) for tie in ("right", "left"))
    assert at_right.slope(x).tolist() == [left[0], right[1], right[2]]
    assert at_left.slope(x).tolist() == [left[0], left[1], right[2]]
    double = torch.tensor([0.25, 0.75], dtype=torch.float64, requires_grad=True)
    pair = SurrogateActivation(torch.tanh, d.Split(d.Constant(0.1), d.Constant(1e300), at=0.5))
    assert torch.autograd.grad(pair(double).sum(), double)[0].tolist() == [0.1, 1e300]
    with pytest.raises(ValueError, match="Split: tie must be one of 'left', 'right', got 'middle'"):
        d.Split(*sides, tie="middle")  # type: ignore[arg-type]


@given(pointwise)
def test_what_is_saved_is_enough(a: d.Derivative) -> None:
    assert a.pointwise
    assert a.linear
    saved = a.save(X)
    g = torch.linspace(3, -2, len(X), dtype=torch.float64)
    torch.testing.assert_close(a.pull(saved, g), g * a.slope(X))
    torch.testing.assert_close(a.rule(X, g), g * a.slope(X))
    if a.saves == "x":
        assert saved is X
    elif a.saves == "mask":
        assert saved is not None
        assert saved.dtype is torch.bool
    else:
        assert a.saves == "nothing"
        assert saved is None


@pytest.mark.parametrize(
    ("derivative", "bytes_per_element"),
    [
        (0.5 * d.Constant() + d.Constant(2), 0),
        ((0.5 * d.Constant() + d.Constant(2)).clip(high=1).mirror().shift(3), 0),
        ((d.Box() - 0.1 * d.Constant()).shift(1).scale(0.5).clip(0, 1).mirror(), 1),
        (d.Split(d.Constant(0.1), d.Constant()), 1),
        (d.Split(d.Box(), d.Constant()), 4),
        (d.Box() * d.DerivativeOf(f.Tanh()), 4),
        (d.Box() + d.Box(0, 3), 4),
    ],
    ids=repr,
)
def test_bytes_kept(derivative: d.Derivative, bytes_per_element: int) -> None:
    pair = SurrogateActivation(torch.tanh, derivative)
    x = torch.randn(1000, requires_grad=True)
    assert kept_bytes(pair, x) == 1000 * bytes_per_element
    (gradient,) = torch.autograd.grad(pair(x).sum(), x)
    torch.testing.assert_close(gradient, derivative.slope(x.detach()))


@pytest.mark.parametrize(
    ("derivative", "area", "peak"),
    [
        (d.Box(-1, 2, 3.0), 9.0, 3.0),
        (0.5 * d.Box(-1, 2, 3.0), 4.5, 1.5),
        (-2.0 * d.Box(), -4.0, 2.0),
        (d.Gaussian(height=-3.0), -3 * math.sqrt(2 * math.pi), 3.0),
        (d.Box().scale(3), 6.0, 1.0),
        (d.Box().shift(3).mirror(), 2.0, 1.0),
        (d.Box() + 2 * d.Box(0, 1), 4.0, 3.0),
        (d.DerivativeOf(f.Tanh()), 2.0, 1.0),
        (d.DerivativeOf(f.Tanh()) * d.Box(0, 1), math.tanh(1), 1.0),
        (d.DerivativeOf(f.Sigmoid()).shift(100), 1.0, 0.25),
    ],
    ids=repr,
)
def test_normalised_area_and_peak(derivative: d.Derivative, area: float, peak: float) -> None:
    for measure, amount in (("area", area), ("peak", peak)):
        normalised = derivative.normalise(measure).bind(f.ReLU())
        assert normalised.pointwise
        expected = derivative.slope(X) / amount
        torch.testing.assert_close(normalised.slope(X), expected, rtol=2e-5, atol=1e-12)
        torch.testing.assert_close(
            derivative.normalise(measure).slope(X), expected, rtol=2e-5, atol=1e-12
        )


def test_normalise_measures_what_is_bound() -> None:
    pair = surrogate.get("Sigmoid() / Exact().normalise('peak')")
    x = torch.zeros(1, requires_grad=True)
    assert float(torch.autograd.grad(pair(x), x)[0]) == pytest.approx(1)
    assert str(pair) == "Sigmoid() / Exact().normalise(measure='peak')"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: d.Constant().normalise("area"), r"Constant\(\) has the area inf"),
        (lambda: d.DerivativeOf(f.ReLU()).normalise("area"), "has the area inf"),
        (lambda: d.Exact().normalise("peak"), "has the peak 0.0"),
        (lambda: (d.Box() - d.Box()).normalise("peak"), "has the peak 0.0"),
        (lambda: d.Box().normalise("mass"), "measure must be one of 'area', 'peak', got 'mass'"),
    ],
)
def test_what_cannot_be_normalised(make: Callable[[], d.Derivative], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make().bind(f.Heaviside())


def test_rules_combine() -> None:
    x, g = X, torch.randn(len(X), dtype=torch.float64)
    rule = d.Directional(left=d.Constant(0.5), right=d.Constant(1))
    slope = d.DerivativeOf(f.Tanh())
    for combined in (rule * slope, slope * rule):
        assert not combined.linear
        torch.testing.assert_close(combined.rule(x, g), rule.rule(x, g) * slope.slope(x))
    total = (rule + 2 * slope).rule(x, g)
    torch.testing.assert_close(total, rule.rule(x, g) + 2 * g * slope.slope(x))
    torch.testing.assert_close((-rule).rule(x, g), -rule.rule(x, g))
    by_user = as_derivative(lambda x, g: g - g.mean())
    assert not (by_user + slope).elementwise
    assert not (by_user * slope).linear
    assert (rule + slope).elementwise


def test_a_combination_is_what_all_of_its_parts_are() -> None:
    pointwise, linear, rule = d.Box(), d.Centralise(), d.Directional()
    for make in (
        lambda part: part + pointwise,
        lambda part: pointwise + part,
        lambda part: part * pointwise,
        lambda part: -part,
    ):
        assert [make(part).linear for part in (pointwise, linear, rule)] == [True, True, False]
        assert [make(part).pointwise for part in (pointwise, linear, rule)] == [True, False, False]
    x, g = X, torch.randn(len(X), dtype=torch.float64)
    moved = linear.shift(1.0) + d.Split(linear, pointwise, at=0.5)  # slopes or not, all is linear
    torch.testing.assert_close(
        moved.rule(x, g), g - g.mean() + torch.where(x < 0.5, g - g.mean(), g * (x <= 1))
    )
    for make, message in (
        (lambda: rule.shift(1.0), "Shift: derivative must be a derivative that does not depend"),
        (lambda: d.Split(rule, pointwise), "Split: left must be a derivative that does not depend"),
        (lambda: linear.clip(0.0, 1.0), "Clip: derivative must be a pointwise derivative"),
        (lambda: linear.normalise("peak"), "Normalise: derivative must be a pointwise derivative"),
    ):
        with pytest.raises(TypeError, match=message):
            make()


@pytest.mark.parametrize(
    ("derivative", "inside"),
    [
        (0.8 * d.Box(), 0.8),
        (d.Box().clip(-0.7, 0.8), 0.8),
        (d.Box().clip(0.1), 1.0),
        ((0.1 * d.Box() + 0.2 * d.Constant()).clip(high=0.7), 0.1 + 0.2),
        ((0.1 * d.Box() + 0.2 * d.Constant()).clip(high=0.3), 0.3),
        (d.Box(height=0.7).mirror().shift(0.1) * d.Constant(0.3), 0.7 * 0.3),
        (0.3 * d.Split(d.Constant(0.7), d.Constant(0.7)), 0.3 * 0.7),
        (d.Split(d.Constant(0.8), d.Constant(0.8)).clip(0.1, 0.9), 0.8),
    ],
    ids=repr,
)
def test_numbers_times_a_mask_are_those_of_float64(derivative: d.Derivative, inside: float) -> None:
    assert derivative.saves == "mask"
    x = torch.tensor([0.1, -0.2], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(SurrogateActivation(f.Sign(), derivative)(x).sum(), x)
    assert gradient.tolist() == [inside, inside]
    assert derivative.slope(x.detach()).tolist() == [inside, inside]


def test_numbers_are_checked() -> None:
    for make in (
        lambda: math.nan * d.Box(),
        lambda: d.Box().shift(math.inf),
        lambda: d.Box().scale(0),
        lambda: d.Box().scale(-1),
        lambda: d.Box().clip(1, 0),
        lambda: d.Box().clip(),
    ):
        with pytest.raises(ValueError, match=r"must be|given"):
            make()
    for make in (lambda: d.Box() * True, lambda: d.Box() * "2", lambda: d.Box() - 1):  # type: ignore[operator]
        with pytest.raises(TypeError):
            make()
