"""Compiled code is never out of date: what callables capture, the numbers and the parts of a pair,
sizes, dtypes and layouts may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f

X = torch.linspace(-2.05, 2.1, 12).double()
UPSTREAM = torch.linspace(-1.5, 2.0, len(X)).double()


class Captured:
    """What a user's callable may reach for, and another state of it."""

    def __init__(self) -> None:
        self.parameter = nn.Parameter(torch.tensor(2.0).double())
        self.tensor = torch.tensor([1.5]).double()
        self.numbers = [3.0]
        self.module = nn.PReLU().double()
        self.switch = True

    def change(self) -> None:
        with torch.no_grad():
            self.parameter.fill_(5.0)
            self.module.weight.fill_(0.75)
        self.tensor.fill_(4.0)
        self.numbers[0] = 7.0
        self.switch = False

    def replace(self) -> None:
        """New objects in the place of the old ones, where `change` changes them in place."""
        self.parameter = nn.Parameter(torch.tensor(6.0).double())
        self.tensor = torch.tensor([2.5]).double()
        self.numbers = [8.0]
        self.module = nn.PReLU(init=0.6).double()


now = Captured()


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    global now
    now = Captured()
    with torch._dynamo.config.patch(recompile_limit=64):  # each test is one pair in many states
        yield


