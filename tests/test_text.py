"""The text form: what is printed reads back, and what can't be read says where."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.drawn import Drawn
from surrogate.derivatives.base import derivatives as derivatives_
from surrogate.functions.base import functions as functions_
from surrogate.functions.kernels import KERNELS

positive = st.floats(1e-3, 1e3)
number = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)

drawn = st.builds(
    Drawn,
    st.floats(-9, 0),
    st.floats(0, 9),
    st.sampled_from(["uniform", "normal", "logistic", "algebraic", "gumbel"]),
    st.sampled_from(["mean", "draw"]),
    st.integers(0, 99),
)

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
    st.builds(f.Bernoulli, positive, st.sampled_from(["logistic", "algebraic"])),
    st.builds(f.RReLU, st.floats(-9, 0), st.floats(0, 9)),
    st.builds(f.Heaviside, drawn),
    st.builds(f.MultiSpike, positive, st.none() | st.integers(1, 99)),
    st.builds(f.UniformQuantizer, st.integers(1, 16), st.floats(-9, 0), st.floats(1, 9)),
    st.builds(f.FakeQuantize, positive, st.integers(-9, 9)),
)
pointwise = st.recursive(
    st.one_of(
        st.just(d.Exact()),
        st.builds(d.DerivativeOf, functions),
        st.builds(d.Constant, number | drawn),
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
        st.builds(lambda a, b: a.shift(b), inner, number | drawn),
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
    assert reads_back(SurrogateActivation(function, derivative))


def reads_back(pair: SurrogateActivation) -> bool:
    text = str(pair)
    again = surrogate.get(text)
    same = (again.function, again.derivative) == (pair.function, pair.derivative)
    return same and str(again) == text


@pytest.mark.parametrize("times", [3, 8])
def test_several_normalise_read_back(times: int) -> None:
    chain: d.Derivative = d.Gaussian(0.3)
    for measure in itertools.islice(itertools.cycle(["area", "peak"]), times):
        chain = 2 * chain.normalise(measure)
    total = sum(
        (d.Box(0, n).normalise("area") for n in range(2, times + 1)), d.Box().normalise("peak")
    )
    for derivative in (chain, total, d.ClipNorm(1.0, chain), d.Directional(chain, d.Constant())):
        assert reads_back(SurrogateActivation(f.Heaviside(), derivative))


def test_what_has_more_normalise_is_never_made() -> None:
    eight = sum((d.Box(0, n).normalise("area") for n in range(1, 9)), d.Constant())
    message = "normalise: a derivative has it at most 8 times"
    for make in (
        lambda: eight.normalise("peak"),
        lambda: eight + d.Box().normalise("area"),
        lambda: d.ClipNorm(1.0, eight) + eight,
        lambda: d.Split(eight, eight),
        lambda: surrogate.get(f"ReLU() / {eight} + Box().normalise('area')"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


NESTED: dict[str, Callable[[d.Derivative], d.Derivative]] = {
    "{} + Box()": lambda part: part + d.Box(),
    "Box() + ({})": lambda part: d.Box() + part,
    "{} - Box()": lambda part: part - d.Box(),
    "({}) * Box()": lambda part: part * d.Box(),
    "Box() * ({})": lambda part: d.Box() * part,
    "2 * ({})": lambda part: 2 * part,
    "-({})": lambda part: -part,
    "({}).shift(1.0)": lambda part: part.shift(1.0),
    "({} + Box()).mirror()": lambda part: (part + d.Box()).mirror(),
    "2 * (Box() + ({}))": lambda part: 2 * (d.Box() + part),
    "({}).clip(-9.0, 9.0)": lambda part: part.clip(-9.0, 9.0),
    "Split(Box(), {})": lambda part: d.Split(d.Box(), part),
    "Noisy({}, 0.1, at='input')": lambda part: d.Noisy(part, 0.1, at="input"),
    "ClipNorm(1.0, {})": lambda part: d.ClipNorm(1.0, part),
}


@pytest.mark.parametrize("template", NESTED)
def test_up_to_100_levels_read_back_and_no_more_are_made(template: str) -> None:
    wrap, deepest = NESTED[template], d.Box()
    with contextlib.suppress(ValueError):
        for _ in range(200):
            deepest = wrap(deepest)
    assert reads_back(SurrogateActivation(f.Heaviside(), deepest))
    text = str(deepest)
    assert text.count("(") >= 99
    message = "parts can be nested 100 deep and have 2000 parts in all, this would be 10[1-9] deep"
    with pytest.raises(ValueError, match=message):
        wrap(deepest)
    with pytest.raises(ValueError, match=message):
        surrogate.get(f"Heaviside() / {template.format(text)}")


def test_sums_of_many_terms_read_back() -> None:
    terms = [0.1 * d.Gaussian(0.1 * n).shift(float(n)) for n in range(1, 91)]
    assert reads_back(SurrogateActivation(f.Heaviside(), sum(terms[1:], terms[0])))
    level: list[d.Derivative] = [d.Box(-1.0, 0.5 + n) for n in range(950)]
    while len(level) > 1:
        pairs = itertools.zip_longest(level[::2], level[1::2])
        level = [left if right is None else left + right for left, right in pairs]
    (balanced,) = level
    assert reads_back(SurrogateActivation(f.Heaviside(), balanced))
    message = "2000 parts in all, this would be .* deep with 3799 parts"
    with pytest.raises(ValueError, match=message):
        _ = balanced + balanced
    with pytest.raises(ValueError, match=message):
        surrogate.get(f"Heaviside() / {balanced} + ({balanced})")


class Spike:
    """A callable object of a user's."""

    def __call__(self, x: Tensor) -> Tensor:
        return (x > 0).to(x)

    def __repr__(self) -> str:
        return "Spike()"


