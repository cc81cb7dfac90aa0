"""What literature builds by hand, as pairs: each against a formula of its own, in every mode.

Learned steps (LSQ) and thresholds, one-hot argmax, top-k, Gumbel straight-through, nearest codes
and ReinMax.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, vjp, vmap
from torch.nn import functional as F

from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.drawn import Drawn
from surrogate.core.numbers import Number, Positive

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")

# A batch of 3 samples with 4 channels of 5 numbers; none of them at a jump.
X = (2 * torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(3))).double()
UPSTREAM = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(4)).double()
TANGENT = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(5)).double()
CHANNELS = (0.3, 0.5, 0.8, 1.1)
CODES = torch.randn(6, 5, generator=torch.Generator().manual_seed(6)).double()

Formula = Callable[..., tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Case:
    """A pair, and what it has to make of (x, g, number): the value, and the gradients for x and,
    element by element, for its number, if it learns one."""

    pair: Callable[[], SurrogateActivation]
    expected: Formula
    draws: bool = False
    compiles: bool = (
        True  # the transforms of torch.func too, which a callable within a sum does not
    )


def per_channel() -> Learnable:
    return Learnable(torch.tensor(CHANNELS).view(4, 1))


def staircase(x: Tensor, g: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """LSQ (Esser et al. 2020, equation 3) without limits."""
    steps = torch.round(x / step)
    return step * steps, g, g * (steps - x / step)


def lsq(low: int, high: int, left: float, right: float) -> Formula:
    """The same with levels from low to high, and a gradient within a window of x."""

    def expected(x: Tensor, g: Tensor, step: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        levels = torch.round(x / step).clamp(low, high)
        inside = ((x >= left) & (x <= right)).double()
        return levels * step, g * inside, g * (levels - inside * x / step)

    return expected


def uniform_of_high(x: Tensor, g: Tensor, high: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """y = low + (high − low) · f((x − low) / (high − low)) with 3 bits and low = −0.5."""
    u = (x + 0.5) / (high + 0.5)
    level = torch.round(u.clamp(0, 1) * 7) / 7
    return -0.5 + (high + 0.5) * level, g, g * (level - u)


def uniform_of_low(x: Tensor, g: Tensor, low: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    u = (x - low) / (1.5 - low)
    level = torch.round(u.clamp(0, 1) * 7) / 7
    return low + (1.5 - low) * level, g, g * ((1 - 1) - (level - u))


def bell(x: Tensor, width: float) -> Tensor:
    return torch.exp(-((x / width) ** 2) / 2) / (width * (2 * torch.pi) ** 0.5)


def threshold(x: Tensor, g: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = bell(x - threshold, 0.7)
    return (x >= threshold).double(), g * slope, -g * slope


def ternary(x: Tensor, g: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = bell(x - threshold, 0.4) + bell(x + threshold, 0.4)
    return x.sign() * (x.abs() > threshold), g * slope, -g * slope * x / threshold


def multi_spike(x: Tensor, g: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    slope = 1 / (1 + x.abs()) ** 2
    return (x / threshold).floor().clamp(0, 3), g * slope, -g * slope * x / threshold


def learned_shift() -> SurrogateActivation:
    number = per_channel()
    return SurrogateActivation(f.Heaviside(number), d.Gaussian(0.7).shift(number).normalise("area"))


def one_hot(x: Tensor) -> Tensor:
    return (x.argmax(-1, keepdim=True) == torch.arange(x.shape[-1])).to(x.dtype)


def pulled_back(p: Tensor, g: Tensor) -> Tensor:
    """g times the Jacobian of softmax, where it is p."""
    return p * (g - (g * p).sum(-1, keepdim=True))


def exponentials(x: Tensor) -> Tensor:
    powers = torch.exp(x - x.amax(-1, keepdim=True))
    return powers / powers.sum(-1, keepdim=True)


def spikes_through(x: Tensor, g: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    of_x = g * (1 - torch.tanh(x) ** 2)
    return (x / threshold).floor().clamp(0, 3), of_x, -of_x * x / threshold


def argmax(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    largest = (x == x.amax(-1, keepdim=True)).double()
    return largest, pulled_back(exponentials(x), g), g


def top_2(x: Tensor) -> Tensor:
    """1 for the two largest numbers, 0 for the others."""
    return torch.zeros_like(x).scatter(-1, x.topk(2, dim=-1).indices, 1.0)


def top_2_values(x: Tensor) -> Tensor:
    return (x >= x.sort(-1).values[..., -2:-1]).double()


def top_2_sigmoid(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    s = 1 / (1 + torch.exp(-x / 0.5))
    return top_2_values(x), g * s * (1 - s) / 0.5, g


def top_2_softmax(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return top_2_values(x), 2 * pulled_back(exponentials(x), g), g


class HardSample(f.Function, register=False):
    """The one-hot vector of the largest of x + noise."""

    noise: Number
    elementwise = False

    def value(self, x: Tensor) -> Tensor:
        return one_hot(x + self.noise)


class SoftSample(f.Function, register=False):
    """softmax((x + noise) / temperature)."""

    noise: Number
    temperature: Positive = 1.0
    elementwise = False

    def value(self, x: Tensor) -> Tensor:
        return ((x + self.noise) / self.temperature).softmax(-1)


def gumbel_pair() -> SurrogateActivation:
    noise = Drawn(law="gumbel")
    return SurrogateActivation(HardSample(noise), d.DerivativeOf(SoftSample(noise, 0.7)))


def gumbel(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Jang et al. 2017, with the next numbers of the generator."""
    moved = x - torch.log(-torch.log(torch.rand_like(x)))
    largest = (moved == moved.amax(-1, keepdim=True)).double()
    return largest, pulled_back(exponentials(moved / 0.7), g) / 0.7, g


