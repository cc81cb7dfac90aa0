"""Learnable numbers: of functions with their true gradient, of derivatives through second order."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import math
import warnings

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp, vmap

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.derivatives.base import derivatives
from surrogate.functions.base import functions
from tests import reference

X = torch.tensor([-2.31, -1.004, -0.52, -0.13, 0.0071, 0.26, 0.4, 0.741, 1.113, 1.62, 2.9]).double()
UPSTREAM = torch.linspace(-1.5, 2.0, len(X)).double()

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")

# A pair with one number in a derivative, and a value of it.
PAIRS = [
    ("Heaviside() / Blurred(width={})", 0.3),
    ("Tanh() / Blurred(width={}, kernel='box')", 0.3),
    ("Sin() / Blurred(width={}, kernel='logistic')", 0.3),
    ("ReLU() / Constant({})", 0.7),
    ("ReLU() / {} * Box() + 0.5 * Exact()", 0.7),
    ("ReLU() / DerivativeOf(Tanh()).shift({})", 0.7),
    ("Sign() / DerivativeOf(Tanh()).scale({})", 0.7),
    ("ReLU() / Noisy(Exact(), std={})", 0.3),
    ("ReLU() / Directional(left=Constant({}), right=Constant(1))", 0.3),
]


def pair_at(text: str, number: object) -> SurrogateActivation:
    return surrogate.get(text.format(number)).double()


def reported(pair: torch.nn.Module, x: Tensor, upstream: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(pair(x), x, upstream, create_graph=True)[0]


@pytest.mark.parametrize(("text", "number"), PAIRS)
def test_reports_what_the_fixed_number_reports(text: str, number: float) -> None:
    learnable = pair_at(text, f"Learnable({number})")
    fixed = pair_at(text, next(learnable.parameters()).item())
    torch.testing.assert_close(
        reported(learnable, X, UPSTREAM), reported(fixed, X, UPSTREAM), rtol=1e-9, atol=1e-12
    )
    assert torch.equal(learnable(X), fixed(X))


@pytest.mark.parametrize(("text", "number"), PAIRS)
def test_second_order_is_the_derivative_of_the_report(text: str, number: float) -> None:
    """d/dθ of Σ wᵢ · grad_inputᵢ, by finite differences."""
    pair = pair_at(text, f"Learnable({number})")
    (parameter,) = pair.parameters()
    weights = torch.linspace(0.2, 1, len(X)).double()

    def total() -> Tensor:
        return (weights * reported(pair, X, UPSTREAM)).sum()

    (of_number,) = torch.autograd.grad(total(), parameter)
    step = 1e-6
    totals = []
    for change in (step, -2 * step, step):
        with torch.no_grad():
            parameter += change
        totals.append(float(total().detach()))
    expected = (totals[0] - totals[1]) / (2 * step)
    assert float(of_number) == pytest.approx(expected, rel=1e-6, abs=1e-9)

    # The same in the functional world, eager and compiled, with the number as an argument.
    def functional(number: Tensor) -> Tensor:
        name = next(iter(dict(pair.named_parameters())))
        loss = lambda x: (functional_call(pair, {name: number}, (x,)) * UPSTREAM).sum()
        return (weights * grad(loss)(X)).sum()

    theta = parameter.detach()
    torch.testing.assert_close(grad(functional)(theta), of_number)
    compiled = torch.compile(grad(functional), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(theta), of_number)
    together = torch.stack([theta, theta])
    torch.testing.assert_close(vmap(grad(functional))(together), of_number.expand(2))


@pytest.mark.parametrize(("text", "number"), PAIRS[:-1])
def test_forward_mode(text: str, number: float) -> None:
    pair = pair_at(text, f"Learnable({number})")
    tangent = jvp(pair, (X,), (UPSTREAM,))[1]
    torch.testing.assert_close(tangent, reported(pair, X, UPSTREAM))


def test_no_first_order_gradient_where_none_exists() -> None:
    pair = pair_at(PAIRS[0][0], "Learnable(0.3)")
    x = X.clone().requires_grad_()
    pair(x).sum().backward()
    assert next(pair.parameters()).grad is None
    assert x.grad is not None


@pytest.mark.parametrize("positive", [False, True])
def test_a_width_is_learned_by_unrolling_one_step(positive: bool) -> None:
    """The outer loss of the step is least for one width, and gradient descent finds it."""
    pair = SurrogateActivation(f.Heaviside(), d.Blurred(width=Learnable(1.5, positive)))
    optimizer = torch.optim.Adam(pair.parameters(), lr=0.05)
    target = float(d.Blurred(f.Heaviside(), width=0.7).slope(torch.tensor(-0.5)))
    for _ in range(300):
        weight = torch.tensor(-0.5, requires_grad=True)
        (slope,) = torch.autograd.grad(pair(weight), weight, create_graph=True)
        stepped = weight + slope
        loss = (stepped - (-0.5 + target)).square()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = float(pair.get_submodule("derivative_width"))  # type: ignore[arg-type]
    reached = float(d.Blurred(f.Heaviside(), width=found).slope(torch.tensor(-0.5)))
    assert reached == pytest.approx(target, abs=1e-4)


def test_numbers_belong_to_the_pair() -> None:
    pair = surrogate.get("Heaviside() / Blurred(width=Learnable(0.25))")
    assert dict(pair.state_dict()) == {"derivative_width.value": torch.tensor(0.25)}
    twin = copy.deepcopy(pair).double()
    with torch.no_grad():
        next(twin.parameters()).fill_(2.0)
    assert str(twin) == "Heaviside() / Blurred(width=Learnable(2.0))"
    assert str(pair) == "Heaviside() / Blurred(width=Learnable(0.25))"
    pair.load_state_dict(twin.state_dict())
    torch.testing.assert_close(reported(pair, X, UPSTREAM), reported(twin, X, UPSTREAM))


def test_a_number_that_changes_is_not_compiled_anew() -> None:
    pair = pair_at(PAIRS[0][0], "Learnable(0.3)")
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    with torch._dynamo.config.patch(error_on_recompile=True):
        for width in (0.3, 0.5, 2.0):
            with torch.no_grad():
                next(pair.parameters()).fill_(width)
            expected = reported(pair_at(PAIRS[0][0], width), X, UPSTREAM)
            x = X.clone().requires_grad_()
            (got,) = torch.autograd.grad(compiled(x), x, UPSTREAM)
            torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("start", [math.nan, math.inf])
def test_the_start_is_checked(start: float) -> None:
    with pytest.raises(ValueError, match="Learnable: start must be a finite number, got"):
        Learnable(start)
    with pytest.raises(TypeError, match="Learnable: start must be a finite number, got 'a'"):
        Learnable("a")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="start must be a finite number above 0, got 0"):
        Learnable(0, positive=True)
    with pytest.raises(
        TypeError, match=r"Cantor: depth must be an integer .* got Learnable\(3.0\)"
    ):
        f.Cantor(depth=Learnable(3))  # type: ignore[arg-type]


def variants() -> list[tuple[f.Function, str, float]]:
    """Each function of the oracles with each of its numbers that may vary."""
    found = []
    for function, _ in reference.FUNCTIONS:
        if not isinstance(function, f.Function):
            continue
        for field in dataclasses.fields(function):  # type: ignore[arg-type]
            number = getattr(function, field.name)
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                continue
            with contextlib.suppress(TypeError):
                dataclasses.replace(function, **{field.name: Learnable(number)})  # type: ignore[type-var]
                found.append((function, field.name, float(number)))
    return found


def test_numbers_of_every_family_can_be_learned() -> None:
    names = {(type(function).__name__, name) for function, name, _ in variants()}
    assert names >= {
        ("LeakyReLU", "negative_slope"),
        ("Swish", "beta"),
        ("Staircase", "step"),
        ("SoftStaircase", "softness"),
        ("Heaviside", "threshold"),
        ("Clamp", "high"),
        ("FakeQuantize", "scale"),
        ("GeneralReLU", "leak"),
    }


@pytest.mark.parametrize(("function", "name", "number"), variants(), ids=str)
def test_a_function_gives_its_numbers_their_true_gradient(
    function: f.Function, name: str, number: float
) -> None:
    """Value, slope and gradient for the number, against the fixed function's."""
    at = lambda number: dataclasses.replace(function, **{name: number})  # type: ignore[type-var]
    learnable = at(Learnable(number))
    theta = next(iter(learnable.__dict__[name].double().parameters()))
    x = (torch.linspace(-3.013, 2.987, 61) * (1 + abs(number) / 4)).double()
    fixed = at(float(theta.detach()))
    assert torch.allclose(learnable(x), fixed(x), rtol=1e-12, atol=1e-12)

    h = 1e-6 * max(1.0, abs(number))
    try:
        above, below = (at(float(theta.detach()) + sign * h)(x) for sign in (1, -1))
    except ValueError:  # at the end of what is allowed
        return
    # Points that a jump passes between the two are no use.
    steady = (above - below).abs() < 1e-3 * max(1.0, float(above.abs().max()))
    expected = ((above - below) / (2 * h))[steady].sum()
    total = learnable(x)[steady].sum()
    gradient = torch.autograd.grad(total, theta)[0] if total.requires_grad else 0.0
    assert float(gradient) == pytest.approx(float(expected), rel=1e-5, abs=1e-5)

    blind = isinstance(function, f.GradedSpike) and name == "threshold"
    with (
        pytest.warns(UserWarning, match="will not be learned")
        if blind
        else contextlib.nullcontext()
    ):
        pair = SurrogateActivation(learnable, d.Exact() + d.Constant(0.0))
    of_x = torch.autograd.grad(pair(x.requires_grad_()).sum(), x)[0]
    torch.testing.assert_close(of_x, fixed.slope(x.detach()), rtol=1e-9, atol=1e-9)


