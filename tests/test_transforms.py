"""The same reported derivative in every mode in which torch differentiates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.torch_private import graphs_compiled
from tests.few import few_of
from tests.ids import shown
from tests.measure import kept_bytes

# torch's forward mode still uses torch.jit itself.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")

# A pair with its true derivative is its function alone: a few stand for all of them here.
PLAIN = ("linear", "relu", "rrelu", "gelu", "mish", "general_relu", "sin", "cantor", "perlin4")
NAMES = [
    name
    for name in surrogate.names()
    if name in PLAIN or not isinstance(surrogate.get(name).derivative, d.Exact)
]
POINTWISE = [name for name in NAMES if name != "relu_directional"]
UPSTREAM = torch.randn(40, generator=torch.Generator().manual_seed(1))


def points() -> Tensor:
    return 1.5 * torch.randn(40, generator=torch.Generator().manual_seed(2))


def definition(pair: SurrogateActivation, x: Tensor, upstream: Tensor) -> Tensor:
    """What the pair's derivative says by itself, without any autograd Function."""
    return pair.reported_gradient(x.double(), upstream.double()).float()


def backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    function(x).backward(UPSTREAM)
    assert x.grad is not None
    return x.grad


def ones_like(pair: SurrogateActivation, x: Tensor) -> Tensor:
    return definition(pair, x, torch.ones_like(x))


def check(reported: Tensor | None, expected: Tensor) -> None:
    torch.testing.assert_close(reported, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", few_of(NAMES))
def test_eager_functional_and_compiled_agree(name: str) -> None:
    pair, x = surrogate.get(name).eval(), points()
    expected = definition(pair, x, UPSTREAM)
    check(backward(pair, x), expected)
    check(backward(torch.compile(pair, fullgraph=True), x), expected)
    pullback = vjp(pair, x)[1]
    check(pullback(UPSTREAM)[0], expected)
    ones = ones_like(pair, x)
    total = lambda x: pair(x).sum()
    check(grad(total)(x), ones)
    check(torch.compile(grad(total), fullgraph=True)(x), ones)
    check(vmap(grad(pair))(x), ones)
    check(torch.compile(vmap(grad(pair)), fullgraph=True)(x), ones)
    check(jacrev(pair)(x).diagonal(), ones)


@pytest.mark.parametrize("name", POINTWISE)
def test_forward_mode_agrees(name: str) -> None:
    pair, x = surrogate.get(name).eval(), points()
    tangent = lambda x: jvp(pair, (x,), (UPSTREAM,))[1]
    expected = definition(pair, x, UPSTREAM)
    check(tangent(x), expected)
    check(torch.compile(tangent, fullgraph=True)(x), expected)
    check(jacfwd(pair)(x).diagonal(), ones_like(pair, x))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, UPSTREAM)
        check(torch.autograd.forward_ad.unpack_dual(pair(dual)).tangent, expected)


@pytest.mark.parametrize("name", few_of(POINTWISE))
def test_exported_modules_train_with_the_reported_derivative(name: str) -> None:
    pair, x = surrogate.get(name).eval(), points()
    exported = torch.export.export(pair, (x,)).module()
    assert torch.equal(exported(x), pair(x))
    check(backward(exported, x), definition(pair, x, UPSTREAM))