def reinmax(x: Tensor, value: Tensor) -> Tensor:
    """Liu et al. 2023, as their code has it, at temperature 1.1."""
    both = (value + (x / 1.1).softmax(-1)) / 2
    second = ((both.log() - x).detach() + x).softmax(-1)
    return 2 * second - 0.5 * x.softmax(-1)


def reinmax_pair() -> SurrogateActivation:
    return SurrogateActivation(HardSample(Drawn(law="gumbel")), d.DerivativeOf(reinmax))


def reinmax_expected(x: Tensor, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    value, *_ = gumbel(x, g)
    p = (value + exponentials(x / 1.1)) / 2
    return value, 2 * pulled_back(p, g) - 0.5 * pulled_back(exponentials(x), g), g


class Nearest(nn.Module):
    """The nearest of some codes, which learn from what they are taken for."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Parameter(CODES.clone())

    def forward(self, x: Tensor) -> Tensor:
        distances = (x.unsqueeze(-2) - self.codes).square().sum(-1)
        return F.embedding(distances.argmin(-1), self.codes)


def nearest(x: Tensor, g: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    chosen = one_hot(-(x @ codes.T * -2 + (codes * codes).sum(-1)))
    return chosen @ codes, g, torch.einsum("...c,...n->cn", chosen, g)


LEARNED = {
    "LSQ": Case(lambda: SurrogateActivation(f.Staircase(Learnable(0.7)), d.Constant()), staircase),
    "LSQ per channel": Case(
        lambda: SurrogateActivation(f.Staircase(per_channel()), d.Constant()), staircase
    ),
    "LSQ, 3 bits": Case(
        lambda: SurrogateActivation(
            f.FakeQuantize(Learnable(0.5), quant_min=-4, quant_max=3), d.Box(-2.25, 1.75)
        ),
        lsq(-4, 3, -2.25, 1.75),
    ),
    "LSQ per channel, 3 bits": Case(
        lambda: SurrogateActivation(
            f.FakeQuantize(per_channel(), quant_min=-4, quant_max=3), d.Box(-2.25, 1.75)
        ),
        lsq(-4, 3, -2.25, 1.75),
    ),
    "learned upper limit": Case(
        lambda: SurrogateActivation(f.UniformQuantizer(3, -0.5, per_channel()), d.Constant()),
        uniform_of_high,
    ),
    "learned lower limit": Case(
        lambda: SurrogateActivation(f.UniformQuantizer(3, Learnable(-0.6), 1.5), d.Constant()),
        uniform_of_low,
    ),
    "threshold": Case(
        lambda: SurrogateActivation(f.Heaviside(per_channel()), d.Blurred(width=0.7)),
        threshold,
    ),
    "threshold, one number twice": Case(learned_shift, threshold),
    "ternary threshold": Case(
        lambda: SurrogateActivation(f.Ternary(Learnable(0.7)), d.Blurred(width=0.4)), ternary
    ),
    "spikes": Case(
        lambda: SurrogateActivation(
            f.MultiSpike(Learnable(0.7), most=3), lambda x: 1 / (1 + x.abs()) ** 2
        ),
        multi_spike,
    ),
    "spikes, through tanh": Case(
        lambda: SurrogateActivation(f.MultiSpike(per_channel(), 3), d.DerivativeOf(torch.tanh)),
        spikes_through,
    ),
    "nearest code": Case(lambda: SurrogateActivation(Nearest(), d.Constant()), nearest),
}
FIXED = {
    "argmax": Case(
        lambda: SurrogateActivation(one_hot, d.DerivativeOf(lambda x: x.softmax(-1))), argmax
    ),
    "top-2 by sigmoid": Case(
        lambda: SurrogateActivation(top_2, d.DerivativeOf(lambda x: torch.sigmoid(x / 0.5))),
        top_2_sigmoid,
    ),
    "top-2 by softmax": Case(
        lambda: SurrogateActivation(top_2, 2 * d.DerivativeOf(lambda x: x.softmax(-1))),
        top_2_softmax,
        compiles=False,
    ),
    "Gumbel": Case(gumbel_pair, gumbel, draws=True),
    "ReinMax": Case(reinmax_pair, reinmax_expected, draws=True),
}
CASES = LEARNED | FIXED


def close(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)


def compile(run: Callable[..., Any], backend: str = "aot_eager") -> Callable[..., Any]:
    return torch.compile(run, fullgraph=True, backend=backend)


def at_start(pair: SurrogateActivation) -> list[Tensor]:
    """The pair's one number, or none."""
    return [parameter.detach() for parameter in pair.parameters()]


def expectation(case: Case, pair: SurrogateActivation) -> list[Tensor]:
    """The value, the gradient for x and for the number, with a generator that starts anew."""
    number = at_start(pair)
    torch.manual_seed(0)
    value, of_x, of_number = case.expected(X, UPSTREAM, *number)
    return [value, of_x, *(of_number.sum_to_size(each.shape) for each in number)]


def backward(pair: Callable[[Tensor], Tensor], *numbers: Tensor) -> list[Tensor]:
    torch.manual_seed(0)
    x = X.clone().requires_grad_()
    y = pair(x)
    return [y.detach(), *torch.autograd.grad(y, [x, *numbers], UPSTREAM)]


@pytest.mark.parametrize("name", CASES)
def test_eager_and_compiled(name: str) -> None:
    case = CASES[name]
    pair = case.pair().double()
    expected = expectation(case, pair)
    close(backward(pair, *pair.parameters()), expected)
    close(backward(compile(pair), *pair.parameters()), expected)


@pytest.mark.parametrize("name", ["LSQ per channel, 3 bits", "argmax"])
def test_inductor(name: str) -> None:
    case = CASES[name]
    pair = case.pair().double()
    got = backward(compile(pair, "inductor"), *pair.parameters())
    close(got, expectation(case, pair))


@pytest.mark.parametrize("name", CASES)
def test_functional(name: str) -> None:
    """grad and vjp, eager and compiled, for x and for the parameters."""
    case = CASES[name]
    pair = case.pair().double()
    value, *expected = expectation(case, pair)
    parameters = {name: each.detach() for name, each in pair.named_parameters()}

    def call(x: Tensor, parameters: dict[str, Tensor]) -> Tensor:
        return functional_call(pair, parameters, (x,))

    def by_grad(x: Tensor, parameters: dict[str, Tensor]) -> Any:
        total = lambda x, parameters: (call(x, parameters) * UPSTREAM).sum()
        return grad(total, argnums=(0, 1))(x, parameters)

    def by_vjp(x: Tensor, parameters: dict[str, Tensor]) -> Any:
        y, pullback, *_ = vjp(call, x, parameters)
        return *pullback(UPSTREAM), y

    for run in (by_grad, by_vjp, *(map(compile, (by_grad, by_vjp)) if case.compiles else ())):
        torch.manual_seed(0)
        of_x, of_parameters, *y = run(X, parameters)
        close([of_x, *of_parameters.values()], expected)
        close(y, [value] * len(y))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.draws])