REQUIRED: dict[str, dict[str, object]] = {
    "DerivativeOf": {"function": f.Tanh()},
    "Noisy": {"derivative": d.Exact(), "std": 0.5},
    "Split": {"left": d.Exact(), "right": d.Constant()},
    "Towards": {"low": 0.0, "high": 1.0},
    "EWGS": {"delta": 0.5},
    "GradientNoise": {"std": 0.5},
    "ClipValue": {"limit": 0.5},
    "ClipNorm": {"limit": 0.5},
}
# They shape a table, are looked at by Python, or would have no gradient worth the trouble.
FIXED = {
    "PerlinNoise.resolution", "Ternary.at_tie", "RReLU.lower", "RReLU.upper",
    "Threshold.threshold", "Threshold.replacement", "Heaviside.at_zero", "Sign.at_zero",
    "Box.left", "Box.right", "Towards.low", "Towards.high", "Cauchy.power", "FastSigmoid.power",
    "PeriodicLaplace.period", "SwishSign.beta", "Cosines.period", "Directional.width",
    "Bernoulli.width",
}  # fmt: skip


@pytest.mark.parametrize(
    ("function", "derivative", "warns"),
    [
        (f.Heaviside(Learnable(0.3)), d.Exact(), True),
        (f.Heaviside(Learnable(0.3)), d.Constant(0.0), True),
        (f.Heaviside(Learnable(0.3)), d.Gaussian(), False),
        (f.Ternary(Learnable(0.3)), d.DerivativeOf(f.Sign()), True),
        (f.Ternary(Learnable(0.3)), d.DerivativeOf(f.Tanh()), False),
        (f.MultiSpike(Learnable(0.3)), d.Exact(), True),
        (f.GradedSpike(Learnable(0.3)), d.Gaussian(), True),
        (f.Staircase(Learnable(0.3)), d.Exact(), False),
        (f.Swish(Learnable(0.3)), d.Exact(), False),
    ],
    ids=str,
)
def test_a_number_that_cannot_be_learned_is_said_to_be_so(
    function: f.Function, derivative: d.Derivative, warns: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pair = SurrogateActivation(function, derivative).double()
    assert [str(each.message).count("will not be learned") for each in caught] == [1] * warns
    (number,) = (each for name, each in pair.named_parameters() if name.startswith("function"))
    y = pair(X)
    got = 0.0
    if y.requires_grad:
        got = torch.autograd.grad(y, number, UPSTREAM, materialize_grads=True)[0].item()
    assert (got == 0.0) == warns


def test_which_numbers_may_vary() -> None:
    fixed = set()
    for registry in (functions, derivatives):
        for name in registry:
            given = REQUIRED.get(name, {})
            signature = inspect.signature(registry[name])
            defaults = {key: p.default for key, p in signature.parameters.items()} | given
            for key, number in defaults.items():
                if isinstance(number, float):
                    try:
                        registry[name](**{**given, key: Learnable(number or 0.5)})
                    except TypeError:
                        fixed.add(f"{name}.{key}")
    assert fixed == FIXED