class Scaled(nn.Module):
    """A module with a number that torch does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 3.0

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * torch.tanh(x)


CALLABLES: dict[str, Callable[[Tensor], Tensor]] = {
    "parameter": lambda x: torch.exp(-x * x) * now.parameter.detach(),
    "tensor": lambda x: x.cos() * now.tensor,
    "number": lambda x: x.sin() * now.numbers[0],
    "module": lambda x: now.module(x) + x * x,
    "switch": lambda x: x.sin() if now.switch else x.cos(),
}
RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    name: lambda x, grad_output, slope=slope: (grad_output * slope(x)).clamp(-3, 3)
    for name, slope in CALLABLES.items()
}
# Whatever a user's callable may be within.
AROUND: dict[str, Callable[[Any], Any]] = {
    "slope": lambda slope: slope,
    "h": d.DerivativeOf,
    "h of x and value": lambda slope: d.DerivativeOf(lambda x, value: slope(x) + 0.1 * value * x),
    "sum": lambda slope: 0.5 * d.DerivativeOf(slope) + d.Box(),
    "product": lambda slope: d.Gaussian() * d.DerivativeOf(slope),
    "shift": lambda slope: d.DerivativeOf(slope).shift(0.3),
    "clipped": lambda slope: d.ClipNorm(1.0, slope),
    "clipped h": lambda slope: d.ClipNorm(1.0, d.DerivativeOf(slope)),
    "centralised h": lambda slope: d.Centralise(derivative=d.DerivativeOf(slope)),
    "noisy": lambda slope: d.Noisy(slope, std=0.1),
    "noisy h": lambda slope: d.Noisy(d.DerivativeOf(slope), std=0.1),
    "directional": lambda slope: d.Directional(slope, slope),
    "directional h": lambda slope: d.Directional(d.DerivativeOf(slope), d.Constant()),
    "secants": lambda slope: d.Directional().bind(slope),
    "split": lambda slope: d.Split(slope, d.Constant()),
    "blurred": lambda slope: d.Blurred(slope, kernel="box"),
    "perturbed": lambda slope: d.Perturbed(slope, samples=2),
    "magnified": lambda slope: d.EWGS(0.3, function=slope),
}


def both(
    pair: Callable[[Tensor], Tensor], x: Tensor = X, upstream: Tensor = UPSTREAM
) -> tuple[Tensor, Tensor]:
    """The value and the reported gradient."""
    x = x.detach().requires_grad_()
    y = pair(x)
    return y.detach(), torch.autograd.grad(y, x, upstream)[0]


def compile(module: Any, **kwargs: Any) -> Any:
    return torch.compile(module, fullgraph=True, backend="aot_eager", **kwargs)


def agree(compiled: Any, pair: SurrogateActivation) -> Tensor:
    """The values and the gradients of both."""
    expected = torch.stack(both(pair))
    torch.testing.assert_close(torch.stack(both(compiled)), expected)
    return expected


def changes_are_seen(make: Callable[[], SurrogateActivation]) -> None:
    """Compiled before a change, and right after it; and the change does make a difference."""
    pair = make()
    compiled = compile(pair)
    reported = []
    for change in (lambda: None, now.change, now.replace):
        change()
        reported.append(agree(compiled, pair))
    assert not torch.equal(reported[0], reported[1])


@pytest.mark.parametrize("name", CALLABLES)
@pytest.mark.parametrize(
    "around",
    [
        name if name in ("slope", "h", "sum") else pytest.param(name, marks=pytest.mark.thorough)
        for name in AROUND
    ],
)
def test_what_a_callable_captures(name: str, around: str) -> None:
    changes_are_seen(lambda: SurrogateActivation(f.Round(), AROUND[around](CALLABLES[name])))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("around", ["slope", "clipped"])
def test_what_a_rule_captures(name: str, around: str) -> None:
    changes_are_seen(lambda: SurrogateActivation(f.Round(), AROUND[around](RULES[name])))


@pytest.mark.parametrize("name", CALLABLES)
@pytest.mark.parametrize(
    "derivative", [d.Constant(2.0), d.Exact(), 2 * d.Exact(), d.ClipNorm(1.0, d.Exact())], ids=str
)
def test_what_a_function_captures(name: str, derivative: d.Derivative) -> None:
    changes_are_seen(lambda: SurrogateActivation(CALLABLES[name], derivative))


@pytest.mark.parametrize(
    "make",
    [
        lambda module: SurrogateActivation(module, d.Constant(2.0)),
        lambda module: SurrogateActivation(module, d.Exact()),
        lambda module: SurrogateActivation(f.Round(), module),
        lambda module: SurrogateActivation(f.Round(), d.DerivativeOf(module)),
        lambda module: SurrogateActivation(f.Round(), d.ClipNorm(1.0, d.DerivativeOf(module))),
        lambda module: SurrogateActivation(f.Round(), d.Noisy(d.DerivativeOf(module), 0.1)),
    ],
    ids=["function", "with its derivative", "slope", "h", "clipped h", "noisy h"],
)
@pytest.mark.parametrize("module", [nn.PReLU(init=0.5), Scaled()], ids=str)
def test_modules(make: Callable[[nn.Module], SurrogateActivation], module: nn.Module) -> None:
    """Their parameters, and what else they hold."""
    pair = make(module.double())
    compiled = compile(pair)
    before = agree(compiled, pair)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(3.0)
    if isinstance(module, Scaled):
        module.factor *= 3.0
    assert not torch.equal(agree(compiled, pair), before)


class Magnified(d.Derivative, register=False):
    """A rule of a user's, with a number from elsewhere."""

    linear = True

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        return now.numbers[0] * grad_output * saved


class Tripled(f.Function, register=False):
    """A function of a user's, the same."""

    def value(self, x: Tensor) -> Tensor:
        return now.numbers[0] * torch.tanh(x)


@pytest.mark.parametrize(
    "derivative",
    [
        Magnified(),
        d.ClipNorm(1.0, Magnified().shift(0.3)),
        d.Noisy(Magnified(), 0.1),
        d.DerivativeOf(Tripled()),
        2 * d.DerivativeOf(Tripled()),
        d.ClipNorm(9.0, d.Blurred(Tripled(), width=0.5)),
        d.EWGS(0.3, function=Tripled()),
    ],
    ids=str,
)
def test_classes_of_a_user(derivative: d.Derivative) -> None:
    changes_are_seen(lambda: SurrogateActivation(f.Round(), derivative))
    changes_are_seen(lambda: SurrogateActivation(Tripled(), d.ClipNorm(9.0, d.Exact())))