def test_vmap_over_samples(name: str) -> None:
    """The gradient for x is that of each sample by itself, and so is that for the number."""
    case = CASES[name]
    pair = case.pair().double()
    number = at_start(pair)
    _, of_x, *_ = expectation(case, pair)
    of_number = [
        torch.stack(
            [
                case.expected(x, upstream, each)[2].sum_to_size(each.shape)
                for x, upstream in zip(X, UPSTREAM, strict=True)
            ]
        )
        for each in number
    ]
    parameters = {name: each.detach() for name, each in pair.named_parameters()}

    def total(x: Tensor, parameters: dict[str, Tensor], upstream: Tensor) -> Tensor:
        return (functional_call(pair, parameters, (x,)) * upstream).sum()

    run = vmap(grad(total, argnums=(0, 1)), in_dims=(0, None, 0))
    for each in (run, compile(run)) if case.compiles else (run,):
        got = each(X, parameters, UPSTREAM)
        close([got[0], *got[1].values()], [of_x, *of_number])
    x = X.clone().requires_grad_()
    close(torch.autograd.grad(vmap(pair)(x), x, UPSTREAM)[0], of_x)


def test_compiled_transforms_of_a_callable_within_a_combination_are_refused() -> None:
    """Vmap, forward mode and second order would be lost in silence; backward() is not."""
    pair = FIXED["top-2 by softmax"].pair()
    total = lambda x: (pair(x) * UPSTREAM).sum()
    transforms: list[Any] = [
        vmap(pair),
        grad(total),
        vmap(grad(lambda x: pair(x).sum())),
        grad(lambda x: vmap(pair)(x).sum()),
        grad(lambda x: grad(total)(x).sum()),
        lambda x: jvp(pair, (x,), (TANGENT,)),
    ]
    for derivative in (pair.derivative, d.ClipNorm(0.5, lambda x: x * x), lambda x, g: g * x):
        pair.derivative = derivative  # type: ignore[assignment]
        for run in transforms:
            with pytest.raises(Exception, match=r"has code of yours|depends on the upstream"):
                compile(run)(X)
        x = X.clone().requires_grad_()
        (reported,) = torch.autograd.grad(compile(pair)(x), x, UPSTREAM)
        close(reported, pair.reported_gradient(X, UPSTREAM))


