"""Rules around a derivative against plain Python, and what they say of themselves."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from tests import reference
from tests.ids import shown

TIES = [-1.0, -0.5, 0.0, 0.26, 0.5, 1.0]
X = torch.tensor([*TIES, -2.3, -0.7, -0.13, 0.2, 0.31, 0.77, 1.6, 30.0], dtype=torch.float64)
G = torch.tensor([-3.0, -0.7, -0.2, -0.0, 0.0, 0.1, 0.7, 2.5], dtype=torch.float64)
WHOLE = [
    *(d.ClipNorm(1.5), d.ClipNorm(0.3, d.Gaussian()), d.Centralise(), d.Centralise(None)),
    d.PreserveNorm(d.Box(0.0, 1.0)),
]
RULES = [rule for rule, _ in reference.RULES] + WHOLE


def grid() -> tuple[Tensor, Tensor]:
    x, g = torch.meshgrid(X, G, indexing="ij")
    return x.flatten(), g.flatten()


@pytest.mark.parametrize(("rule", "oracle"), reference.RULES, ids=shown)
def test_rule_equals_the_oracle(
    rule: d.Derivative, oracle: reference.Callable[[float, float], float]
) -> None:
    x, g = grid()
    expected = [oracle(*pair) for pair in zip(x.tolist(), g.tolist(), strict=True)]
    got = rule.rule(x, g)
    torch.testing.assert_close(
        got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
    )
    y = x.float().requires_grad_()
    pair = SurrogateActivation(f.Tanh(), rule)
    (reported,) = torch.autograd.grad(pair(y), y, g.float())
    torch.testing.assert_close(reported, rule.rule(x.float(), g.float()), rtol=0, atol=0)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_what_rules_say_of_themselves(rule: d.Derivative) -> None:
    """`elementwise` and `linear` are tested in both directions."""
    x, g = grid()
    g = g + 0.01
    elementwise = torch.allclose(
        torch.cat([rule.rule(*part) for part in zip(x.split(5), g.split(5), strict=True)]),
        rule.rule(x, g),
    )
    assert rule.elementwise == elementwise
    other = g.flip(0).abs() + x.clamp(-1, 1)
    sums = rule.rule(x, g) - 3 * rule.rule(x, other)
    assert rule.linear == torch.allclose(rule.rule(x, g - 3 * other), sums)
    assert not rule.pointwise


@pytest.mark.parametrize("make", [d.Towards, d.EWGS, d.ClipValue], ids=repr)
def test_around_a_rule_of_the_whole_tensor_they_are_one(make: type[d.Towards]) -> None:
    around = make(0.5, derivative=d.ClipNorm(1.0))
    assert not around.elementwise
    assert make(0.5, derivative=d.Directional()).elementwise


# torch's forward mode still uses torch.jit itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_centralise_is_as_linear_as_what_it_is_around() -> None:
    for inner, linear in ((d.Gaussian(), True), (d.Centralise(0), True), (d.Directional(), False)):
        assert d.Centralise(derivative=inner).linear == linear
    pair = SurrogateActivation(f.Staircase(0.5), d.Centralise(0, d.Gaussian()))
    x, tangent, g = torch.randn(3, 5, 2, dtype=torch.float64).unbind()
    forward = torch.func.jvp(pair, (x,), (tangent,))[1]
    (backward,) = torch.func.vjp(pair, x)[1](g)
    torch.testing.assert_close((forward * g).sum(), (backward * tangent).sum())
    torch.testing.assert_close(forward, d.Gaussian().slope(x) * (tangent - tangent.mean(0)))


@given(st.floats(-2, 2), st.floats(-3, 3), st.floats(-1, 0), st.floats(0, 1))
def test_towards_never_lets_a_step_leave_further(
    x: float, g: float, low: float, high: float
) -> None:
    at, upstream = torch.tensor([[x], [g]], dtype=torch.float64)
    reported = float(d.Towards(low, high).rule(at, upstream))
    assert reported == reference.towards(x, g, low, high)
    if low <= x <= high:
        assert reported == g
    else:  # the step is −reported: up from below, down from above, or none
        assert reported >= 0 if x > high else reported <= 0
        assert reported == g or reported == 0


def test_towards_is_the_directional_derivative_of_a_bound() -> None:
    """ReLU'(+x) = {left 1, right 1}, ReLU'(−x) = {left 0, right 1}; at the bound all passes."""
    x, g = grid()
    directional = d.Directional(d.Box(0.0, 1e9), d.Constant())
    assert torch.equal(d.Towards(0).rule(x, g), directional.rule(x, g))


def test_towards_brings_back_what_left_the_bounds() -> None:
    x = torch.tensor([-3.0, 0.2, 4.0], requires_grad=True)
    clamp = SurrogateActivation(lambda x: x.clamp(-1, 1), d.Towards(-1, 1))
    for _ in range(200):
        (gradient,) = torch.autograd.grad((clamp(x) ** 2).sum(), x)
        x = (x - 0.05 * gradient).detach().requires_grad_()
    assert x.abs().max() < 1e-3


def test_ewgs_takes_the_function_of_its_pair() -> None:
    x, g = grid()
    x.requires_grad_()
    pair = SurrogateActivation(f.Staircase(0.5), d.EWGS(0.2))
    (reported,) = torch.autograd.grad(pair(x), x, g)
    error = x - f.Staircase(0.5)(x)
    torch.testing.assert_close(reported, g * (1 + 0.2 * g.sign() * error))
    straight = SurrogateActivation(f.Staircase(0.5), d.EWGS(0.0))
    assert torch.equal(torch.autograd.grad(straight(x), x, g)[0], g)
    with pytest.raises(RuntimeError, match="takes its pair's function"):
        d.EWGS(0.2).rule(x, g)
    parts = d.EWGS(0.2, d.Exact()).bind(f.Tanh())
    torch.testing.assert_close(
        parts.rule(x, g), d.EWGS(0.2, d.DerivativeOf(f.Tanh()), f.Tanh()).rule(x, g)
    )


def test_gradient_noise_does_not_scale_with_the_gradient() -> None:
    x = torch.rand(100_000)
    noise = d.GradientNoise(0.3)
    for scale in (0.0, 1e3):
        g = torch.full_like(x, scale)
        added = noise.rule(x, g) - g
        assert float(added.mean()) == pytest.approx(0, abs=0.01)
        assert float(added.std()) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clip_norm(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    zeros = torch.zeros(2, 3, dtype=dtype)
    for g in (
        torch.tensor([[1.0, -2, 3], [0, 0.5, 2]]),
        torch.full((2, 3), 1e30),
        torch.full((2, 3), largest, dtype=dtype),
        torch.tensor([[largest, 0, 0], [0, -largest, 0]], dtype=dtype),
        torch.tensor([[math.inf, 0, 1], [0, -math.inf, 0]], dtype=dtype),
    ):
        for limit in (1.0, 1e-20):
            got = d.ClipNorm(limit).rule(zeros, g.to(dtype))
            assert float((got / limit).norm()) == pytest.approx(1, rel=1e-5)
            assert torch.equal(got.sign(), g.to(dtype).sign() * (got != 0))
    for small in (torch.rand(2, 3, dtype=dtype) / 3, zeros, torch.full_like(zeros, 1e-44)):
        assert torch.equal(d.ClipNorm(1).rule(zeros, small), small)
    half = d.ClipNorm(2.0, d.Constant(4.0)).rule(zeros[0], torch.tensor([3.0, 0, 4], dtype=dtype))
    torch.testing.assert_close(half, torch.tensor([1.2, 0, 1.6], dtype=dtype))
    assert d.ClipNorm(1).rule(zeros[:0], zeros[:0]).shape == (0, 3)


def test_centralise_along_a_dimension_or_all() -> None:
    x, g = torch.randn(2, 4, 3, dtype=torch.float64).unbind()
    for dim in (-1, 0, 1):
        torch.testing.assert_close(
            d.Centralise(dim).rule(x, g), g - g.sum(dim, keepdim=True) / g.shape[dim]
        )
    torch.testing.assert_close(d.Centralise(None).rule(x, g), g - g.sum() / 12)
    after = d.Centralise(None, d.Gaussian()).rule(x, g)
    torch.testing.assert_close(
        after, g * d.Gaussian().slope(x) - (g * d.Gaussian().slope(x)).mean()
    )
    assert d.Centralise().rule(x[0, 0], g[0, 0]) == 0


def test_preserve_norm_is_as_long_as_the_upstream_gradient() -> None:
    x, g = torch.randn(2, 4, 3, dtype=torch.float64).unbind()
    for inner in (d.Box(-0.5, 2.0), d.Towards(0.1, 0.4), d.Gaussian()):
        before, after = inner.rule(x, g), d.PreserveNorm(inner).rule(x, g)
        ratio = math.sqrt(sum(v * v for v in g.flatten().tolist())) / math.sqrt(
            sum(v * v for v in before.flatten().tolist())
        )
        torch.testing.assert_close(after, before * ratio, rtol=1e-12, atol=1e-14)
    for size in (1e-30, 1e30):
        huge = d.PreserveNorm(d.Box(-0.5, 2.0)).rule(x.float(), size * g.float())
        torch.testing.assert_close(
            huge / size, d.PreserveNorm(d.Box(-0.5, 2.0)).rule(x.float(), g.float())
        )
    assert not d.PreserveNorm(d.Constant(0.0)).rule(x, g).any()
    assert not d.PreserveNorm(d.Constant(2.0)).rule(x, 0 * g).any()
    assert d.PreserveNorm().rule(x[:0], g[:0]).shape == (0, 3)


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_extremes(rule: d.Derivative) -> None:
    """Finite for all finite numbers; NaN only where x or the gradient is NaN."""
    for dtype in (torch.float32, torch.float64):
        sizes = torch.tensor([0.0, 5e-324, 1e-40, 1.0, 1e30, torch.finfo(dtype).max], dtype=dtype)
        x = torch.cat([sizes, -sizes, torch.tensor([math.inf, -math.inf], dtype=dtype)])
        for g in (1.0, -1.0, 0.0):
            assert rule.rule(x, torch.full_like(x, g)).isfinite().all()


@pytest.mark.parametrize("rule", [r for r, _ in reference.RULES], ids=repr)
def test_modes(rule: d.Derivative) -> None:
    pair = SurrogateActivation(f.Staircase(0.5), rule)
    modes = ["backward", "func.grad", "vmap(grad)", "jacrev", "layout kept", "memory for backward"]
    surrogate.check(pair, modes=[*modes, "create_graph, second order"]).raise_if_wrong()
    (row,) = surrogate.check(pair, modes=["func.jvp"], dtypes=[torch.float32]).rows
    assert row.verdict == "refuses"


@pytest.mark.parametrize("rule", WHOLE, ids=repr)
def test_modes_of_rules_of_the_whole_tensor(rule: d.Derivative) -> None:
    pair = SurrogateActivation(f.Staircase(0.5), rule)
    modes = ["backward", "func.grad", "func.vjp", "create_graph, second order", "checkpoint"]
    surrogate.check(pair, modes=modes).raise_if_wrong()


@pytest.mark.parametrize(
    "rule",
    [d.Towards(-0.5, 0.5), d.EWGS(0.3), d.ClipNorm(1.5), d.ClipValue(0.7), d.PreserveNorm(d.Box())],
    ids=repr,
)
def test_compiled(rule: d.Derivative) -> None:
    pair = SurrogateActivation(f.Staircase(0.5), rule)
    modes = ["compiled backward"]
    if rule.elementwise:
        modes.append("compiled vmap(grad)")
    surrogate.check(pair, modes=modes, dtypes=[torch.float32]).raise_if_wrong()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: d.Towards(), ValueError, "Towards: low or high must be given"),
        (lambda: d.Towards(1.0, 0.5), ValueError, "Towards: high must be a finite number at least"),
        (lambda: d.Towards(math.nan), ValueError, "Towards: low"),
        (lambda: d.EWGS(-0.1), ValueError, "EWGS: delta must be a finite number at least 0"),
        (lambda: d.EWGS(0.1, function=3), TypeError, "EWGS: function must be callable"),  # type: ignore[arg-type]
        (
            lambda: d.DerivativeOf("x"),
            TypeError,
            "DerivativeOf: function must be callable, got 'x'",
        ),  # type: ignore[arg-type]
        (
            lambda: d.Blurred(f.ReLU),
            TypeError,
            r"Blurred: function .* the class ReLU: write ReLU\(",
        ),  # type: ignore[arg-type]
        (lambda: d.ClipValue(0), ValueError, "ClipValue: limit must be a finite number above 0"),
        (lambda: d.ClipNorm(-1), ValueError, "ClipNorm: limit"),
        (lambda: d.Centralise(0.5), TypeError, "Centralise: dim must be an integer"),  # type: ignore[arg-type]
        (lambda: d.GradientNoise(-1), ValueError, "GradientNoise: std"),
        (lambda: d.GradientNoise(1, seed=-1), ValueError, "GradientNoise: seed"),
        (lambda: d.ClipValue(1, 3), TypeError, "ClipValue: derivative must be a derivative"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_named(make: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]
