"""The audit against closed forms, finite differences and lies that were planted."""

from __future__ import annotations

import copy
import math
import statistics
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import surrogate
from surrogate import SurrogateActivation
from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.diagnostics.audit import Audit, signal_to_noise
from surrogate.diagnostics.audit.smoothing import (
    Estimate,
    divided,
    jackknife,
    mean_of,
    normal,
    slope_along,
    smoothed_gradient,
)

# Standard errors from the truth that an estimate may be. The draws are fixed, so it does not vary.
WITHIN = 3.5


def phi(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def near(estimate: Estimate, truth: Any) -> bool:
    return abs(estimate.value - truth) <= WITHIN * estimate.error


def mean_loss(model: nn.Module, x: Tensor) -> Tensor:
    return model(x).mean()


def squared(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return (model(x) - y).square().mean()


def data(size: int = 16, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(size, 3, generator=generator, dtype=torch.float64)
    return x, x.sum(1, keepdim=True).sin()


def net(*pairs: str | nn.Module, width: int = 5) -> nn.Sequential:
    """Linear layers with a pair between two of them each, in float64."""
    torch.manual_seed(1)
    layers: list[nn.Module] = [nn.Linear(3, width)]
    for pair in pairs:
        layers += [surrogate.get(pair) if isinstance(pair, str) else pair, nn.Linear(width, width)]
    layers[-1] = nn.Linear(width, 1)
    return nn.Sequential(*layers).double()


def examine(model: nn.Module, **options: Any) -> Audit:
    return surrogate.audit(model, squared, data(), **{"pairs": 0, "steps": (), **options})


def by_name(found: Audit, kind: str) -> dict[str, Any]:
    return {row.name: row for row in found.rows if row.kind == kind}


# The smoothed loss


def quadratic(size: int = 6) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
    """A loss, a point, the gradient there and the Hessian."""
    random = np.random.default_rng(3)
    half = random.standard_normal((size, size))
    hessian, linear, at = half + half.T, random.standard_normal(size), random.standard_normal(size)
    return lambda x: x @ hessian @ x / 2 + linear @ x, at, hessian @ at + linear, hessian


@pytest.mark.parametrize("sigma", [0.01, 1.0])
def test_slope_of_a_quadratic_has_the_stated_error(sigma: float) -> None:
    """Quotients along u have no error of their own; the gradient where they are taken varies."""
    loss, at, gradient, hessian = quadratic()
    unit = np.ones(6) / math.sqrt(6)
    estimate = slope_along(loss, at, unit, sigma, 4000, seed=5)
    across = hessian @ unit - unit * (unit @ hessian @ unit)
    assert estimate.error == pytest.approx(
        sigma * np.linalg.norm(across) / math.sqrt(4000), rel=0.05
    )
    assert near(estimate, gradient @ unit)


def test_gradient_of_a_quadratic_is_that_of_its_blurred_self() -> None:
    loss, at, gradient, _ = quadratic()
    reported = np.array([1.0, -1.0, 2.0, 0.5, 0.0, 3.0])
    blocks, bound = smoothed_gradient(loss, at, reported, (0, 2), 0.5, 3000, 1000, seed=1)
    for block, part in zip(blocks, (slice(None), slice(0, 2), slice(2, 6)), strict=True):
        own, true = reported[part], gradient[part]
        length = np.linalg.norm(own)
        assert near(block.slope, own @ true / length)
        assert near(block.square, true @ true)
        assert near(block.cosine, own @ true / length / np.linalg.norm(true))
        assert block.cosine.error < 0.1
    # δ is linear, so the bound is the cosine.
    assert near(bound, reported @ gradient / np.linalg.norm(reported) / np.linalg.norm(gradient))
    assert bound.error < 0.03


def test_the_squared_norm_is_not_that_of_the_noise() -> None:
    """In 500 dimensions, from 40 pairs: |mean of δε|² would be 13 times too large."""
    linear = normal(500, 9)
    reported = normal(500, 10)
    blocks, bound = smoothed_gradient(
        lambda x: float(x @ linear), np.zeros(500), reported, (0,), 0.1, 40, 0, seed=2
    )
    cosine = reported @ linear / np.linalg.norm(reported) / np.linalg.norm(linear)
    assert near(blocks[0].square, linear @ linear)
    assert blocks[0].square.value < 3 * (linear @ linear)
    assert near(bound, cosine)
    assert bound.error < 0.02


def test_errors_are_those_of_repeated_estimates() -> None:
    """Of a cubic loss, by 200 seeds; the jackknife may overstate by a little, not understate."""
    loss = lambda x: float((x**3).sum() + x[0] * x[1])
    at, reported = np.array([0.3, -0.2, 0.5]), np.array([1.0, 1.0, 1.0])
    # E ∂L(θ + σε)/∂θ₀ = 3 (θ₀² + σ²) + θ₁, and so on.
    gradient = 3 * (at**2 + 0.2**2) + np.array([at[1], at[0], 0.0])
    truths = {
        "slope": gradient.sum() / math.sqrt(3),
        "square": gradient @ gradient,
        "cosine": gradient.sum() / math.sqrt(3) / np.linalg.norm(gradient),
    }
    found = [
        smoothed_gradient(loss, at, reported, (0,), 0.2, 20, 0, seed=seed) for seed in range(200)
    ]
    for name, truth in truths.items():
        estimates = [getattr(blocks[0], name) for blocks, _ in found]
        values = [each.value for each in estimates if not math.isnan(each.value)]
        spread = statistics.stdev(values)
        errors = [each.error for each in estimates if not math.isnan(each.error)]
        assert len(values) > 150
        assert 0.85 * spread < math.sqrt(statistics.mean(e**2 for e in errors)) < 1.6 * spread
        if name != "cosine":  # which is chosen where it can be told
            assert abs(statistics.mean(values) - truth) < WITHIN * spread / math.sqrt(200)


@pytest.mark.parametrize("at", [0.0, 0.3, -1.0])
def test_smoothed_step_has_the_slope_of_the_normal_distribution(at: float) -> None:
    """L = H(w) smoothed is Φ(w / σ): a net of one weight, whose true gradient is 0."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), surrogate.get("Heaviside() / Constant(2)"))
    with torch.no_grad():
        next(model.parameters()).fill_(at)
    found = surrogate.audit(
        model.double(), mean_loss, (torch.ones(1, 1, dtype=torch.float64),), sigma=0.5, pairs=2000
    )
    slope = phi(at / 0.5) / 0.5
    assert (found.total.reported, found.total.true) == (2.0, 0.0)
    assert near(found.total.slope, slope)
    assert near(found.total.kept, slope / 2)
    assert near(found.total.square, slope**2)
    assert near(found.total.smoothed_cosine, 1.0)
    assert found.total.smoothed_ratio == pytest.approx(2 / slope, rel=0.1)
    assert found.total.slope.error < 0.05 * slope
    # δ is ±1/2σ where |ε| > |w|/σ: E δ² = (1 − Φ(|w|/σ)) / 2σ².
    assert near(found.bound, slope / math.sqrt((1 - cdf(abs(at) / 0.5)) / (2 * 0.5**2)))
    assert found.bound.value < 1


def test_many_steps_look_smooth() -> None:
    """The mean of H(x w − t) over many thresholds: what the pair reports is true from afar."""
    thresholds = torch.linspace(-3, 3, 601, dtype=torch.float64).reshape(-1, 1)
    model = nn.Sequential(nn.Linear(1, 1), SurrogateActivation(f.Heaviside(), d.Constant(1 / 6)))
    loss = lambda net, t: net[1](net[0](torch.ones_like(t)) - t).mean()
    found = surrogate.audit(model.double(), loss, (thresholds,), sigma=0.1, pairs=200)
    assert found.total.true == 0
    assert found.total.kept.value == pytest.approx(1, abs=0.01)
    assert found.bound.value > 0.999


def test_parts_of_the_estimates() -> None:
    assert jackknife(np.array([1.0, 2.0, 3.0])) == pytest.approx(math.sqrt(2 / 3 * 2), rel=1e-12)
    estimate = mean_of(np.array([1.0, 2.0, 6.0]))
    assert (estimate.value, estimate.error) == pytest.approx((3, math.sqrt(7 / 3)), rel=1e-12)
    assert math.isnan(mean_of(np.array([1.0, math.inf])).value)
    assert (divided(1, 0), divided(-1, 0)) == (math.inf, -math.inf)
    assert math.isnan(divided(0, 0))
    assert np.array_equal(normal(3, 1, 2), normal(3, 1, 2))
    assert not np.array_equal(normal(3, 1, 2), normal(3, 1, 3))


# The true gradient


def test_an_honest_net_is_honest() -> None:
    found = examine(net("gelu", "tanh"), pairs=6, layer_pairs=3, sigma=1e-4, steps=(1e-5,))
    for row in found.rows:
        assert row.cosine == pytest.approx(1, rel=1e-12)
        assert row.ratio == row.signs == 1
        assert row.reported > 0
    for row in [found.total, *found.layers]:
        assert row.kept.value == pytest.approx(1, abs=1e-3)
    assert found.bound.value == pytest.approx(1, abs=1e-3)
    assert found.total.smoothed_cosine.value == pytest.approx(1, abs=1e-3)
    assert found.total.smoothed_ratio == pytest.approx(1, abs=1e-3)
    (step,) = found.steps
    assert step.fell == pytest.approx(step.promised, rel=1e-3)
    assert step.fell == step.fell_true


@pytest.mark.parametrize(("factor", "cosine", "signs"), [(2.0, 1.0, 1.0), (-1.0, -1.0, 0.0)])
def test_planted_lies(factor: float, cosine: float, signs: float) -> None:
    pair = SurrogateActivation(f.Sigmoid(), factor * d.Exact())
    model = nn.Sequential(nn.Linear(3, 4), pair, nn.Flatten()).double()
    found = surrogate.audit(model, mean_loss, data()[:1], pairs=0, steps=(1e-6,))
    for row in (*found.layers, found.total, by_name(found, "input")["1"]):
        assert row.cosine == pytest.approx(cosine, rel=1e-12)
        assert row.ratio == pytest.approx(abs(factor), rel=1e-12)
        assert row.signs == signs
    assert by_name(found, "output")["1"].ratio == 1
    (step,) = found.steps
    assert step.fell == pytest.approx(step.promised * cosine / abs(factor), rel=1e-4)


def test_the_layer_behind_a_lie_is_told_the_truth() -> None:
    found = examine(net("ReLU() / 3 * Exact()", "tanh"))
    rows = by_name(found, "layer")
    assert [rows[name].ratio for name in ("0", "2", "4")] == pytest.approx([3, 1, 1], rel=1e-12)
    first, rest = rows["0"].true, math.hypot(rows["2"].true, rows["4"].true)
    norms = math.hypot(3 * first, rest), math.hypot(first, rest)
    assert found.total.ratio == pytest.approx(norms[0] / norms[1], rel=1e-12)
    cosine = (3 * first**2 + rest**2) / norms[0] / norms[1]
    assert found.total.cosine == pytest.approx(cosine, rel=1e-12)
    assert [row.ratio for row in found.sites] == pytest.approx([3, 1, 1, 1], rel=1e-12)
    assert [(row.kind, row.name) for row in found.sites] == [
        *(("input", "1"), ("output", "1"), ("input", "3"), ("output", "3"))
    ]


@pytest.mark.parametrize("pair", ["cantor2", "staircase_blurred", "sign_ste"])
def test_of_a_step_the_true_gradient_is_zero_up_to_the_last_layer(pair: str) -> None:
    rows = by_name(examine(net(pair)), "layer")
    assert (rows["0"].true, rows["0"].signs, rows["0"].ratio) == (0, 0, math.inf)
    assert math.isnan(rows["0"].cosine)
    assert rows["2"].cosine == pytest.approx(1, rel=1e-12)


PAIRS = {
    "directional": surrogate.get("relu_directional"),
    "upstream": SurrogateActivation(torch.tanh, lambda x, g: g * (g.sign() == x.sign())),
    "noisy": surrogate.get("relu_noisy"),
    "learned": surrogate.get("prelu"),
    "lambda": SurrogateActivation(lambda x: x**3, lambda x: torch.ones_like(x)),
    "learned lie": SurrogateActivation(
        f.Sigmoid(), d.Blurred(width=surrogate.Learnable(0.5, positive=True))
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_the_true_gradient_is_that_of_finite_differences(pair: str) -> None:
    """Norm, cosine and signs against the reported one, which plain backward gives."""
    model = net(copy.deepcopy(PAIRS[pair]), copy.deepcopy(PAIRS[pair]))
    found = examine(model)
    x, y = data()
    parameters = [each for each in model.parameters()]
    reported = torch.autograd.grad(squared(model, x, y), parameters, allow_unused=True)
    mine, true = [], []
    for parameter, gradient in zip(parameters, reported, strict=True):
        mine += [0.0] * parameter.numel() if gradient is None else gradient.flatten().tolist()
        for index in range(parameter.numel()):
            with torch.no_grad():
                entry = parameter.view(-1)[index]
                value = float(entry)
                sides = []
                for side in (value + 1e-6, value - 1e-6):
                    entry.fill_(side)
                    sides.append(float(squared(model, x, y)))
                entry.fill_(value)
            true.append((sides[0] - sides[1]) / 2e-6)
    norms = math.hypot(*mine), math.hypot(*true)
    dot = sum(a * b for a, b in zip(mine, true, strict=True))
    total = found.total
    assert total.size == len(mine)
    assert (total.reported, total.true) == pytest.approx(norms, rel=1e-7)
    assert total.cosine == pytest.approx(dot / norms[0] / norms[1], rel=1e-7)
    sign = lambda value: 0 if abs(value) < 1e-9 else math.copysign(1, value)
    agree = sum(sign(a) == sign(b) for a, b in zip(mine, true, strict=True))
    assert total.signs == agree / len(mine)
    assert (total.cosine > 1 - 1e-9) == (pair == "learned")


def test_a_pair_that_is_called_twice_counts_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.pair = nn.Linear(3, 3), surrogate.get("Sigmoid() / Constant(1)")

        def forward(self, x: Tensor) -> Tensor:
            return self.pair(self.layer(self.pair(x=self.layer(x))))

    found = surrogate.audit(Twice().double(), mean_loss, data()[:1], pairs=0)
    assert {row.size for row in found.sites} == {2 * 16 * 3}
    assert [row.name for row in found.layers] == ["layer"]


def test_the_model_may_be_a_pair_with_parameters() -> None:
    model = SurrogateActivation(nn.PReLU(), d.Constant(1))
    found = surrogate.audit(model, mean_loss, (torch.randn(5, 1),), pairs=8)
    assert found.layers[0].name == "function"
    assert (found.total.size, found.total.ratio) == (1, 1)


# What the audit is asked to leave out, or may meet


def test_frozen_parameters_are_left_out() -> None:
    model = net("relu")
    model[0].requires_grad_(False)
    model[2].bias.requires_grad_(False)
    found = examine(model, pairs=4, sigma=1e-3)
    assert [(row.name, row.size) for row in found.layers] == [("2", 5)]
    assert found.total.kept.value == pytest.approx(1, abs=1e-2)


class Everything(nn.Module):
    """Whatever can change while a loss is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 4), surrogate.get("relu_directional"), nn.BatchNorm1d(4), nn.Dropout(0.3),
            nn.Linear(4, 4), surrogate.get("rrelu"), surrogate.get("prelu"), nn.Linear(4, 1),
        )  # fmt: skip
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls = self.calls + 1
        return self.layers(x) + torch.rand(()) + self.calls


def state_of(model: nn.Module) -> dict[str, Any]:
    """All that an audit could change, with the bytes of each tensor."""
    tensors = {
        **dict(model.named_parameters()),
        **dict(model.named_buffers()),
        **{f"{n}.grad": each.grad for n, each in model.named_parameters() if each.grad is not None},
    }
    return {
        "tensors": {name: each.detach().numpy().tobytes() for name, each in tensors.items()},
        "same": {name: id(each) for name, each in tensors.items()},
        "modes": [module.training for module in model.modules()],
        "texts": [str(each) for each in model.modules() if isinstance(each, SurrogateActivation)],
        "hooks": [len(module._forward_hooks) for module in model.modules()],
        "random": torch.get_rng_state().numpy().tobytes(),
        "numpy": np.random.get_state()[1].tobytes(),  # type: ignore[index]
        "grad": torch.is_grad_enabled(),
    }


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = Everything().train(training)
    model.layers[2].eval()
    x, y = (each.float() for each in data())
    squared(model, x, y).backward()
    before = state_of(model)
    assert any(name.endswith("running_mean") for name in before["tensors"])
    assert "layers.0.weight.grad" in before["tensors"]
    with torch.no_grad():
        found = surrogate.audit(model, squared, (x, y), batches=[(x, y)] * 2, pairs=3)
    assert state_of(model) == before
    assert found.total.reported > 0
    failing = lambda model, *batch: squared(model, *batch).repeat(2)
    with pytest.raises(ValueError, match="one floating-point number"):
        surrogate.audit(model, failing, (x, y))
    assert state_of(model) == before


def test_an_audit_is_a_function_of_its_seed() -> None:
    model = Everything()
    batch = tuple(each.float() for each in data())
    texts = []
    for seed in (0, 0, 1):
        torch.rand(7)
        texts.append(
            str(surrogate.audit(model, squared, batch, batches=[batch], pairs=3, seed=seed))
        )
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_the_loss_is_one_function_of_the_parameters() -> None:
    """Dropout, noise and counters would otherwise drown a step of 1e-6."""
    model, batch = Everything(), tuple(each.float() for each in data())
    first, second = surrogate.audit(
        model.double(), squared, tuple(map(Tensor.double, batch)), pairs=0, steps=(1e-9, 1e-6)
    ).steps
    assert first.fell_true == pytest.approx(second.fell_true / 1000, rel=0.02)


def test_half_precision_and_several_dtypes() -> None:
    model = nn.Sequential(nn.Linear(3, 4).bfloat16(), surrogate.get("relu"), nn.Linear(4, 1))
    loss = lambda model, x: model[2](model[1](model[0](x)).float()).mean()
    found = surrogate.audit(model, loss, (torch.randn(4, 3).bfloat16(),), pairs=3)
    assert found.total.ratio == 1


def test_noise_between_batches() -> None:
    """The gradient of mean((w · x)) is the mean of x: 3 ± 2 in each of two components."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False), surrogate.get("linear"))
    generator = torch.Generator().manual_seed(0)
    batches = [(3 + 2 * torch.randn(1, 2, generator=generator),) for _ in range(400)]
    found = surrogate.audit(model, mean_loss, batches[0], batches=batches[1:], pairs=0, steps=())
    assert found.batches == 400
    assert found.total.signal_to_noise == pytest.approx(math.sqrt(18 / 8), rel=0.1)
    rows = np.array([batch[0].numpy()[0] for batch in batches], np.float64)
    products = [rows[i] @ rows[j] for i in range(400) for j in range(i)]
    noise = sum(((row - rows.mean(0)) ** 2).sum() for row in rows) / 399
    expected = math.sqrt(statistics.mean(products) / noise)
    assert found.total.signal_to_noise == pytest.approx(expected, rel=1e-6)


def test_noise_of_one_batch_or_without_signal() -> None:
    values, count = signal_to_noise([np.ones(3)], (0, 1))
    assert count == 1
    assert np.isnan(values).all()
    values, count = signal_to_noise([np.array([1.0, 1.0]), np.array([-1.0, 1.0])], (0, 1))
    assert values.tolist() == [0.0, 0.0, math.inf]


def test_random_numbers_differ_between_batches_and_not_within() -> None:
    model = nn.Sequential(nn.Linear(2, 1), nn.Dropout(0.5), surrogate.get("linear"))
    x = torch.ones(8, 2)
    found = surrogate.audit(model, mean_loss, (x,), batches=[(x,)] * 3, pairs=0, steps=())
    assert 0 < found.total.signal_to_noise < math.inf
    same = surrogate.audit(model.eval(), mean_loss, (x,), batches=[(x,)] * 3, pairs=0, steps=())
    assert same.total.signal_to_noise > 1e6


def test_losses_that_are_not_finite_are_reported() -> None:
    found = surrogate.audit(
        net("relu"), lambda model, *batch: squared(model, *batch) * math.nan, data(), pairs=3
    )
    assert math.isnan(found.loss)
    assert math.isnan(found.total.cosine)
    assert math.isnan(found.total.signs)
    assert math.isnan(found.bound.value)
    assert found.not_finite == found.evaluations > 6
    assert f"NOT FINITE: {found.not_finite} of {found.evaluations} loss values" in str(found)


def test_a_cliff_beside_the_point_is_reported() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), surrogate.get("linear"))
    with torch.no_grad():
        next(model.parameters()).fill_(1.0)
    loss = lambda model, x: model(x).mean().sub(0.9).log()
    found = surrogate.audit(model, loss, (torch.ones(1, 1),), sigma=1.0, steps=(0.01, 0.5))
    assert found.loss == pytest.approx(math.log(0.1), rel=1e-5)
    assert 0 < found.not_finite < found.evaluations
    assert math.isnan(found.total.slope.value)
    assert math.isnan(found.total.square.value)
    assert found.steps[0].fell == pytest.approx(math.log(0.1 / 0.09), rel=1e-5)
    assert math.isnan(found.steps[1].fell)
    assert "NOT FINITE" in str(found)


def test_where_nothing_is_reported_there_is_no_direction() -> None:
    found = examine(nn.Sequential(nn.Linear(3, 1), surrogate.get("cantor")).double(), pairs=200,
                    sigma=0.3, steps=(0.1,))  # fmt: skip
    assert found.total.reported == found.total.true == 0
    assert found.total.signs == 1
    assert math.isnan(found.total.slope.value)
    assert found.total.square.value > 5 * found.total.square.error
    assert math.isnan(found.steps[0].fell)
    assert "cosine with the smoothed gradient (σ = 0.3) unknown" in str(found)


def test_a_loss_that_does_not_depend_on_the_parameters() -> None:
    model = nn.Sequential(nn.Linear(3, 1), SurrogateActivation(lambda x: (x > 0).to(x), d.Exact()))
    found = surrogate.audit(model.double(), squared, data(), pairs=0)
    assert found.total.reported == 0


# The result


def test_the_table() -> None:
    found = examine(net("relu"), pairs=4, batches=[data(seed=1)], steps=(0.01,))
    lines = str(found).splitlines()
    assert lines[0] == f"26 parameters, 1 × ReLU() / Exact(): loss {found.loss:.5g}"
    assert lines[2].split() == [
        *("size", "reported", "true", "ratio", "cosine", "signs"),
        *("kept", "smoothed", "cosine", "signal/noise"),
    ]
    assert [line.split("  ")[0] for line in lines[3:8]] == [
        *("total", "layer 0", "layer 2", "input 1", "output 1")
    ]
    assert lines[-1].split()[0] == "0.01"
    assert "at least" in lines[9]
    short = str(examine(net("relu")))
    assert "kept" not in short
    assert "smoothed" not in short
    assert "signal" not in short
    assert str(Estimate(0.123456, 0.0456)) == "0.123 ± 0.05"
    assert str(Estimate()) == "–"


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("net", squared, ()), {}, TypeError, r"model must be a torch.nn.Module, got 'net'"),
        ((nn.Linear(1, 1), squared, ()), {}, ValueError, "no SurrogateActivation .* got Linear"),
        ((surrogate.get("relu"), squared, ()), {}, ValueError, "parameters that require gradients"),
        ((net("relu"), 3, ()), {}, TypeError, r"loss must be a callable .* got 3"),
        ((net("relu"), squared, data()[0]), {}, TypeError, "batch must be a tuple .* got Tensor"),
        ((net("relu"), squared, data()), {"batches": [1]}, TypeError, r"batches\[0\] .* got int"),
        ((net("relu"), lambda *_: 1.0, data()), {}, TypeError, "return a tensor, got float"),
        ((net("relu"), lambda m, x, y: m(x), data()), {}, ValueError, r"shape \(16, 1\)"),
        ((net("relu"), lambda *_: torch.tensor(1), data()), {}, ValueError, "dtype torch.int64"),
        ((net("relu"), squared, data()), {"sigma": 0}, ValueError, "sigma must be .* got 0"),
        ((net("relu"), squared, data()), {"pairs": 2}, ValueError, "pairs must be 0 or at least 3"),
        ((net("relu"), squared, data()), {"layer_pairs": -1}, ValueError, "layer_pairs .* got -1"),
        ((net("relu"), squared, data()), {"pairs": 2.5}, TypeError, "pairs must be an integer"),
        ((net("relu"), squared, data()), {"steps": (0.1, -1)}, ValueError, "steps must .* got -1"),
        ((net("relu"), squared, data()), {"seed": -1}, ValueError, "seed must be .* got -1"),
    ],
)
def test_errors_name_the_argument(arguments, options, error, message: str) -> None:
    with pytest.raises(error, match=message):
        surrogate.audit(*arguments, **options)
