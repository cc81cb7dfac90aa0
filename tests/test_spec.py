"""The text form: what is printed reads back, and what can't be read says where."""

from __future__ import annotations

import contextlib
import inspect
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.kernels import KERNELS
from surrogate.derivatives.base import derivatives as derivatives_
from surrogate.functions.base import functions as functions_

positive = st.floats(1e-3, 1e3)
number = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)

functions = st.one_of(
    st.sampled_from([f.Identity(), f.ReLU(), f.SiLU(), f.Sigmoid(), f.Tanh(), f.Sin()]),
    st.builds(f.LeakyReLU, number),
    st.builds(f.ELU, number),
    st.builds(f.GELU, st.sampled_from(["none", "tanh"])),
    st.builds(f.Heaviside, number, number),
    st.builds(f.Sign, number),
    st.builds(f.Staircase, positive),
    st.builds(f.SoftStaircase, positive, st.floats(0.01, 1)),
    st.builds(f.Cantor, st.integers(1, 16), st.sampled_from(["repeat", "clamp"])),
    st.builds(f.PerlinNoise, positive, st.integers(0, 1000)),
    st.builds(f.Swish, positive),
    st.builds(f.Softplus, positive, positive),
    st.builds(f.Clamp, st.none() | st.floats(-9, 0), st.floats(1, 9)),
    st.builds(f.GeneralReLU, positive, number, st.floats(1e6, 1e7, exclude_min=True)),
    st.builds(f.SawtoothWave, positive),
    st.builds(f.Ternary, positive, number),
    st.builds(f.GradedSpike, number, positive),
    st.just(f.MagnitudeSign()),
    st.builds(
        f.Bernoulli, positive, st.sampled_from(["logistic", "algebraic"]), st.integers(0, 99)
    ),
    st.builds(f.MultiSpike, positive, st.none() | st.integers(1, 99)),
    st.builds(f.UniformQuantizer, st.integers(1, 16), st.floats(-9, 0), st.floats(1, 9)),
    st.builds(f.FakeQuantize, positive, st.integers(-9, 9)),
)
pointwise = st.recursive(
    st.one_of(
        st.just(d.Exact()),
        st.builds(d.DerivativeOf, functions),
        st.builds(d.Constant, number),
        st.builds(d.Box, st.floats(-9, 0), st.floats(1, 9), number),
        st.builds(d.Blurred, st.none() | functions, positive, st.sampled_from(list(KERNELS))),
        st.builds(d.Perturbed, st.none() | functions, positive, st.integers(1, 99)),
        st.builds(
            d.Box,
            st.floats(-9, 0),
            st.floats(1, 9),
            number,
            number,
            st.sampled_from([True, False, "left", "right"]),
        ),
        st.just(d.MeanMagnitude()),
        st.builds(d.Cauchy, positive, number, positive),
        st.builds(d.FastSigmoid, positive, number, positive),
        st.builds(d.PeriodicLaplace, positive, number, positive),
        st.builds(d.SwishSign, positive),
        st.builds(d.Cosines, positive, st.integers(1, 9), number),
        st.builds(d.Uniform, st.floats(-9, 0), st.floats(1, 9), st.integers(0, 99)),
        *(
            st.builds(bell, positive, number)
            for bell in (d.Gaussian, d.Logistic, d.Triangle, d.Laplace, d.Hyperbola)
        ),
    ),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a - b, inner, inner),
        st.builds(lambda a, b: a * b, inner | number, inner),
        st.builds(lambda a, b: a.shift(b), inner, number),
        st.builds(lambda a, b: a.scale(b), inner, positive),
        st.builds(lambda a, b: a.clip(high=b), inner, number),
        st.builds(lambda a, b: a.clip(-b, b), inner, positive),
        st.builds(lambda a: a.mirror(), inner),
        st.builds(d.Split, inner, inner, number, st.sampled_from(["left", "right"])),
        st.builds(
            d.Noisy, inner, positive, st.sampled_from(["slope", "input"]), st.integers(0, 99)
        ),
    ),
    max_leaves=6,
)
derivatives = pointwise | st.recursive(
    st.builds(d.Directional, st.none() | pointwise, st.none() | pointwise, positive),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, pointwise),
        st.builds(lambda a, b: a * b, inner, number | pointwise),
        st.builds(d.Towards, st.none() | st.floats(-9, 0), st.floats(0, 9), inner | pointwise),
        st.builds(d.EWGS, positive, inner | pointwise, st.none() | functions),
        st.builds(d.ClipValue, positive, inner | pointwise),
        st.builds(d.ClipNorm, positive, inner | pointwise),
        st.builds(d.PreserveNorm, inner | pointwise),
        st.builds(d.Centralise, st.none() | st.integers(-3, 3), inner | pointwise),
        st.builds(d.GradientNoise, positive, inner | pointwise, st.integers(0, 99)),
    ),
    max_leaves=3,
)