@pytest.mark.parametrize(
    "derivative",
    [d.Blurred(width=0.4), d.DerivativeOf(f.Tanh()), 0.5 * d.DerivativeOf(f.Sin()) + d.Constant(1)],
    ids=repr,
)
def test_higher_orders_are_those_of_the_slope(derivative: d.Pointwise) -> None:
    pair = SurrogateActivation(f.Heaviside(), derivative)
    bound = derivative.bind(pair.function)
    assert bound.pointwise
    x = points().double()
    slope = lambda x: bound.slope(x).sum()
    second, third = grad(slope)(x), grad(lambda x: grad(slope)(x).sum())(x)

    y = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(pair(y).sum(), y, create_graph=True)
    (by_autograd,) = torch.autograd.grad(first.sum(), y, create_graph=True)
    torch.testing.assert_close(by_autograd, second)
    torch.testing.assert_close(torch.autograd.grad(by_autograd.sum(), y)[0], third)

    total = lambda x: pair(x).sum()
    functional = grad(lambda x: grad(total)(x).sum())
    for transform in (functional, torch.compile(functional, fullgraph=True)):
        torch.testing.assert_close(transform(x), second)
    compiled = torch.compile(grad(lambda x: functional(x).sum()), fullgraph=True)
    torch.testing.assert_close(compiled(x), third)
    torch.testing.assert_close(hessian(total)(x).diagonal(), second)
    exported = torch.export.export(pair, (x,)).module()
    (first,) = torch.autograd.grad(exported(y).sum(), y, create_graph=True)
    torch.testing.assert_close(torch.autograd.grad(first.sum(), y)[0], second)


def test_forward_mode_of_a_rule_is_refused_with_a_reason() -> None:
    pair, x = surrogate.get("relu_directional"), points()
    tangent = lambda x: jvp(pair, (x,), (UPSTREAM,))[1]
    for attempt in (
        lambda: tangent(x),
        lambda: jacfwd(pair)(x),
        lambda: hessian(lambda x: pair(x).sum())(x),
    ):
        with pytest.raises(
            RuntimeError, match="depends on the upstream gradient, which forward mode"
        ):
            attempt()
    with pytest.raises(Exception, match=r"Observed exception|depends on the upstream gradient"):
        torch.compile(tangent, fullgraph=True)(x)
    with pytest.raises(RuntimeError, match=r"torch.export can't represent"):
        torch.export.export(pair, (x,))


@pytest.mark.parametrize(
    "derivative",
    [
        lambda x, grad_output: grad_output.clamp(-0.1, 0.1) * x,
        d.Directional(width=0.5) + 0.5 * d.Constant(1),
        2 * d.Directional(d.Constant(0.5), d.Constant(1)) + d.Directional(),
    ],
    ids=["clipped", "sum", "sum of rules"],
)
def test_rules_compile(derivative: Any) -> None:
    pair, x = SurrogateActivation(f.Tanh(), derivative), points()
    expected = definition(pair, x, UPSTREAM)
    check(backward(pair, x), expected)
    check(backward(torch.compile(pair, fullgraph=True), x), expected)
    tangent = lambda x: jvp(pair, (x,), (UPSTREAM,))[1]
    with pytest.raises(Exception, match=r"Observed exception|depends on the upstream gradient"):
        torch.compile(tangent, fullgraph=True)(x)


@pytest.mark.parametrize(
    "derivative",
    [
        d.Blurred(width=0.4),
        d.Blurred(width=Learnable(0.4), kernel="logistic"),
        d.ClipNorm(1.0, d.Blurred(kernel="triangle")),
        d.Perturbed(samples=3),
        d.Directional(width=0.3),
        d.EWGS(0.3, d.Noisy(d.Exact(), std=0.1)),
    ],
    ids=str,
)
@pytest.mark.parametrize("function", [torch.tanh, f.Tanh()], ids=shown)
def test_what_evaluates_a_function_elsewhere_compiles(derivative: Any, function: Any) -> None:
    pair, x = SurrogateActivation(function, derivative), points()
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    check(backward(compiled, x), definition(pair, x, UPSTREAM))


def test_export_of_a_callable_with_a_gradient() -> None:
    pair, x = SurrogateActivation(torch.sign, d.DerivativeOf(torch.tanh)), points()
    exported = torch.export.export(pair, (x,)).module()
    check(backward(exported, x), UPSTREAM * (1 - torch.tanh(x) ** 2))
    pair.derivative = 2 * pair.derivative
    with pytest.raises(
        RuntimeError, match=r"a callable of yours, which torch.export can't represent"
    ):
        torch.export.export(pair, (x,))


