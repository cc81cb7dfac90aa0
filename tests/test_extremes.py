"""No NaN that mathematics does not have, over the whole range of the floats."""

from __future__ import annotations

import functools
import os
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.base import Derivative, derivatives
from surrogate.diagnostics.check import DTYPES
from surrogate.functions.base import functions
from surrogate.functions.kernels import KERNELS
from tests import reference
from tests.ids import shown

FUNCTIONS = [function for function, _ in [*reference.FUNCTIONS, *reference.DRAWN]]

# What is made from a function, to be tried with every one.
OF_FUNCTIONS: list[Derivative] = [
    d.Exact(),
    *(d.Blurred(width=0.3, kernel=kernel) for kernel in KERNELS),  # type: ignore[arg-type]
    d.Directional(),
    d.Directional(d.Exact(), d.Constant(1.0), width=0.1),
    d.Noisy(d.Exact(), std=0.3),
    d.Noisy(d.Exact(), std=0.3, at="input"),
    d.Perturbed(samples=2),
    0.5 * d.Box() + d.Blurred(width=2.0),
]
# The rest; together with these every registered derivative must be here.
OTHERS: list[Derivative] = [
    d.DerivativeOf(f.SoftStaircase(0.5, 0.1)),
    d.DerivativeOf(torch.tanh),
    d.Blurred(torch.tanh, width=0.3),
    d.EWGS(0.1),
    d.ClipNorm(1.0),
    d.PreserveNorm(),
    d.MeanMagnitude(),
    d.Centralise(),
    *(shape for shape, _ in reference.SHAPES),
    *(rule for rule, _ in reference.RULES),
    d.Split(d.Gaussian(), d.Logistic(), at=0.5),
    (d.Gaussian(0.3) * d.Laplace(2.0)).shift(1.0).scale(0.5).mirror().clip(0.0, 0.5),
]
MADE_FROM_FUNCTIONS = [
    pytest.param(SurrogateActivation(function, derivative).eval(), id=f"{function} / {derivative}")
    for function in FUNCTIONS
    for derivative in OF_FUNCTIONS
]
SHAPES = [
    pytest.param(SurrogateActivation(f.Staircase(), derivative), id=shown(derivative))
    for derivative in OTHERS
]
THOROUGH = "THOROUGH" in os.environ  # set by `make thorough`
INPUTS = 10_000 if THOROUGH else 1_000
BATCH = 100


@functools.cache
def inputs(dtype: torch.dtype) -> Tensor:
    """What hypothesis tries, of any size and of bits at random; all numbers of half precision."""
    if dtype.itemsize == 2:
        return torch.arange(-(2**15), 2**15).to(torch.int16).view(dtype)
    any_size = st.floats() if dtype == torch.float64 else st.floats(width=32)
    found: list[Tensor] = []

    @settings(
        max_examples=INPUTS * dtype.itemsize * 6 // 1000,
        deadline=None,
        database=None,
        derandomize=True,
    )
    @given(
        st.lists(any_size | st.floats(-10, 10), min_size=BATCH, max_size=BATCH),
        st.binary(min_size=8 * BATCH, max_size=8 * BATCH),
    )
    def collect(numbers: list[float], raw: bytes) -> None:
        found.append(torch.tensor(numbers, dtype=dtype))
        found.append(torch.frombuffer(bytearray(raw), dtype=dtype))

    collect()
    return torch.cat(found).unique()


def test_every_registered_function_and_derivative_is_tried() -> None:
    tried = {type(function) for function in FUNCTIONS}
    factories = {f.RReLU, f.Bernoulli}  # of functions with a drawn number
    assert {functions[name] for name in functions} == {*tried, *factories, f.MagnitudeSign}
    assert {derivatives[name] for name in derivatives} == {
        type(d) for d in OF_FUNCTIONS + OTHERS if type(d).__name__ in derivatives
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_enough_is_tried(dtype: torch.dtype) -> None:
    x = inputs(dtype)
    limits = torch.finfo(dtype)
    assert x.isfinite().sum() >= INPUTS
    for kind in (
        x.isnan(),
        x == torch.inf,
        x == -torch.inf,
        x == 0,
        x.abs() < 1,
        (x != 0) & (x.abs() < limits.smallest_normal),
        (x.abs() > limits.max / 4) & x.isfinite(),
    ):
        assert kind.any()


def inside(function: Any, dtype: torch.dtype) -> Tensor:
    """The inputs at which the function's value is no larger than the largest number."""
    x, most = inputs(dtype), torch.finfo(dtype).max
    if isinstance(function, f.Polynomial):
        most = most ** (1 / (len(function.coefficients) + 1))
    if isinstance(function, (f.Polynomial, f.SELU)):
        return x[~(x.abs() > most / 4)]
    return x


def assert_finite(what: str, y: Tensor, x: Tensor) -> None:
    wrong = x.isfinite() & ~y.isfinite()
    assert not wrong.any(), f"the {what} at {x[wrong][0].item()!r} is {y[wrong][0].item()!r}"


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_values_are_finite(function: reference.Elementwise, dtype: torch.dtype) -> None:
    x = inside(function, dtype)
    y = function(x)
    assert_finite("value", y, x)
    assert y[x.isnan()].isnan().all()


def assert_slopes_are_finite(pair: SurrogateActivation, dtype: torch.dtype) -> None:
    x = inside(pair.function, dtype).clone().requires_grad_()
    for sign in (1,) if pair.derivative.linear else (1, -1):
        (gradient,) = torch.autograd.grad(pair(x), x, torch.full_like(x, sign))
        if pair.derivative.elementwise:
            assert_finite("slope", gradient, x.detach())


@pytest.mark.parametrize("pair", MADE_FROM_FUNCTIONS)
def test_slopes_made_from_functions_are_finite(pair: SurrogateActivation) -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert_slopes_are_finite(pair, dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16], ids=str)
@pytest.mark.parametrize("function", FUNCTIONS, ids=repr)
def test_true_slopes_are_finite(function: reference.Elementwise, dtype: torch.dtype) -> None:
    assert_slopes_are_finite(SurrogateActivation(function, 1.0 * d.Exact()).eval(), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("pair", SHAPES)
def test_slopes_of_a_shape_are_finite(pair: SurrogateActivation, dtype: torch.dtype) -> None:
    assert_slopes_are_finite(pair, dtype)


def has_limits(pair: Any) -> bool:
    """Not if an element depends on all; nor the differences of a function that states no facts,
    which lose their digits far out."""
    if pair.derivative == d.ClipNorm(1.0):
        return False
    facts = (getattr(pair.function, fact, None) for fact in ("period", "straight_outside"))
    return isinstance(pair.derivative, d.Exact) or any(facts)


@pytest.mark.parametrize(
    "pair", [case for case in MADE_FROM_FUNCTIONS + SHAPES if has_limits(case.values[0])]
)
def test_limits(pair: SurrogateActivation) -> None:
    surrogate.check(pair, modes=["extremes"], dtypes=[torch.float32]).raise_if_wrong()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", surrogate.names())
def test_more_elements_than_a_32_bit_index_counts(name: str, dtype: torch.dtype) -> None:
    """On a device without memory: shapes, dtypes and operators as they would be."""
    x = torch.empty(2**16, 2**15 + 1, dtype=dtype, device="meta", requires_grad=True)
    assert x.numel() > 2**31
    y = surrogate.get(name)(x)
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    (gradient,) = torch.autograd.grad(y, x, torch.empty_like(y))
    assert (gradient.shape, gradient.dtype, gradient.device) == (x.shape, x.dtype, x.device)