def soft(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


@pytest.mark.parametrize(
    ("pair", "text"),
    [
        (SurrogateActivation(lambda x: x, soft), "<lambda> / <soft>"),
        (SurrogateActivation(torch.tanh, lambda x, grad_output: x), "<tanh> / <lambda>"),
        (SurrogateActivation(nn.PReLU(), d.Constant()), "<PReLU(num_parameters=1)> / Constant()"),
        (SurrogateActivation(Spike(), d.Exact()), "<Spike()> / Exact()"),
        (
            SurrogateActivation(f.ReLU(), d.Constant() + d.DerivativeOf(soft)),
            "ReLU() / Constant() + DerivativeOf(function=<soft>)",
        ),
        (
            SurrogateActivation(f.ReLU(), d.Blurred(soft, width=0.5)),
            "ReLU() / Blurred(function=<soft>, width=0.5)",
        ),
        (
            SurrogateActivation(f.ReLU(), 2 * d.Noisy(soft, 0.5).shift(1)),
            "ReLU() / 2 * Noisy(derivative=<soft>, std=0.5).shift(distance=1)",
        ),
        (
            SurrogateActivation(f.ReLU(), d.Directional(soft, nn.Tanh())),
            "ReLU() / Directional(left=<soft>, right=<Tanh()>)",
        ),
    ],
    ids=str,
)
def test_what_is_a_users_is_seen_to_be(pair: SurrogateActivation, text: str) -> None:
    """A name alone would be read as that of something else, or not at all, or look like a part."""
    assert str(pair) == text
    with pytest.raises(ValueError, match=r"can't be read|expected"):
        surrogate.get(text)


@pytest.mark.parametrize(
    "text", ["GELU()", "Swish(beta=2)", "Staircase(step=Learnable(0.5))", " ReLU( ) ", "RReLU()"]
)
def test_a_bare_function_means_its_true_derivative(text: str) -> None:
    pair, written_out = surrogate.get(text), surrogate.get(f"{text} / Exact()")
    assert str(pair) == str(written_out)
    assert pair.derivative == d.Exact()
    x = torch.linspace(-2, 2, 9, requires_grad=True)
    gradients = [torch.autograd.grad(each.eval()(x).sum(), x)[0] for each in (pair, written_out)]
    assert torch.equal(*gradients)


def test_learnable_numbers_read_back() -> None:
    for text in (
        "MagnitudeSign() / MeanMagnitude() * Box()",
        "Sign() / DerivativeOf(function=MagnitudeSign())",
        "Heaviside() / Blurred(width=Learnable(0.5, positive=True))",
        "ReLU() / Learnable(0.1) * Constant() + Exact()",
        "ReLU() / Box().shift(distance=Learnable(-2.5))",
    ):
        assert str(surrogate.get(text)) == text


ENTRIES = [*(functions_[n] for n in functions_), *(derivatives_[n] for n in derivatives_)]
PARTS = [entry for entry in ENTRIES if isinstance(entry, type)]
WITHOUT_ARGUMENTS = [
    part
    for part in PARTS
    if all(p.default is not p.empty for p in inspect.signature(part).parameters.values())
    if part is not d.Towards  # which needs one of two
]


@pytest.mark.parametrize("part", WITHOUT_ARGUMENTS, ids=lambda part: part.__name__)
def test_defaults_are_not_printed(part: type) -> None:
    assert repr(part()) == f"{part.__name__}()"


def test_factories_print_what_they_make() -> None:
    assert {entry for entry in ENTRIES if entry not in PARTS} == {f.RReLU, f.Bernoulli}
    for factory in (f.RReLU, f.Bernoulli):
        made = SurrogateActivation(factory(), d.Constant())
        assert surrogate.get(f"{factory.__name__}() / Constant()").function == made.function
        assert surrogate.get(str(made)).function == made.function


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_parts_never_change(part: Any) -> None:
    """Else they could not be keys of tables."""
    assert part.__dataclass_params__.frozen


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
        ("Constant(2)", "Constant is half a pair: write Function(…) / Derivative(…)", "Constant"),
        ("Stair(1)", "unknown activation 'Stair'", "Stair"),
        (
            "Heaviside() / Sigmoid()",
            "Sigmoid is a function: write DerivativeOf(Sigmoid(…)) to report its derivative",
            "Sigmoid",
        ),
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
        (
            "ReLU() / Directional().shift(1)",
            "Shift: derivative must be a derivative that does not depend on the upstream gradient",
            "Directional().shift(1)",
        ),
        ("ReLU() / Centralise().clip(0, 1)", "must be a pointwise", "Centralise().clip(0, 1)"),
        (
            "ReLU() / Blurred(width=Learnable(-1))",
            "width must be a finite number at least 1e-30 and at most 1e+30, got Learnable(-1.0)",
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
        ("Sin() / " + "1 * " * 600 + "Exact()", "this is nested deeper than 100 levels", None),
        ("Sin() / " + "1 *" + " " * 200_000 + "Exact()", "at most 200000 characters", None),
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