NORMS = [
    lambda rule: d.ClipNorm(0.5, rule),
    lambda rule: d.PreserveNorm(rule),
    lambda rule: d.Centralise(derivative=rule),
    lambda rule: d.Centralise(dim=None, derivative=rule) + d.Constant(0.5),
]


@pytest.mark.parametrize("change", NORMS, ids=["ClipNorm", "PreserveNorm", "Centralise", "sum"])
@pytest.mark.parametrize(
    "inner", [d.Constant(), d.DerivativeOf(f.Tanh()), d.Directional()], ids=repr
)
def test_norms_and_means_are_those_of_each_sample_under_vmap(change: Any, inner: Any) -> None:
    pair, x = SurrogateActivation(f.ReLU(), change(inner)), points().view(4, 10)
    upstream = UPSTREAM.view(4, 10)
    expected = torch.stack([definition(pair, *row) for row in zip(x, upstream, strict=True)])
    total = lambda x, upstream: (pair(x) * upstream).sum()
    of_samples = vmap(grad(total))
    of_all = grad(lambda x, upstream: (vmap(pair)(x) * upstream).sum())
    for transform in (of_samples, of_all):
        check(transform(x, upstream), expected)
        compiled = torch.compile(transform, fullgraph=True, backend="aot_eager")
        check(compiled(x, upstream), expected)
    y = x.clone().requires_grad_()
    vmapped = torch.compile(vmap(pair), fullgraph=True, backend="aot_eager")
    check(torch.autograd.grad(vmapped(y), y, upstream)[0], expected)


@pytest.mark.parametrize(
    "pair",
    [
        SurrogateActivation(f.Sign(), d.Gaussian()),
        SurrogateActivation(f.Staircase(Learnable(0.3)), d.Constant()),
        SurrogateActivation(f.Sign(), d.Gaussian(Learnable(0.3))),
        SurrogateActivation(torch.nn.PReLU(), d.Constant(2.0)),
        SurrogateActivation(torch.sign, lambda x, grad_output: grad_output.clamp(-1, 1) * x),
    ],
    ids=str,
)
def test_a_compiled_pair_within_vmap(pair: SurrogateActivation) -> None:
    """torch runs it eagerly, or refuses if the whole graph has to be compiled."""
    x, compiled = points(), torch.compile(pair, backend="aot_eager")
    check(vmap(compiled)(x.view(4, 10)), pair(x).view(4, 10))
    total = lambda x, upstream: (compiled(x) * upstream).sum()
    reported = vmap(grad(total))(x.view(4, 10), UPSTREAM.view(4, 10))
    check(reported.flatten(), definition(pair, x, UPSTREAM))
    whole = torch.compile(pair, fullgraph=True, backend="aot_eager")
    with pytest.raises(Exception, match=r"functorch tracing attempt|no compiled frames"):
        vmap(whole)(x.view(4, 10))


@pytest.mark.parametrize(
    "text",
    [
        "relu",
        "gelu",
        "cantor2",
        "sign_ste",
        "staircase_blurred",
        "relu_directional",
        "staircase_learned",
        "RReLU() / 2 * Exact()",
        "Sign() / ClipNorm(limit=0.5)",
        "MagnitudeSign() / Box()",
    ],
)
@pytest.mark.parametrize("dynamic", [True, None], ids=["dynamic", "automatic"])
def test_sizes_are_compiled_once(text: str, dynamic: bool | None) -> None:
    """Also beyond 262,144 elements, where eager mode goes block by block."""
    pair = surrogate.get(text).eval()
    compiled = torch.compile(pair, fullgraph=True, dynamic=dynamic, backend="aot_eager")
    before = graphs_compiled()
    for size in (5, 7, 9, 300_000):
        x = points().repeat(size // 40 + 1)[:size].requires_grad_()
        (reported,) = torch.autograd.grad(compiled(x).sum(), x)
        check(reported, pair.reported_gradient(x.detach(), torch.ones(size)))
    assert graphs_compiled() - before == (1 if dynamic else 2)  # the first one has a fixed size


WRITES: list[tuple[Any, Any]] = [
    (lambda x: x.relu_(), lambda x: torch.exp(-x * x)),
    (lambda x: x.mul_(2).sin(), d.Constant()),
    (torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Tanh()), d.Box()),
    (torch.sign, lambda x: x.mul_(2)),
    (torch.sign, lambda x, grad_output: grad_output.mul_(x)),
    (torch.sign, d.ClipNorm(100.0, lambda x: x.mul_(2))),
    (f.Sign(), d.DerivativeOf(lambda x: x.mul_(2).tanh())),
    (f.Sign(), d.DerivativeOf(lambda x, value: value.add_(1) * x)),
]