NUMBERS = [
    ("Staircase(step={}) / Constant()", "function.step"),
    ("Heaviside(threshold={}) / Gaussian()", "function.threshold"),
    ("Swish(beta={}) / Exact()", "function.beta"),
    ("Heaviside() / Blurred(width={})", "derivative.width"),
    ("Sign() / ClipNorm(limit={})", "derivative.limit"),
    ("Sign() / {} * Directional()", "derivative.factor"),
]


@pytest.mark.parametrize("annealed", [False, True], ids=["learned", "annealed"])
@pytest.mark.parametrize(("text", "path"), NUMBERS)
def test_numbers_that_move(text: str, path: str, annealed: bool) -> None:
    """By an optimiser, a checkpoint or a schedule: without compiling anew."""
    pair = surrogate.get(text.format("0.5" if annealed else "Learnable(0.5)"))
    if annealed:
        surrogate.Anneal(pair, {path: "linear(0.5, 2.0)"}, steps=4)
    compiled = compile(pair.double())
    agree(compiled, pair)
    with torch._dynamo.config.patch(error_on_recompile=True):
        (name,) = pair.state_dict()
        for number in (0.75, 1.5):
            pair.load_state_dict({name: torch.tensor(number)})
            agree(compiled, surrogate.get(text.format(number)))


def test_parts_that_are_assigned() -> None:
    pair = SurrogateActivation(f.Round(), d.Constant(2.0))
    compiled = compile(pair)
    agree(compiled, pair)
    pair.derivative = d.Gaussian(0.7)
    agree(compiled, pair)
    pair.derivative = d.Gaussian(0.3)
    agree(compiled, pair)
    pair.function = nn.PReLU().double()
    agree(compiled, pair)
    pair.function = f.Staircase(Learnable(0.3))
    agree(compiled, pair)
    pair.derivative = d.ClipNorm(0.5)
    _, reported = agree(compiled, pair)
    torch.testing.assert_close(reported.norm(), torch.tensor(0.5).double())


def test_training_and_evaluation() -> None:
    pair = surrogate.get("RReLU(lower=0.1, upper=0.5) / 2 * Exact()")
    compiled = compile(pair)
    for training in (True, False, True):
        pair.train(training)
        x = X.clone().requires_grad_()
        y = compiled(x)
        drawn = (y / x).detach()[X < 0]
        assert (len(drawn.unique()) > 1) == training
        slopes = torch.where(X > 0, 1, (y / x).detach())
        torch.testing.assert_close(torch.autograd.grad(y, x, UPSTREAM)[0], 2 * slopes * UPSTREAM)


@pytest.mark.parametrize(
    "name", ["cantor2", "sign_ste", "staircase_blurred", "relu_directional", "staircase_learned"]
)
def test_sizes_dtypes_and_layouts(name: str) -> None:
    """All through one compiled pair."""
    pair = surrogate.get(name)
    compiled = compile(pair, dynamic=True)
    for shape in ((5,), (7,), (0,), (3, 4), (), (2, 3, 4, 4), (1,), (70_001,)):
        same(compiled, pair, torch.randn(shape))
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        same(compiled, pair, torch.randn(9).to(dtype))
    same(compiled, pair, torch.randn(4, 6).t())
    same(compiled, pair, torch.randn(4, 6)[:, ::2])
    same(compiled, pair, torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    same(compiled, pair, torch.randn(3, 1).expand(3, 4))
    with torch.autocast("cpu", torch.bfloat16):
        same(compiled, pair, torch.randn(6))
        same(compiled, pair, torch.randn(6).bfloat16())
    with torch.no_grad():
        x = torch.randn(6)
        torch.testing.assert_close(compiled(x), pair(x))


def same(compiled: Any, pair: SurrogateActivation, x: Tensor) -> None:
    """Torch itself lays out the gradient of a transposed input anew if sizes are dynamic."""
    upstream = torch.empty_like(x).copy_(torch.linspace(-1, 1, x.numel()).view(x.shape))
    (y, gradient), (value, expected) = both(compiled, x, upstream), both(pair, x, upstream)
    torch.testing.assert_close(y, value)
    torch.testing.assert_close(gradient, expected)
    assert y.dtype == gradient.dtype == x.dtype
    assert y.stride() == value.stride()