@given(functions, derivatives)
@settings(max_examples=500)
def test_text_reads_back_to_an_equal_pair(function: f.Function, derivative: d.Derivative) -> None:
    pair = SurrogateActivation(function, derivative)
    again = surrogate.get(str(pair))
    assert again.function == function
    assert again.derivative == derivative
    assert str(again) == str(pair)


def test_learnable_numbers_read_back() -> None:
    for text in (
        "Heaviside() / Blurred(width=Learnable(0.5, positive=True))",
        "ReLU() / Learnable(0.1) * Constant() + Exact()",
        "ReLU() / Box().shift(distance=Learnable(-2.5))",
    ):
        assert str(surrogate.get(text)) == text


PARTS = [*(functions_[name] for name in functions_), *(derivatives_[name] for name in derivatives_)]
WITHOUT_ARGUMENTS = [
    part
    for part in PARTS
    if all(p.default is not p.empty for p in inspect.signature(part).parameters.values())
    if part is not d.Towards  # which needs one of two
]


@pytest.mark.parametrize("part", WITHOUT_ARGUMENTS, ids=lambda part: part.__name__)
def test_defaults_are_not_printed(part: type) -> None:
    assert repr(part()) == f"{part.__name__}()"


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_parts_never_change(part: Any) -> None:
    """Else they could not be keys of tables. RReLU is a module."""
    assert part is f.RReLU or part.__dataclass_params__.frozen


@pytest.mark.parametrize("name", surrogate.names())
def test_catalogue_pairs_read_back(name: str) -> None:
    pair = surrogate.get(name)
    assert str(surrogate.get(str(pair))) == str(pair)
    assert pair is not surrogate.get(name)