@pytest.mark.parametrize(("function", "derivative"), WRITES)
def test_what_writes_into_its_input_is_refused(function: Any, derivative: Any) -> None:
    """Where torch counts writes; else it gets a copy."""
    pair, x = SurrogateActivation(function, derivative), points()
    before, expected = x.clone(), function(x.clone())
    total = lambda x: (pair(1.0 * x) * UPSTREAM).sum()  # whose upstream gradient is a new tensor
    with pytest.raises(RuntimeError, match=r"writes into its input, which the derivative"):
        total(x.clone().requires_grad_()).backward()
    upstream = UPSTREAM.clone()
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    y = compiled(x.requires_grad_())
    check(y, expected)
    y.backward(upstream)
    check(vmap(pair)(x.detach().view(4, 10)).flatten(), expected)
    with torch.inference_mode():
        check(pair(x), expected)
        check(pair(x.clone()), expected)
    assert torch.equal(x, before)
    assert torch.equal(upstream, UPSTREAM)


def test_a_module_that_says_that_it_writes_into_its_input_makes_no_pair() -> None:
    with pytest.raises(ValueError, match=r"<ReLU\(inplace=True\)> writes into its input"):
        SurrogateActivation(torch.nn.ReLU(inplace=True), d.Box())


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_parameters_of_functions_under_transforms(compiled: bool) -> None:
    """A learnable function below a fake derivative: d/dx is the lie, d/dθ the truth."""
    pair = SurrogateActivation(torch.nn.PReLU(), d.Constant(2.0))
    x = points()

    def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return (torch.func.functional_call(pair, parameters, (x,)) * UPSTREAM).sum()

    transform = grad(loss, argnums=(0, 1))
    if compiled:
        transform = torch.compile(transform, fullgraph=True)
    of_parameters, of_x = transform(dict(pair.named_parameters()), x)
    check(of_x, 2 * UPSTREAM)
    check(of_parameters["function.weight"], (x.clamp(max=0) * UPSTREAM).sum().reshape(1))


@pytest.mark.parametrize(
    "family",
    [
        ("Staircase(0.5) / Blurred(width={})", [0.1, 0.3, 0.2]),
        ("Staircase() / Blurred(SoftStaircase(softness={}), width=0.05)", [0.5, 0.1, 0.2]),
        ("Cantor(depth={}) / Blurred(width=0.1)", [3, 7, 12]),
        ("PerlinNoise(seed={}) / Exact()", [0, 1, 2]),
        ("ReLU() / Directional(left=Constant({}), right=Constant(1))", [0, 0.5, 0.25]),
    ],
    ids=lambda family: family[0],
)
def test_pairs_of_one_shape_do_not_share_compiled_numbers(family: tuple[str, list[float]]) -> None:
    """Neither each compiled by itself nor all through one compiled function."""
    text, numbers = family
    through_one = torch.compile(lambda pair, x: pair(x), fullgraph=True, backend="aot_eager")
    for number in numbers:
        pair, x = surrogate.get(text.format(number)), points()
        compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
        expected = definition(pair, x, UPSTREAM)
        check(backward(compiled, x), expected)
        check(backward(lambda x, pair=pair: through_one(pair, x), x), expected)


