"""Numbers that are drawn in each call: their laws, their limits, and who sees which draw."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

import surrogate
from surrogate import Learnable, SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.drawn import Drawn
from surrogate.core.numbers import Number
from tests import reference

# The distribution function of each law, and its mean.
LAWS: dict[str, tuple[Callable[[float], float], float]] = {
    "uniform": (lambda v: min(max(v, 0.0), 1.0), 0.5),
    "normal": (NormalDist().cdf, 0.0),
    "logistic": (reference.sigmoid, 0.0),
    "algebraic": (lambda v: 0.5 + v / math.hypot(1, v) / 2, 0.0),
    "gumbel": (lambda v: math.exp(-math.exp(-v)), 0.57721566490153286),
}
DRAWS = 50_000
laws = pytest.mark.parametrize("law", LAWS)


class Shown(f.Function, register=False):
    """The number itself, for each element."""

    number: Number = 0.0

    def value(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x) + self.number


def shows(number: Drawn) -> SurrogateActivation:
    """A pair whose value is the number for its function, and whose slope is that for its
    derivative."""
    return SurrogateActivation(Shown(number), number * d.Constant())


def value_and_slope(pair: SurrogateActivation, elements: int = 50) -> tuple[Tensor, Tensor]:
    x = torch.zeros(elements, requires_grad=True)
    y = pair(x)
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


@laws
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_laws(law: str, dtype: torch.dtype) -> None:
    """The test of Kolmogorov and Smirnov at the level 0.001; and neighbours are independent."""
    drawn = Drawn(-0.5, 1.5, law).now(torch.zeros(DRAWS, dtype=dtype), training=True)  # type: ignore[arg-type]
    assert drawn.dtype == dtype
    z = np.sort((drawn.double().numpy() + 0.5) / 2)
    expected = np.array([LAWS[law][0](v) for v in z])
    steps = np.arange(DRAWS + 1) / DRAWS
    distance = max((expected - steps[:-1]).max(), (steps[1:] - expected).max())
    assert distance < 1.95 / math.sqrt(DRAWS)
    ranks = np.argsort(np.argsort(drawn.numpy()))
    assert abs(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) < 5 / math.sqrt(DRAWS)


@laws
def test_no_draw_is_infinite(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the ends of what torch.rand draws: 0, and the largest number below 1."""
    for dtype in (torch.float32, torch.float64):
        ends = torch.tensor([0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
        monkeypatch.setattr(torch, "rand_like", lambda x, dtype, ends=ends: ends)
        assert Drawn(law=law).now(ends, training=True).isfinite().all()  # type: ignore[arg-type]


@laws
def test_in_evaluation_a_number_is_its_mean(law: str) -> None:
    number = Drawn(-0.5, 1.5, law)  # type: ignore[arg-type]
    mean = -0.5 + 2 * LAWS[law][1]
    assert float(number) == pytest.approx(mean, rel=1e-12)
    pair = shows(number)
    x = torch.zeros(9)
    assert pair.eval()(x).tolist() == pytest.approx([mean] * 9)
    assert Shown(number)(x).tolist() == pytest.approx([mean] * 9)
    _, slope = value_and_slope(pair)
    assert slope.tolist() == pytest.approx([mean] * 50)
    assert pair.reported_gradient(x, x + 2).tolist() == pytest.approx([2 * mean] * 9)
    state = torch.get_rng_state()
    pair(x)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = pair.train()(torch.zeros(DRAWS)).double()
    if law == "algebraic":  # which has a mean, but no variance
        assert float(drawn.median()) == pytest.approx(mean, abs=0.03)
    else:
        assert float(drawn.mean()) == pytest.approx(mean, abs=5 * float(drawn.std()) / DRAWS**0.5)
    always = shows(Drawn(-0.5, 1.5, law, in_eval="draw")).eval()  # type: ignore[arg-type]
    value, slope = value_and_slope(always)
    assert torch.equal(value, slope)
    assert len(value.unique()) == 50
    assert len(Shown(Drawn(law=law, in_eval="draw"))(x).unique()) == 9  # type: ignore[arg-type]


def test_equal_numbers_are_one_draw_in_a_call_and_a_new_one_in_the_next() -> None:
    pair = SurrogateActivation(Shown(Drawn(1.0, 2.0)), Drawn(1.0, 2.0) * d.Constant())
    value, slope = value_and_slope(pair)
    assert torch.equal(value, slope)
    assert len(value.unique()) == 50
    assert not (value_and_slope(pair)[0] == value).any()
    torch.manual_seed(3)
    first = pair(torch.zeros(50))
    torch.manual_seed(3)
    assert torch.equal(pair(torch.zeros(50)), first)
    assert torch.equal(copy.deepcopy(pair).eval()(torch.zeros(2)), torch.full((2,), 1.5))


@pytest.mark.parametrize(
    "other",
    [Drawn(stream=1), Drawn(high=2.0), Drawn(law="normal"), Drawn(in_eval="draw")],
    ids=repr,
)
def test_numbers_that_differ_are_drawn_independently(other: Drawn) -> None:
    pair = SurrogateActivation(Shown(Drawn()), other * d.Constant())
    value, slope = value_and_slope(pair, DRAWS)
    assert abs(float(torch.corrcoef(torch.stack([value, slope]))[0, 1])) < 5 / DRAWS**0.5


def test_a_draw_is_kept_for_all_that_is_done_with_a_call() -> None:
    pair = shows(Drawn(1.0, 2.0))
    x = torch.zeros(50, requires_grad=True)
    y = pair(x)
    gradients = [torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for _ in range(2)]
    assert torch.equal(*gradients)
    assert torch.equal(gradients[0], y)
    checkpointed = checkpoint(pair, x, use_reentrant=False)
    assert isinstance(checkpointed, Tensor)
    assert torch.equal(torch.autograd.grad(checkpointed.sum(), x)[0], checkpointed)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_draws_are_of_the_dtype_of_formulas(dtype: torch.dtype) -> None:
    """float32 for half precision: only what comes of them is rounded."""
    pair = shows(Drawn(1.0, 2.0))
    x = torch.zeros(20, dtype=dtype, requires_grad=True)
    y = pair(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert y.dtype == gradient.dtype == dtype
    assert torch.equal(y, gradient)
    now = Drawn().now(x, training=True)
    assert now.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("step", "probability"), reference.DRAWN, ids=[repr(step) for step, _ in reference.DRAWN]
)
def test_bernoulli_fires_with_its_probability(
    step: f.Function, probability: reference.Scalar, training: bool
) -> None:
    """Each number by itself, and anew in each call, also in evaluation and without a pair."""
    pair = SurrogateActivation(step, d.Constant()).train(training)
    for at in (-2.0, -0.3, 0.0, 0.4, 1.0):
        x = torch.full((20_000,), at)
        for spiking in (pair, step):
            fired, again = spiking(x), spiking(x)
            assert set(fired.unique().tolist()) <= {0.0, 1.0}
            expected = probability(at)
            five_errors = 5 * math.sqrt(expected * (1 - expected) / len(x))
            assert float(fired.mean()) == pytest.approx(expected, abs=five_errors)
            for other in (again, fired.roll(1)):
                assert abs(float(torch.corrcoef(torch.stack([fired, other]))[0, 1])) < 0.04


def test_a_blur_sees_the_threshold_that_was_drawn() -> None:
    """The mean of the density at a drawn distance is the derivative of the probability, blurred:
    of a normal threshold, a normal density that is wider."""
    step = f.Heaviside(threshold=Drawn(0.0, 0.6, "normal"))
    pair = SurrogateActivation(step, d.Blurred(width=0.8))
    x = torch.full((DRAWS,), 0.7, requires_grad=True)
    (slopes,) = torch.autograd.grad(pair(x).sum(), x)
    expected = NormalDist(0.0, math.hypot(0.6, 0.8)).pdf(0.7)
    assert float(slopes.mean()) == pytest.approx(expected, abs=5 * float(slopes.std()) / DRAWS**0.5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Drawn(1.0, 0.5), ValueError, "Drawn: high must be .* at least 1, got 0.5"),
        (lambda: Drawn(math.nan), ValueError, "Drawn: low must be a finite number, got nan"),
        (lambda: Drawn(high=math.inf), ValueError, "Drawn: high must be a finite number"),
        (lambda: Drawn("0"), TypeError, "Drawn: low must be a finite number, got '0'"),  # type: ignore[arg-type]
        (lambda: Drawn(Learnable(0.0)), TypeError, "Drawn: low .* varies: this number is fixed"),  # type: ignore[arg-type]
        (lambda: Drawn(law="norml"), ValueError, "Drawn: law .* did you mean 'normal'"),  # type: ignore[arg-type]
        (lambda: Drawn(in_eval="max"), ValueError, "in_eval must be one of 'mean', 'draw'"),  # type: ignore[arg-type]
        (lambda: Drawn(stream=-1), ValueError, "Drawn: stream must be an integer at least 0"),
    ],
)
def test_bad_arguments_are_named(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda n: f.Staircase(n(-0.5, 1.0)), ValueError, "step must be .* above 0, got Drawn"),
        (lambda n: f.Staircase(n(0.0, 1.0)), ValueError, "Staircase: step must be .* above 0"),
        (lambda n: f.Staircase(n(1.0, 1.1, "normal")), ValueError, "step must be .* above 0"),
        (lambda n: f.CELU(n(1.0, 2.0, "gumbel")), ValueError, "CELU: alpha must be .* above 0"),
        (lambda n: f.SoftStaircase(1.0, n(0.5, 1.01)), ValueError, "softness must .* at most 1"),
        (lambda n: d.Blurred(width=n(-1.0, 1.0)), ValueError, "Blurred: width must be .* 1e-30"),
        (lambda n: d.Box(left=n(-2.0, -1.0)), TypeError, "Box: left .* varies: this number is fix"),
        (lambda n: f.UniformQuantizer(n(1.0, 2.0)), TypeError, "bits must be an integer .* varies"),
        (lambda n: d.Uniform(n(0.0, 1.0), 0.5), ValueError, "Uniform: high must be .* above 1"),
        (lambda n: d.Uniform(0.0, n(-0.1, 1.0)), ValueError, "Uniform: high must be .* above 0"),
    ],
)
def test_a_number_that_could_be_drawn_out_of_its_limits_is_refused(
    make: Callable[[Any], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make(Drawn)


def test_within_its_limits_any_number_can_be_drawn() -> None:
    for make in (
        lambda: f.Staircase(Drawn(0.1, 1.0)),
        lambda: f.SoftStaircase(1.0, Drawn(0.5, 1.0)),
        lambda: f.Heaviside(Drawn(0.0, 1.0, "logistic")),
        lambda: d.Uniform(Drawn(-1.0, 0.0), Drawn(0.5, 1.0)),
        lambda: d.Noisy(d.Box(), std=Drawn(0.0, 1.0)),
        lambda: f.RReLU(0.2, 0.2),
    ):
        make()


@pytest.mark.parametrize(
    "text",
    [
        "LeakyReLU(negative_slope=Drawn(low=0.1, high=0.3)) / Exact()",
        "Heaviside(threshold=Drawn(law='normal', in_eval='draw', stream=3)) / Constant()",
        "ReLU() / Drawn(low=0.5, high=1.5) * Constant() + Box().shift(distance=Drawn())",
    ],
)
def test_text_reads_back(text: str) -> None:
    pair = surrogate.get(text)
    assert str(pair) == text
    again = surrogate.get(str(pair))
    assert (again.function, again.derivative) == (pair.function, pair.derivative)


def test_names_of_factories() -> None:
    assert str(surrogate.get("RReLU(0.1, 0.3) / Exact()")) == (
        "LeakyReLU(negative_slope=Drawn(low=0.1, high=0.3)) / Exact()"
    )
    assert surrogate.get("Bernoulli(0.5) / Constant()").function == f.Heaviside(
        Drawn(0.0, 0.5, "logistic", in_eval="draw")
    )


@pytest.mark.parametrize("name", ["norse.logistic", "norse.circ_dist"])
def test_modes_of_bernoulli(name: str) -> None:
    pair = surrogate.equivalent(name)
    modes = ["backward", "func.grad", "func.jvp", "create_graph, second order"]
    surrogate.check(pair, modes=modes).raise_if_wrong()
    surrogate.check(
        pair, modes=["compiled backward", "export, then backward"], dtypes=[torch.float32]
    ).raise_if_wrong()
