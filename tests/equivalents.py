"""What the names of other packages stand for: formulas of their documents in plain Python.

Each case is a name, parameters, the function of x, and what is reported: the derivative as a
function of x, or the gradient as a function of x and of the upstream gradient g.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from statistics import NormalDist
from typing import Any

from tests.reference import (
    Scalar,
    cosines,
    fake_quantize,
    half_to_even,
    multi_spike,
    normal,
    sech2,
    sigmoid,
    softplus,
    uniform,
    uniform_quantizer,
)

NAMES = {
    "snntorch": "straight_through_estimator fast_sigmoid sigmoid atan heaviside spike_rate_escape "
    "SFS SSO LSO",
    "spikingjelly": "PiecewiseQuadratic PiecewiseExp Sigmoid SoftSign SuperSpike ATan "
    "NonzeroSignLogAbs Erf PiecewiseLeakyReLU SquarewaveFourierSeries S2NN QPseudoSpike LeakyKReLU "
    "FakeNumericalGradient LogTailedReLU Rect DeterministicPass",
    "norse": "super tanh heavi_erfc circ triangle logistic circ_dist",
    "sinabs": "Heaviside Gaussian MultiGaussian SingleExponential PeriodicExponential",
    "lava": "Spike",
    "rockpool": "StepPWL",
    "larq": "ste_sign ste_heaviside ste_tern approx_sign swish_sign MagnitudeAwareSign DoReFa",
    "brevitas": "round_ste ceil_ste floor_ste binary_sign_ste ternary_sign_ste scalar_clamp_ste",
    "torch": "fake_quantize",
    "freegrad": "rectangular triangular scale clip_norm centralize noise full_jam positive_jam "
    "rectangular_jam compose heaviside identity",
    "compressai": "LowerBound",
    "tensorflow_compression": "lower_bound upper_bound",
    "magic_clamp": "magic_clamp",
    "ewgs": "EWGS",
}
ALL = [f"{package}.{name}" for package, listed in NAMES.items() for name in listed.split()]


def above(x: float) -> float:
    return float(x > 0)


def from_zero(x: float) -> float:
    return float(x >= 0)


def sign(x: float) -> float:
    return 1.0 if x >= 0 else -1.0


def relu(x: float) -> float:
    return max(x, 0.0)


def one(x: float) -> float:
    return 1.0


def logistic_density(k: float, x: float) -> float:
    return k * sigmoid(k * x) * sigmoid(-k * x)


def density(x: float, mean: float, sigma: float) -> float:
    return NormalDist(mean, sigma).pdf(x)


def multi_gaussian(
    v: float, mu: float, sigma: float, h: float, s: float, thr: float = 1.0
) -> float:
    sides = density(v - thr, sigma, s * sigma) + density(v - thr, -sigma, s * sigma)
    return (1 + h) * density(v - thr, mu, sigma) - h * sides


def periodic_exponential(v: float, width: float, thr: float) -> float:
    if v < thr:
        return math.exp(-(thr - v) / width)
    past = float(Fraction(v) % Fraction(thr))
    return math.exp(-2 * min(past, thr - past) / width)


def ternary(x: float, threshold: float) -> float:
    return math.copysign(1.0, x) if abs(x) >= threshold and x else 0.0


def swish_sign(x: float, beta: float) -> float:
    u = beta * x
    return beta * (2 - u * math.tanh(u / 2)) / (1 + math.cosh(u))


def inside_quantizer(x: float, scale: float, zero: int, least: int, most: int) -> float:
    return float(least <= half_to_even(Fraction(x) / Fraction(scale)) + zero <= most)


def on_circle(x: float, alpha: float) -> float:
    return 0.5 + 0.5 * x / math.sqrt(x**2 + alpha**2)


Case = tuple[str, dict[str, Any], Scalar, Scalar]
POINTWISE: list[Case] = [
    ("snntorch.straight_through_estimator", {}, above, one),
    ("snntorch.fast_sigmoid", {}, above, lambda x: 1 / (25 * abs(x) + 1) ** 2),
    ("snntorch.fast_sigmoid", {"slope": 3}, above, lambda x: 1 / (3 * abs(x) + 1) ** 2),
    ("snntorch.sigmoid", {}, above, lambda x: logistic_density(25, x)),
    ("snntorch.sigmoid", {"slope": 2.5}, above, lambda x: logistic_density(2.5, x)),
    ("snntorch.atan", {}, above, lambda x: 1 / (1 + (math.pi * x) ** 2)),
    ("snntorch.atan", {"alpha": 3}, above, lambda x: 1.5 / (1 + (math.pi * 1.5 * x) ** 2)),
    ("snntorch.heaviside", {}, above, above),
    ("snntorch.spike_rate_escape", {}, above, lambda x: 25 * math.exp(-abs(x - 1))),
    (
        "snntorch.spike_rate_escape", {"beta": 2, "slope": 3},
        above, lambda x: 3 * math.exp(-2 * abs(x - 1)),
    ),
    ("snntorch.SFS", {}, above, lambda x: (x > 1) / (25 * abs(x) + 1) ** 2),
    ("snntorch.SFS", {"slope": 2, "B": -0.5}, above, lambda x: (x > -0.5) / (2 * abs(x) + 1) ** 2),
    ("snntorch.SSO", {}, above, lambda x: 1.0 if x > 0 else (uniform(x, 0) - 0.5) * 0.2),
    (
        "snntorch.SSO", {"mean": 0.3, "variance": 2, "seed": 5},
        above, lambda x: 1.0 if x > 0 else (uniform(x, 5) - 0.5 + 0.3) * 2,
    ),
    ("snntorch.LSO", {}, above, lambda x: 1.0 if x > 0 else 0.1),
    ("snntorch.LSO", {"slope": -0.3}, above, lambda x: 1.0 if x > 0 else -0.3),
    ("spikingjelly.PiecewiseQuadratic", {}, from_zero, lambda x: max(0.0, 1 - abs(x))),
    ("spikingjelly.PiecewiseQuadratic", {"alpha": 2}, from_zero, lambda x: max(0, 2 - 4 * abs(x))),
    ("spikingjelly.PiecewiseExp", {}, from_zero, lambda x: 0.5 * math.exp(-abs(x))),
    ("spikingjelly.PiecewiseExp", {"alpha": 3}, from_zero, lambda x: 1.5 * math.exp(-3 * abs(x))),
    ("spikingjelly.Sigmoid", {}, from_zero, lambda x: logistic_density(4, x)),
    ("spikingjelly.Sigmoid", {"alpha": 1.5}, from_zero, lambda x: logistic_density(1.5, x)),
    ("spikingjelly.SoftSign", {}, from_zero, lambda x: 1 / (4 * (0.5 + abs(x)) ** 2)),
    ("spikingjelly.SoftSign", {"alpha": 5}, from_zero, lambda x: 1 / (10 * (0.2 + abs(x)) ** 2)),
    ("spikingjelly.SuperSpike", {}, from_zero, lambda x: 1 / (abs(x) + 1) ** 2),
    ("spikingjelly.SuperSpike", {"alpha": 3}, from_zero, lambda x: 3 / (abs(x) + 1) ** 2),
    ("spikingjelly.ATan", {}, from_zero, lambda x: 1 / (1 + (math.pi * x) ** 2)),
    ("spikingjelly.ATan", {"alpha": 5}, from_zero, lambda x: 2.5 / (1 + (math.pi * 2.5 * x) ** 2)),
    ("spikingjelly.NonzeroSignLogAbs", {}, from_zero, lambda x: 1 / (1 + abs(x))),
    ("spikingjelly.NonzeroSignLogAbs", {"alpha": 4}, from_zero, lambda x: 1 / (0.25 + abs(x))),
    (
        "spikingjelly.Erf", {},
        from_zero, lambda x: 2 / math.sqrt(math.pi) * math.exp(-((2 * x) ** 2)),
    ),
    (
        "spikingjelly.Erf", {"alpha": 0.7},
        from_zero, lambda x: 0.7 / math.sqrt(math.pi) * math.exp(-((0.7 * x) ** 2)),
    ),
    ("spikingjelly.PiecewiseLeakyReLU", {}, from_zero, lambda x: 0.5 if abs(x) < 1 else 0.01),
    (
        "spikingjelly.PiecewiseLeakyReLU", {"w": 0.25, "c": 0.3},
        from_zero, lambda x: 2.0 if abs(x) < 0.25 else 0.3,
    ),
    ("spikingjelly.SquarewaveFourierSeries", {}, from_zero, lambda x: 0.5 * cosines(x, 8, 1)),
    ("spikingjelly.SquarewaveFourierSeries", {"n": 1}, from_zero, lambda x: 0.0),
    (
        "spikingjelly.SquarewaveFourierSeries", {"n": 4, "T_period": 2},
        from_zero, lambda x: 2 * sum(math.cos((2 * i - 1) * math.pi * x) for i in (1, 2, 3)),
    ),
    (
        "spikingjelly.S2NN", {},
        from_zero, lambda x: logistic_density(4, x) if x < 0 else 1 / (x + 1),
    ),
    (
        "spikingjelly.S2NN", {"alpha": 2, "beta": 0.3},
        from_zero, lambda x: logistic_density(2, x) if x < 0 else 0.3 / (x + 1),
    ),
    ("spikingjelly.QPseudoSpike", {}, from_zero, lambda x: (1 + 2 * abs(x)) ** -2),
    ("spikingjelly.QPseudoSpike", {"alpha": 1.5}, from_zero, lambda x: (1 + 4 * abs(x)) ** -1.5),
    ("spikingjelly.LeakyKReLU", {}, from_zero, from_zero),
    (
        "spikingjelly.LeakyKReLU", {"leak": 0.2, "k": 3},
        from_zero, lambda x: 3.0 if x >= 0 else 0.2,
    ),
    (
        "spikingjelly.FakeNumericalGradient", {},
        from_zero, lambda x: min(1 / abs(x), 0.3) if x else 0.3,
    ),
    (
        "spikingjelly.FakeNumericalGradient", {"alpha": 2},
        from_zero, lambda x: min(1 / abs(x), 2) if x else 2.0,
    ),
    (
        "spikingjelly.LogTailedReLU", {},
        from_zero, lambda x: 0.0 if x <= 0 else 1.0 if x <= 1 else 1 / x,
    ),
    (
        "spikingjelly.LogTailedReLU", {"alpha": 0.4},
        from_zero, lambda x: 0.4 if x <= 0 else 1.0 if x <= 1 else 1 / x,
    ),
    ("spikingjelly.Rect", {}, from_zero, lambda x: float(abs(x) < 0.5)),
    ("spikingjelly.Rect", {"alpha": 2}, from_zero, lambda x: 2.0 * (abs(x) < 0.25)),
    ("spikingjelly.DeterministicPass", {}, from_zero, one),
    ("norse.super", {}, above, lambda x: 1 / (100 * abs(x) + 1) ** 2),
    ("norse.super", {"alpha": 2}, above, lambda x: 1 / (2 * abs(x) + 1) ** 2),
    ("norse.tanh", {}, above, lambda x: 50 * sech2(100 * x)),
    ("norse.tanh", {"k": 3}, above, lambda x: 1.5 * sech2(3 * x)),
    (
        "norse.heavi_erfc", {},
        above, lambda x: 100 / math.sqrt(math.pi) * math.exp(-((100 * x) ** 2)),
    ),
    (
        "norse.heavi_erfc", {"k": 1.5},
        above, lambda x: 1.5 / math.sqrt(math.pi) * math.exp(-((1.5 * x) ** 2)),
    ),
    ("norse.circ", {}, above, lambda x: 1e6 / (1e4 + x * x) ** 1.5),
    ("norse.circ", {"alpha": 0.5}, above, lambda x: 0.125 / (0.25 + x * x) ** 1.5),
    ("norse.triangle", {}, above, lambda x: 0.3 * max(0.0, 1 - abs(x))),
    ("norse.triangle", {"alpha": 2}, above, lambda x: 2 * max(0.0, 1 - abs(x))),
    ("sinabs.Heaviside", {}, lambda v: float(v >= 1), lambda v: float(v >= 0)),
    (
        "sinabs.Heaviside",
        {"window": 0.25, "spike_threshold": 0.5, "spike_fn": "MultiSpike"},
        lambda v: multi_spike(v, 0.5, 99), lambda v: 2.0 * (v >= 0.25),
    ),
    ("sinabs.Gaussian", {}, lambda v: float(v >= 1), lambda v: density(v - 1, 0, 0.5)),
    (
        "sinabs.Gaussian",
        {"mu": 0.3, "sigma": 2, "grad_scale": -3, "spike_threshold": 2},
        lambda v: float(v >= 2), lambda v: -3 * density(v - 2, 0.3, 2),
    ),
    (
        "sinabs.MultiGaussian", {},
        lambda v: float(v >= 1), lambda v: multi_gaussian(v, 0, 0.5, 0.15, 6),
    ),
    (
        "sinabs.MultiGaussian",
        {"mu": -0.2, "sigma": 0.4, "h": 0.5, "s": 2, "grad_scale": 3, "spike_threshold": 0.5,
         "spike_fn": "MaxSpike", "max_num_spikes_per_bin": 3},
        lambda v: multi_spike(v, 0.5, 3), lambda v: 3 * multi_gaussian(v, -0.2, 0.4, 0.5, 2, 0.5),
    ),
    (
        "sinabs.SingleExponential", {},
        lambda v: float(v >= 1), lambda v: math.exp(-abs(v - 1) / 0.5) / 0.5,
    ),
    (
        "sinabs.SingleExponential",
        {"grad_width": 0.2, "grad_scale": 4, "spike_threshold": 0.5, "spike_fn": "MaxSpike"},
        lambda v: multi_spike(v, 0.5, 99), lambda v: 4 * math.exp(-abs(v - 0.5) / 0.1) / 0.1,
    ),
    (
        "sinabs.PeriodicExponential", {},
        lambda v: float(v >= 1), lambda v: periodic_exponential(v, 0.5, 1),
    ),
    (
        "sinabs.PeriodicExponential",
        {"grad_width": 0.3, "grad_scale": 2, "spike_threshold": 0.75},
        lambda v: float(v >= 0.75), lambda v: 2 * periodic_exponential(v, 0.3, 0.75),
    ),
    ("lava.Spike", {}, lambda v: float(v >= 1), lambda v: 0.5 * math.exp(-abs(v - 1))),
    (
        "lava.Spike", {"threshold": 0.5, "tau_rho": 0.2, "scale_rho": 3},
        lambda v: float(v >= 0.5), lambda v: 3 / 0.4 * math.exp(-abs(v - 0.5) / 0.2),
    ),
    (
        "lava.Spike",
        {"threshold": 0.5, "tau_rho": 2, "scale_rho": 3, "graded_spike": True, "scale": 4},
        lambda v: v / 4 if v >= 0.5 else 0.0, lambda v: 3 * math.exp(min(v - 0.5, 0) / 2),
    ),
    ("rockpool.StepPWL", {}, lambda x: multi_spike(x, 1, 2**16), lambda x: float(x >= 0.5)),
    (
        "rockpool.StepPWL", {"threshold": 0.5, "window": 0.25, "max_spikes_per_dt": 4},
        lambda x: multi_spike(x, 0.5, 4), lambda x: 2.0 * (x >= 0.25),
    ),
    ("larq.ste_sign", {}, sign, lambda x: float(abs(x) <= 1)),
    ("larq.ste_sign", {"clip_value": 0.5}, sign, lambda x: float(abs(x) <= 0.5)),
    ("larq.ste_sign", {"clip_value": None}, sign, one),
    ("larq.ste_heaviside", {}, above, lambda x: float(abs(x) <= 1)),
    ("larq.ste_heaviside", {"clip_value": 2}, above, lambda x: float(abs(x) <= 2)),
    ("larq.ste_tern", {}, lambda x: ternary(x, 0.05), lambda x: float(abs(x) <= 1)),
    (
        "larq.ste_tern", {"threshold_value": 0.5, "clip_value": None},
        lambda x: ternary(x, 0.5), one,
    ),
    (
        "larq.ste_tern", {"threshold_value": 0},
        lambda x: ternary(x, 0), lambda x: float(abs(x) <= 1),
    ),
    ("larq.approx_sign", {}, sign, lambda x: 2 * max(0.0, 1 - abs(x))),
    ("larq.swish_sign", {}, sign, lambda x: swish_sign(x, 5)),
    ("larq.swish_sign", {"beta": 1.5}, sign, lambda x: swish_sign(x, 1.5)),
    ("larq.DoReFa", {}, lambda x: uniform_quantizer(x, 2, 0, 1), lambda x: float(0 <= x <= 1)),
    (
        "larq.DoReFa", {"k_bit": 5},
        lambda x: uniform_quantizer(x, 5, 0, 1), lambda x: float(0 <= x <= 1),
    ),
    ("brevitas.round_ste", {}, lambda x: float(half_to_even(Fraction(x))), one),
    ("brevitas.ceil_ste", {}, lambda x: float(math.ceil(x)), one),
    ("brevitas.floor_ste", {}, lambda x: float(math.floor(x)), one),
    ("brevitas.binary_sign_ste", {}, sign, one),
    ("brevitas.ternary_sign_ste", {}, lambda x: float((x > 0) - (x < 0)), one),
    (
        "brevitas.scalar_clamp_ste", {"min_val": -0.5, "max_val": 2},
        lambda x: min(max(x, -0.5), 2.0), one,
    ),
    *(
        (
            "torch.fake_quantize",
            dict(zip(("scale", "zero_point", "quant_min", "quant_max"), numbers, strict=True)),
            lambda x, numbers=numbers: fake_quantize(x, *numbers),
            lambda x, numbers=numbers: inside_quantizer(x, *numbers),
        )
        for numbers in ((0.25, 0, -8, 7), (0.25, 1, -8, 7), (0.5, 3, 0, 6), (0.5, 4, 1, 7))
    ),
    ("freegrad.identity", {}, relu, one),
    ("freegrad.heaviside", {}, relu, above),
    ("freegrad.rectangular", {}, relu, lambda x: float(abs(x) <= 0.5)),
    (
        "freegrad.rectangular", {"a": -2, "b": 0.25, "forward": "Heaviside"},
        above, lambda x: float(-2 <= x <= 0.25),
    ),
    ("freegrad.triangular", {}, relu, lambda x: max(0.0, 1 - abs(x))),
    (
        "freegrad.triangular", {"width": 2, "forward": "ReLU6"},
        lambda x: min(max(x, 0), 6), lambda x: max(0.0, 1 - abs(x) / 2),
    ),
    ("freegrad.scale", {}, relu, one),
    ("freegrad.scale", {"s": -0.3, "forward": "Linear"}, lambda x: x, lambda x: -0.3),
    ("freegrad.full_jam", {}, relu, lambda x: uniform(x, 0)),
    ("freegrad.full_jam", {"seed": 3, "forward": "Logistic"}, sigmoid, lambda x: uniform(x, 3)),
    ("freegrad.positive_jam", {}, relu, lambda x: uniform(x, 0) * (x >= 0)),
    (
        "freegrad.positive_jam", {"seed": 4, "forward": "Softplus"},
        softplus, lambda x: uniform(x, 4) * (x >= 0),
    ),
    ("freegrad.rectangular_jam", {}, relu, lambda x: uniform(x, 0) * (abs(x) <= 5)),
    (
        "freegrad.rectangular_jam", {"a": 0, "b": 1, "seed": 2, "forward": "Tanh"},
        math.tanh, lambda x: uniform(x, 2) * (0 <= x <= 1),
    ),
    (
        "freegrad.compose",
        {"rules": ("rectangular", "scale", "full_jam"), "b": 2, "s": 3, "forward": "SiLU"},
        lambda x: x * sigmoid(x), lambda x: 3 * uniform(x, 2) * (-0.5 <= x <= 2),
    ),
    (
        "freegrad.compose",
        {"rules": ("full_jam", "full_jam"), "seed": 5, "forward": "LeakyReLU"},
        lambda x: x if x > 0 else 0.01 * x, lambda x: uniform(x, 5) * uniform(x, 6),
    ),
    (
        "freegrad.compose", {"rules": (), "forward": "ELU"},
        lambda x: x if x > 0 else math.expm1(x), one,
    ),
    *(
        (
            f"tensorflow_compression.{side}_bound", {"bound": 0.5, "gradient": gradient},
            lambda x, bound=bound: bound(x, 0.5), slope,
        )
        for side, bound, true in (
            ("lower", max, lambda x: float(x >= 0.5)),
            ("upper", min, lambda x: float(x <= 0.5)),
        )
        for gradient, slope in (("identity", one), ("disconnected", true))
    ),
]  # fmt: skip


# Those that draw their spikes, anew in each call: the probability of one, and the derivative.
DRAWN: list[Case] = [
    ("norse.logistic", {}, lambda x: sigmoid(200 * x), lambda x: 50 * sech2(100 * x)),
    (
        "norse.logistic", {"k": 0.7},
        lambda x: 0.5 + 0.5 * math.tanh(0.7 * x), lambda x: 0.35 * sech2(0.7 * x),
    ),
    ("norse.circ_dist", {}, lambda x: on_circle(x, 100), lambda x: 1e6 / (1e4 + x * x) ** 1.5),
    (
        "norse.circ_dist", {"alpha": 0.5},
        lambda x: on_circle(x, 0.5), lambda x: 0.125 / (0.25 + x * x) ** 1.5,
    ),
]  # fmt: skip


def lower(x: float, g: float, bound: float) -> float:
    return g if x >= bound or g < 0 else 0.0


def upper(x: float, g: float, bound: float) -> float:
    return g if x <= bound or g > 0 else 0.0


def scaled(x: float, g: float, delta: float, n: int) -> float:
    error = x - half_to_even(Fraction(x) * n) / n
    return g * (1 + delta * math.copysign(1.0, g) * error)


def gelu(x: float) -> float:
    return x * NormalDist().cdf(x)


UPSTREAM: list[tuple[str, dict[str, Any], Scalar, Callable[[float, float], float]]] = [
    ("freegrad.noise", {}, relu, lambda x, g: g + 0.1 * normal(x, 0)),
    (
        "freegrad.noise", {"sigma": 2, "seed": 3, "forward": "GELU"},
        gelu, lambda x, g: g + 2 * normal(x, 3),
    ),
    (
        "freegrad.compose", {"rules": ("noise", "triangular", "noise"), "sigma": 0.5},
        relu,
        lambda x, g: (g + 0.5 * normal(x, 0)) * max(0.0, 1 - abs(x)) + 0.5 * normal(x, 2),
    ),
    ("compressai.LowerBound", {"bound": 0.0}, relu, lambda x, g: lower(x, g, 0.0)),
    (
        "compressai.LowerBound", {"bound": -0.75},
        lambda x: max(x, -0.75), lambda x, g: lower(x, g, -0.75),
    ),
    (
        "tensorflow_compression.lower_bound", {"bound": 0.5},
        lambda x: max(x, 0.5), lambda x, g: lower(x, g, 0.5),
    ),
    (
        "tensorflow_compression.upper_bound", {"bound": 0.5},
        lambda x: min(x, 0.5), lambda x, g: upper(x, g, 0.5),
    ),
    (
        "magic_clamp.magic_clamp", {"min_value": -1, "max_value": 0.5, "preserve_norm": False},
        lambda x: min(max(x, -1), 0.5), lambda x, g: upper(x, lower(x, g, -1), 0.5),
    ),
    (
        "magic_clamp.magic_clamp", {"min_value": 0, "max_value": None, "preserve_norm": False},
        relu, lambda x, g: lower(x, g, 0),
    ),
    (
        "ewgs.EWGS", {"delta": 0.3},
        lambda x: float(half_to_even(Fraction(x))), lambda x, g: scaled(x, g, 0.3, 1),
    ),
    (
        "ewgs.EWGS", {"delta": 2, "num_levels": 5},
        lambda x: half_to_even(Fraction(x) * 4) / 4, lambda x, g: scaled(x, g, 2, 4),
    ),
]  # fmt: skip