@pytest.mark.parametrize("name", LEARNED)
def test_vmap_over_numbers(name: str) -> None:
    """An ensemble: several numbers for the same x."""
    case = LEARNED[name]
    pair = case.pair().double()
    ((name, parameter),) = pair.named_parameters()
    ensemble = torch.stack([parameter.detach() * factor for factor in (1.0, 1.3, 0.6)])
    expected = [case.expected(X, UPSTREAM, each) for each in ensemble]

    def total(number: Tensor, x: Tensor) -> Tensor:
        return (functional_call(pair, {name: number}, (x,)) * UPSTREAM).sum()

    run = vmap(grad(total, argnums=(0, 1)), in_dims=(0, None))
    for each in (run, compile(run)):
        of_number, of_x = each(ensemble, X)
        close(of_x, torch.stack([of_x for _, of_x, _ in expected]))
        shape = parameter.shape
        close(of_number, torch.stack([each.sum_to_size(shape) for *_, each in expected]))


@pytest.mark.parametrize("randomness", ["same", "different"])
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.draws])
def test_vmap_of_draws(name: str, randomness: str) -> None:
    case = CASES[name]
    pair = case.pair().double()
    run = vmap(lambda x, g: vjp(pair, x)[1](g)[0], randomness=randomness)
    torch.manual_seed(0)
    got = run(X, UPSTREAM)
    torch.manual_seed(0)
    if randomness == "different":
        expected = case.expected(X, UPSTREAM)[1]
    else:
        noise = torch.random.get_rng_state()
        pulled = []
        for x, upstream in zip(X, UPSTREAM, strict=True):
            torch.random.set_rng_state(noise)
            pulled.append(case.expected(x, upstream)[1])
        expected = torch.stack(pulled)
    close(got, expected)