def test_ways_to_write_the_same() -> None:
    pair = surrogate.get("Staircase(step=0.5) / Blurred(width=0.3)")
    for text in (
        "Staircase(0.5)/Blurred(width=.3)",
        "  Staircase( step = 5e-1 ) /\tBlurred(None, 0.3) ",
    ):
        assert str(surrogate.get(text)) == str(pair)
    assert str(surrogate.get("swish(2)")) == str(surrogate.get("Swish(beta=2) / Exact()"))
    assert str(surrogate.get("perlin(resolution=8)")) == "PerlinNoise(resolution=8) / Exact()"
    assert str(surrogate.get("cantor2()")) == str(surrogate.get("cantor2"))
    half = "ReLU() / 0.5 * Constant(1) + Exact() * 0.5"
    assert surrogate.get(half).derivative == 0.5 * d.Constant(1) + 0.5 * d.Exact()
    hard_then_soft = surrogate.get("Staircase() / Blurred(SoftStaircase(step=1), width=0.3)")
    assert hard_then_soft.derivative == d.Blurred(f.SoftStaircase(step=1), width=0.3)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("cantr2", "unknown activation 'cantr2'; did you mean 'cantor2'?", "cantr2"),
        ("Stair(1) / Exact()", "unknown function 'Stair'; did you mean 'Staircase'?", "Stair"),
        ("ReLU() / Exakt()", "unknown derivative 'Exakt'; did you mean 'Exact'?", "Exakt"),
        ("Staircase(stp=1) / Exact()", "no argument 'stp'; did you mean 'step'?", "stp=1"),
        (
            "Staircase(step=-1) / Exact()",
            "step must be a finite number above 0",
            "Staircase(step=-1)",
        ),
        ("ReLU() / Blurred(width=0)", "width must be a finite number at least", "Blurred(width=0)"),
        ("ReLU / Exact()", "expected a function, such as ReLU(); write ReLU()", "ReLU"),
        ("ReLU()", "ReLU is half a pair", "ReLU"),
        ("ReLU() / ", "something is missing", None),
        ("", "something is missing", None),
        ("ReLU() / Exact(", "this can't be read", None),
        ("ReLU() /  Box(0, $)", "this can't be read", "$"),
        ("relu(1)", "relu takes 0 arguments, got 1", "relu(1)"),
        ("ReLU() / Noisy(Exact())", "Noisy needs the argument 'std'", "Noisy(Exact())"),
        ("ReLU() / Box(1, left=2)", "left is given twice", "left=2"),
        ("ReLU() / Exact() @ Exact()", "derivatives combine by", "Exact() @ Exact()"),
        ("ReLU() / Exact() + 1", "expected a derivative", "1"),
        ("ReLU() / 2 * 3", "expected a derivative", "3"),
        ("ReLU() / ~Exact()", "expected a derivative", "~Exact()"),
        (
            "ReLU() / Directional() * Directional()",
            "have no product",
            "Directional() * Directional()",
        ),
        ("ReLU() / Box().shft(1)", "did you mean 'shift'?", "Box().shft(1)"),
        ("ReLU() / Box().shift()", "shift needs the argument 'distance'", "Box().shift()"),
        ("ReLU() / Box().scale(0)", "width must be a finite number above 0", "Box().scale(0)"),
        (
            "ReLU() / Box().clip(2, 1)",
            "high must be a finite number at least 2",
            "Box().clip(2, 1)",
        ),
        ("ReLU() / Box().clip()", "low or high must be given", "Box().clip()"),
        ("ReLU() / Box().normalise('mass')", "one of 'area', 'peak'", "Box().normalise('mass')"),
        (
            "ReLU() / Constant().normalise('area')",
            "has the area inf: no multiple has 1",
            "Constant().normalise('area')",
        ),
        ("ReLU() / Directional().shift(1)", "no shift()", "Directional().shift(1)"),
        (
            "ReLU() / Blurred(width=Learnable(-1))",
            "width must be a finite number at least 1e-30 and at most 1e+30, got -1.0",
            "Blurred(width=Learnable(-1))",
        ),
        (
            "ReLU() / Box(left=Learnable(0))",
            "Box: left must be a finite number, got Learnable(0.0)",
            "Box(left=Learnable(0))",
        ),
        ("ReLU() / Constant((1, 2))", "value must be a finite number", "Constant((1, 2))"),
        ("linear + 1", "expected the name of an activation", "linear + 1"),
        ("ReLU() / Constant(2 ** 9)", "derivatives combine by", "2 ** 9"),
        ("ReLU() / Constant(True)", "value must be a finite number", "Constant(True)"),
        ("ReLU() / Constant(1e999)", "expected a derivative", "1e999"),
        ("ReLU() / __import__('os')", "unknown derivative '__import__'", "__import__"),
        ("ReLU() / Exact().__class__()", "no method '__class__'", "Exact().__class__()"),
        ("Cantor(depth=99) / Exact()", "depth must be an integer at least 1", "Cantor(depth=99)"),
        ("Sin(*[1]) / Exact()", "Sin takes 0 arguments", "Sin(*[1])"),
        ("Sin(**{}) / Exact()", "Sin has no argument None", "**{}"),
        ("Sin() / " + "(" * 250 + "Exact()" + ")" * 250, "this can't be read", None),
        ("Sin() / " + "1 * " * 600 + "Exact()", "at most 2000 characters", None),
    ],
)
def test_what_cannot_be_read_says_where(text: str, message: str, place: str | None) -> None:
    with pytest.raises(ValueError, match=r"^") as caught:
        surrogate.get(text)
    first, *shown = str(caught.value).splitlines()
    assert message in first
    if place is not None:
        line, carets = shown
        start = carets.index("^")
        assert line[start : start + carets.count("^")] == place


@given(st.text(max_size=60) | st.text("ReLUExactBox()/ *+0.5,='-\n", max_size=40))
@settings(max_examples=1000)
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(surrogate.get(text), SurrogateActivation)


def test_only_text_is_read() -> None:
    with pytest.raises(TypeError, match="takes a text, got float"):
        surrogate.get(math.pi)  # type: ignore[arg-type]