def test_values_of_infinite_inputs_in_every_mode() -> None:
    ends = torch.tensor([-torch.inf, 0.5, torch.inf])
    for name, values in (
        ("cantor2", [-torch.inf, 0.5, torch.inf]),
        ("relu_blurred", [0, 0.5, torch.inf]),
        ("heaviside_blurred", [0, 1, 1]),
    ):
        pair = surrogate.get(name)
        for function in (
            pair,
            torch.compile(pair, fullgraph=True),
            vmap(pair),
            torch.export.export(pair, (ends,)).module(),
        ):
            assert function(ends).tolist() == values
            assert function(ends.clone().requires_grad_()).tolist() == values


def test_compiled_keeps_no_more_than_eager() -> None:
    """A constant derivative keeps nothing; what the rest keeps is x or the slope, once."""
    for name, most in (("cantor2", 0), ("sign_ste", 4), ("relu_blurred", 4)):
        x = torch.randn(1000, requires_grad=True)
        compiled = torch.compile(surrogate.get(name), fullgraph=True)
        assert kept_bytes(compiled, x) <= most * 1000


Both = tuple[Tensor, Tensor]


def in_backward(pair: Any, x: Tensor) -> Both:
    x = x.clone().requires_grad_()
    y = pair(x)
    return y.detach(), torch.autograd.grad(y, x, torch.ones_like(x))[0]


def in_vjp(pair: Any, x: Tensor) -> Both:
    y, pullback = vjp(pair, x)[:2]
    return y, pullback(torch.ones_like(y))[0]


def in_vmap(pair: Any, x: Tensor) -> Both:
    y, gradient = vmap(lambda x: in_vjp(pair, x), randomness="different")(x.view(4, 10))
    return y.flatten(), gradient.flatten()


def in_checkpoint(pair: Any, x: Tensor) -> Both:
    checkpointed = lambda x: torch.utils.checkpoint.checkpoint(pair, x, use_reentrant=False)
    return in_backward(checkpointed, x)


@pytest.mark.parametrize(
    "derivative", [d.Exact(), 2 * d.Exact(), d.ClipNorm(100.0, 2 * d.Exact())], ids=str
)
def test_function_and_derivative_see_one_draw(derivative: d.Derivative) -> None:
    """The slope that is reported is the one that is used, another one in each call."""
    pair, x = SurrogateActivation(f.RReLU(0.1, 0.5), derivative), -points().abs()
    factor = 1 if isinstance(derivative, d.Exact) else 2
    compiled = torch.compile(pair, fullgraph=True, backend="aot_eager")
    runs: list[tuple[Any, Any]] = [
        (in_backward, pair),
        (in_vjp, pair),
        (in_vmap, pair),
        (in_checkpoint, pair),
        (in_backward, compiled),
        (torch.compile(in_vjp, fullgraph=True, backend="aot_eager"), pair),
    ]
    if pair.derivative != d.ClipNorm(100.0, 2 * d.Exact()):
        runs.append((lambda pair, x: jvp(pair, (x,), (torch.ones_like(x),)), pair))
    drawn = []
    for run, each in runs:
        for _ in range(2):
            y, gradient = run(each, x)
            check(gradient, factor * y / x)
            drawn.append(y / x)
    together = torch.stack(drawn)
    assert 0.1 < float(together.min()) < float(together.max()) < 0.5
    assert len(together.unique()) > 0.99 * together.numel()
    pair.eval()
    for run, each in runs:
        y, gradient = run(each, x)
        check(y / x, torch.full_like(x, 0.3))
        check(gradient, torch.full_like(x, 0.3 * factor))


def test_checkpointing_and_data_parallel_wrappers() -> None:
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 8), surrogate.get("relu_noisy"), torch.nn.Linear(8, 1)
    )
    x = torch.randn(16, 4)
    expected = torch.autograd.grad(net(x).sum(), list(net.parameters()))
    for reentrant in (False, True):
        inputs = x.clone().requires_grad_()
        y = torch.utils.checkpoint.checkpoint(net, inputs, use_reentrant=reentrant)
        net.zero_grad()
        y.sum().backward()
        for parameter, gradient in zip(net.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient)