@pytest.mark.parametrize("name", ["argmax", "top-2 by sigmoid", "top-2 by softmax", "Gumbel"])
def test_forward_mode(name: str) -> None:
    """The Jacobians of softmax and sigmoid are symmetric, so that jvp is vjp."""
    case = FIXED[name]
    pair = case.pair()
    torch.manual_seed(0)
    value, expected, _ = case.expected(X, TANGENT)
    run = lambda x: jvp(pair, (x,), (TANGENT,))
    for each in (run, compile(run)) if case.compiles else (run,):
        torch.manual_seed(0)
        close(each(X), (value, expected))


@pytest.mark.parametrize(
    "name", ["LSQ", "LSQ per channel, 3 bits", "threshold, one number twice", "spikes"]
)
def test_exported(name: str) -> None:
    """An exported pair learns its numbers too."""
    case = LEARNED[name]
    pair = case.pair().double()
    exported = torch.export.export(pair, (X,)).module()
    close(backward(exported, *exported.parameters()), expectation(case, pair))


def test_with_the_true_derivative_a_step_gets_the_truth() -> None:
    pair = SurrogateActivation(f.Staircase(per_channel()), d.Exact()).double()
    (number,) = pair.parameters()
    x = X.clone().requires_grad_()
    of_number, of_x = torch.autograd.grad(pair(x), [number, x], UPSTREAM, materialize_grads=True)
    close(of_number, (UPSTREAM * torch.round(X / number)).sum_to_size(4, 1).detach())
    assert not of_x.any()
    with pytest.warns(UserWarning, match="gradient of function.threshold is 0 everywhere"):
        SurrogateActivation(f.Heaviside(per_channel()), d.Exact())


def test_draws_are_new_in_each_call_and_their_mean_in_evaluation() -> None:
    pair = gumbel_pair()
    several = torch.zeros(1000, 5).double()
    first, second = pair(several), pair(several)
    assert not torch.equal(first, second)
    shares = first.mean(0)
    close(shares.sum(), torch.tensor(1.0).double())
    assert ((shares - 0.2).abs() < 0.05).all()
    pair.eval()
    assert torch.equal(pair(X), argmax(X, UPSTREAM)[0])


@pytest.mark.parametrize(
    ("function", "derivative", "wanted"),
    [(f.Staircase, d.Constant(), 0.8), (f.Heaviside, d.Blurred(width=0.5), 0.3)],
    ids=["step", "threshold"],
)
def test_a_learned_number_moves(
    function: Callable[..., f.Function], derivative: d.Derivative, wanted: float
) -> None:
    """Down the loss, to that of the function that is to be learned."""
    number, target = Learnable(1.0), function(wanted)
    learned = SurrogateActivation(function(number), derivative)
    optimizer = torch.optim.SGD(learned.parameters(), lr=0.1)
    x = torch.linspace(-2, 2, 400)
    for _ in range(300):
        optimizer.zero_grad()
        (learned(x) - target(x)).square().mean().backward()
        optimizer.step()
    assert float(number) == pytest.approx(wanted, abs=0.02)
