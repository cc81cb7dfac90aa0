"""Slow, independent oracles: the formulas once more, in another way, in float64 or in fractions."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.parts import varying_numbers

Scalar = Callable[[float], float]
Elementwise = Callable[[torch.Tensor], torch.Tensor]


def cantor(x: float, depth: int, extend: str = "repeat") -> Fraction:
    """Digit by digit, in exact arithmetic."""
    exact = Fraction(x)
    if extend == "clamp" and not 0 <= exact < 1:
        return Fraction(int(exact >= 1))
    whole = math.floor(exact)
    part, value, weight = exact - whole, Fraction(whole), Fraction(1, 2)
    for _ in range(depth):
        part *= 3
        digit = math.floor(part)
        part -= digit
        value += weight if digit else 0
        weight /= 2
        if digit == 1:
            break
    return value


def perlin(x: float, resolution: float, seed: int) -> float:
    generator = random.Random(seed)
    array = [round((2 * generator.random() - 1) * 2**20) / 2**20 for _ in range(256)]
    cell = math.floor(x * resolution)
    t = x * resolution - cell
    left, right = array[cell % 256], array[(cell + 1) % 256]
    return left * (1 - (3 * t**2 - 2 * t**3)) + right * (3 * t**2 - 2 * t**3)


def soft_staircase(x: float, step: float, softness: float) -> float:
    """By its Fourier series; 400 terms are enough for softness ≥ 0.1."""
    r, theta = 1 - softness, 2 * math.pi * x / step
    series = sum((-r) ** k * math.sin(k * theta) / k for k in range(1, 400))
    return x + step / math.pi * series


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def clamp(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def selu(x: float) -> float:
    """With the two constants as the solution of the fixed-point equations of its paper."""
    root = math.exp(0.5) * math.erfc(1 / math.sqrt(2))
    alpha = -math.sqrt(2 / math.pi) / (root - 1)
    below = math.exp(2) * math.erfc(math.sqrt(2))
    moments = 1 + alpha**2 * (below - 2 * root + 1)  # 2 · E[f²] for scale 1
    mean = (1 / math.sqrt(2 * math.pi)) + alpha * (root - 1) / 2
    scale = math.sqrt(2 / moments)
    assert abs(mean) < 1e-15
    return scale * (x if x > 0 else alpha * math.expm1(x))


def phase(x: float, period: float) -> Fraction:
    """How far in its period a number is, from 0 to 1, in exact arithmetic."""
    turns = Fraction(x) / Fraction(period)
    return turns - math.floor(turns)


def triangle_wave(x: float, period: float) -> float:
    t = phase(x, period)
    return float(4 * t if t < 0.25 else 2 - 4 * t if t < 0.75 else 4 * t - 4)


def sawtooth_wave(x: float, period: float) -> float:
    t = phase(x, period)
    return float(2 * t if t < 0.5 else 2 * t - 2)


def half_to_even(x: Fraction) -> int:
    below = math.floor(x)
    rest = x - below
    return below + int(rest > 0.5 or (rest == 0.5 and below % 2 == 1))


def uniform_quantizer(x: float, bits: int, low: float, high: float) -> float:
    start, length, steps = Fraction(low), Fraction(high) - Fraction(low), 2**bits - 1
    place = (Fraction(clamp(x, low, high)) - start) / length * steps
    return float(start + length * half_to_even(place) / steps)


def fake_quantize(x: float, scale: float, zero_point: int, least: int, most: int) -> float:
    q = half_to_even(Fraction(x) / Fraction(scale)) + zero_point
    return float((min(max(q, least), most) - zero_point) * Fraction(scale))


def multi_spike(x: float, threshold: float, most: int) -> float:
    """Fires and subtracts, one spike after the other."""
    left, spikes = Fraction(x), 0
    while left >= Fraction(threshold) and spikes < most:
        left -= Fraction(threshold)
        spikes += 1
    return float(spikes)


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


# Every registered function must be here: an instance, and its value as a function of one float. By
# itself, without a pair that trains, a function has the mean of a drawn number.
FUNCTIONS: list[tuple[Elementwise, Scalar]] = [
    (f.Identity(), lambda x: x),
    (f.ReLU(), lambda x: max(x, 0.0)),
    (f.LeakyReLU(0.1), lambda x: x if x > 0 else 0.1 * x),
    (f.RReLU(0.1, 0.3), lambda x: x if x > 0 else 0.2 * x),
    (f.ELU(1.5), lambda x: x if x > 0 else 1.5 * math.expm1(x)),
    (f.GELU(), lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    (f.GELU("tanh"), gelu_tanh),
    (f.SiLU(), lambda x: x * sigmoid(x)),
    (f.Swish(), lambda x: x * sigmoid(x)),
    (f.Swish(2.5), lambda x: x * sigmoid(2.5 * x)),
    (f.BSiLU(), lambda x: (x + 1.67) * sigmoid(x) - 0.835),
    (f.BSiLU(-0.4), lambda x: (x - 0.4) * sigmoid(x) + 0.2),
    (f.Mish(), lambda x: x * math.tanh(softplus(x))),
    (f.Softplus(), softplus),
    (f.Softplus(3.0, threshold=4.0), lambda x: x if 3 * x > 4 else softplus(3 * x) / 3),
    (f.LogSigmoid(), lambda x: -softplus(-x)),
    (f.Softsign(), lambda x: x / (1 + abs(x))),
    (f.Tanhshrink(), lambda x: x - math.tanh(x)),
    (f.Polynomial(), lambda x: x * x),
    (f.Polynomial((1.0, -2.0, 0.0, 0.5, 0.0)), lambda x: 1 - 2 * x + 0.5 * x**3),
    (f.Polynomial((0.25,)), lambda x: 0.25),
    (f.CELU(), lambda x: x if x > 0 else math.expm1(x)),
    (f.CELU(0.5), lambda x: x if x > 0 else 0.5 * math.expm1(2 * x)),
    (f.SELU(), selu),
    (f.Threshold(), lambda x: max(x, 0.0)),
    (f.Threshold(0.25, -1.0), lambda x: x if x > 0.25 else -1.0),
    (f.ReLU6(), lambda x: clamp(x, 0.0, 6.0)),
    (f.Clamp(), lambda x: clamp(x, 0.0, 1.0)),
    (f.Clamp(low=-0.5, high=None), lambda x: max(x, -0.5)),
    (f.Clamp(low=None, high=-0.5), lambda x: min(x, -0.5)),
    (f.Hardtanh(), lambda x: clamp(x, -1.0, 1.0)),
    (f.Hardtanh(-2.0, 0.5), lambda x: clamp(x, -2.0, 0.5)),
    (f.Hardsigmoid(), lambda x: clamp(x / 6 + 0.5, 0.0, 1.0)),
    (f.Hardswish(), lambda x: x * clamp(x / 6 + 0.5, 0.0, 1.0)),
    (f.Hardshrink(), lambda x: x if abs(x) > 0.5 else 0.0),
    (f.Hardshrink(1.0), lambda x: x if abs(x) > 1 else 0.0),
    (f.Softshrink(), lambda x: max(x - 0.5, 0.0) + min(x + 0.5, 0.0)),
    (f.Softshrink(0.0), lambda x: x),
    (f.LiSHT(), lambda x: x * math.tanh(x)),
    (f.LightReLU(), lambda x: min(x * math.tanh(x) - 0.46, 7.5)),
    (f.LightReLU(0.2, most=1.5), lambda x: min(x * math.tanh(x) - 0.2, 1.5)),
    (f.FTSwish(), lambda x: max(x, 0.0) * sigmoid(x) - 0.2),
    (f.FTSwish(0.3), lambda x: max(x, 0.0) * sigmoid(x) + 0.3),
    (f.FTSwishPlus(), lambda x: max(x, 0.0) * sigmoid(x) - 0.15),
    (f.FTSwishPlus(-0.2, 0.1), lambda x: max(x, 0.0) * sigmoid(x) - 0.3),
    (f.TReLU(), lambda x: max(x, 0.0) - 0.22),
    (f.TReLU(-0.2, mean_shift=0.1), lambda x: max(x, 0.0) - 0.3),
    (f.TiltReLU(), lambda x: abs(x) - 0.76788456),
    (f.TiltReLU(0.0), lambda x: abs(x) - 0.79788456),
    (f.GeneralReLU(), lambda x: min(x if x > 0 else 0.1 * x, 6.4) - 0.4),
    (f.GeneralReLU(0.2, -0.1, 2.0), lambda x: min(x if x > 0 else 0.2 * x, 1.9) + 0.1),
    (f.Sigmoid(), sigmoid),
    (f.Tanh(), math.tanh),
    (f.Sin(), math.sin),
    (f.Snake(), lambda x: x + (1 - math.cos(2 * x)) / 2),
    (f.Snake(2.5), lambda x: x + (1 - math.cos(5 * x)) / 5),
    (f.TriangleWave(), lambda x: triangle_wave(x, 4.0)),
    (f.TriangleWave(0.7), lambda x: triangle_wave(x, 0.7)),
    (f.SquareWave(), lambda x: 1.0 if phase(x, 4.0) < 0.5 else -1.0),
    (f.SquareWave(1.5), lambda x: 1.0 if phase(x, 1.5) < 0.5 else -1.0),
    (f.SawtoothWave(), lambda x: sawtooth_wave(x, 4.0)),
    (f.SawtoothWave(0.75), lambda x: sawtooth_wave(x, 0.75)),
    (f.Heaviside(), lambda x: float(x >= 0)),
    (f.Heaviside(at_zero=0.5), lambda x: 0.5 if x == 0 else float(x > 0)),
    (f.Heaviside(threshold=0.5), lambda x: float(x >= 0.5)),
    (f.Heaviside(-1.0, at_zero=0.0), lambda x: float(x > -1)),
    (f.Ternary(), lambda x: float((x > 0.5) - (x < -0.5))),
    (f.Ternary(0.0), lambda x: float((x > 0) - (x < 0))),
    (
        f.Ternary(at_tie=0.25),
        lambda x: math.copysign((0, 0.25, 1)[(abs(x) >= 0.5) + (abs(x) > 0.5)], x),
    ),
    (f.GradedSpike(), lambda x: x * (x >= 1)),
    (f.GradedSpike(-0.5, scale=4.0), lambda x: x / 4 if x >= -0.5 else 0.0),
    (f.MultiSpike(), lambda x: multi_spike(x, 1.0, 99)),
    (f.MultiSpike(0.75, most=3), lambda x: multi_spike(x, 0.75, 3)),
    (f.Round(), lambda x: float(half_to_even(Fraction(x)))),
    (f.Floor(), lambda x: float(math.floor(x))),
    (f.Ceil(), lambda x: float(math.ceil(x))),
    (f.Trunc(), lambda x: float(math.trunc(x))),
    (f.UniformQuantizer(), lambda x: uniform_quantizer(x, 8, -1.0, 1.0)),
    (f.UniformQuantizer(2, low=0.0), lambda x: uniform_quantizer(x, 2, 0.0, 1.0)),
    (f.UniformQuantizer(3, -0.5, 2.0), lambda x: uniform_quantizer(x, 3, -0.5, 2.0)),
    (f.FakeQuantize(0.0625), lambda x: fake_quantize(x, 0.0625, 0, -128, 127)),
    (f.FakeQuantize(0.375, 3, 0, 7), lambda x: fake_quantize(x, 0.375, 3, 0, 7)),
    (f.Sign(), lambda x: float((x > 0) - (x < 0))),
    (f.Sign(at_zero=-1.0), lambda x: 1.0 if x > 0 else -1.0),
    (f.Staircase(0.5), lambda x: 0.5 * round(x / 0.5)),
    (f.Staircase(3.0), lambda x: 3.0 * round(x / 3.0)),
    (f.SoftStaircase(1.0, 0.5), lambda x: soft_staircase(x, 1.0, 0.5)),
    (f.SoftStaircase(0.4, 0.1), lambda x: soft_staircase(x, 0.4, 0.1)),
    (f.SoftStaircase(2.0, 1.0), lambda x: x),
    (f.Cantor(4), lambda x: float(cantor(x, 4))),
    (f.Cantor(12), lambda x: float(cantor(x, 12))),
    (f.Cantor(9, "clamp"), lambda x: float(cantor(x, 9, "clamp"))),
    (f.PerlinNoise(1.0), lambda x: perlin(x, 1.0, 0)),
    (f.PerlinNoise(16.0, seed=3), lambda x: perlin(x, 16.0, 3)),
    (f.PerlinNoise(2.7, seed=8), lambda x: perlin(x, 2.7, 8)),
]

# Those of which all numbers are fixed, so that formulas can be called by themselves.
FIXED: list[f.Function] = [
    function
    for function, _ in FUNCTIONS
    if isinstance(function, f.Function) and not varying_numbers(function)
]

# Those that draw in evaluation too: an instance, and its mean over many calls.
DRAWN: list[tuple[Elementwise, Scalar]] = [
    (f.Bernoulli(), sigmoid),
    (f.Bernoulli(0.5, "algebraic"), lambda x: 0.5 + x / 0.5 / math.hypot(1, x / 0.5) / 2),
]


def magnitude_sign(x: torch.Tensor) -> torch.Tensor:
    """Number by number: the last dimension is that of the channels."""
    rows = x.reshape(-1, x.shape[-1]).tolist() if x.dim() > 1 else [x.tolist()]
    means = [sum(map(abs, channel)) / len(rows) for channel in zip(*rows, strict=True)]
    signs = [
        [mean if v >= 0 else -mean for v, mean in zip(row, means, strict=True)] for row in rows
    ]
    return torch.tensor(signs, dtype=torch.float64).reshape(x.shape)


# Registered functions that look at more than one number of their input.
WHOLE: list[tuple[f.Function, Elementwise]] = [(f.MagnitudeSign(), magnitude_sign)]


def sech2(v: float) -> float:
    return 1 / math.cosh(v) ** 2 if abs(v) < 350 else 0.0


def swish_sign(x: float, beta: float) -> float:
    if abs(beta * x) > 700:
        return 0.0
    u = beta * x
    return beta * (2 - u * math.tanh(u / 2)) / (1 + math.cosh(u))


def past(x: float, period: float) -> float:
    """How far x is past a multiple of the period, exactly."""
    return float(Fraction(x) % Fraction(period)) if math.isfinite(x) else math.nan


def periodic_laplace(x: float, width: float, period: float) -> float:
    t = past(x, period)
    return math.exp(-min(t, period - t) / width)


def cosines(x: float, period: float, terms: int) -> float:
    t = 2 * math.pi * past(x, period) / period
    return sum(math.cos((2 * i - 1) * t) for i in range(1, terms + 1))


# Shapes with a closed form: a derivative, and its slope as a function of one float. The oracles of
# the second half are formulas of other packages, with their own parameters.
SHAPES: list[tuple[d.Pointwise, Scalar]] = [
    (d.Constant(0.3), lambda x: 0.3),
    (d.Box(), lambda x: float(abs(x) <= 1)),
    (d.Box(-0.5, 1.0, 0.7, outside=0.1), lambda x: 0.7 if -0.5 <= x <= 1 else 0.1),
    (d.Box(-0.5, 1.0, -0.7, closed=False), lambda x: -0.7 if -0.5 < x < 1 else 0.0),
    (d.Box(-0.5, 1.0, closed="left"), lambda x: float(-0.5 <= x < 1)),
    (d.Box(-0.5, 1.0, outside=0.2, closed="right"), lambda x: 1.0 if -0.5 < x <= 1 else 0.2),
    (d.Gaussian(), lambda x: math.exp(-x * x / 2)),
    (d.Logistic(), lambda x: sech2(x / 2)),
    (d.Cauchy(), lambda x: 1 / (1 + x * x)),
    (d.Cauchy(2.0, 3.0, power=0.5), lambda x: 3 / math.hypot(1, x / 2)),
    (d.Cauchy(0.3, 1.0, power=4), lambda x: (1 + x * x / 0.09) ** -4),
    (d.FastSigmoid(), lambda x: 1 / ((1 + abs(x)) * (1 + abs(x)))),
    (d.FastSigmoid(0.2, -1.5, power=1.5), lambda x: -1.5 * (1 + abs(x) / 0.2) ** -1.5),
    (d.Triangle(), lambda x: max(0.0, 1 - abs(x))),
    (d.Triangle(0.4, 2.5), lambda x: max(0.0, 2.5 - 6.25 * abs(x))),
    (d.Laplace(), lambda x: math.exp(-abs(x))),
    (d.Hyperbola(0.5, 3.0), lambda x: 3.0 if abs(x) < 0.5 else 1.5 / abs(x)),
    (d.PeriodicLaplace(), lambda x: periodic_laplace(x, 1.0, 1.0)),
    (d.PeriodicLaplace(0.2, 2.0, 0.7), lambda x: 2 * periodic_laplace(x, 0.2, 0.7)),
    (d.SwishSign(), lambda x: swish_sign(x, 5.0)),
    (d.SwishSign(0.5), lambda x: swish_sign(x, 0.5)),
    (d.Cosines(), lambda x: cosines(x, 8.0, 2)),
    (d.Cosines(0.7, terms=1), lambda x: cosines(x, 0.7, 1)),
    (d.Uniform(), lambda x: uniform(x, 0)),
    (d.Uniform(-2.0, 3.0, seed=7), lambda x: 5 * uniform(x, 7) - 2),
    # snnTorch: fast_sigmoid, sigmoid, atan
    (d.FastSigmoid(1 / 25), lambda x: 1 / ((25 * abs(x) + 1) * (25 * abs(x) + 1))),
    (d.Logistic(1 / 25, 25 / 4), lambda x: 25 * sigmoid(25 * x) * sigmoid(-25 * x)),
    (d.Cauchy(2 / (2 * math.pi), 1.0), lambda x: 1 / (1 + (math.pi * x) * (math.pi * x))),
    # SpikingJelly: PiecewiseQuadratic, PiecewiseExp, SoftSign, SuperSpike, NonzeroSignLogAbs, Erf
    (d.Triangle(1 / 2, 2.0), lambda x: max(0.0, 2 - 4 * abs(x))),
    (d.Laplace(1 / 3, 1.5), lambda x: 1.5 * math.exp(-3 * abs(x))),
    (d.FastSigmoid(1 / 2, 1.0), lambda x: 1 / (2 * 2 * (0.5 + abs(x)) * (0.5 + abs(x)))),
    (d.FastSigmoid(1.0, 3.0), lambda x: 3 / ((abs(x) + 1) * (abs(x) + 1))),
    (d.FastSigmoid(1 / 3, 3.0, power=1), lambda x: 1 / (1 / 3 + abs(x))),
    (
        d.Gaussian(1 / (math.sqrt(2) * 3), 3 / math.sqrt(math.pi)),
        lambda x: 3 / math.sqrt(math.pi) * math.exp(-(3 * x) * (3 * x)),
    ),
    # PiecewiseLeakyReLU, Rect, SquarewaveFourierSeries, QPseudoSpike, FakeNumericalGradient
    (d.Box(-1.0, 1.0, 0.5, 0.01, closed=False), lambda x: 0.5 if abs(x) < 1 else 0.01),
    (d.Box(-0.25, 0.25, 2.0, closed=False), lambda x: 2.0 * (abs(x) < 0.5 / 2)),
    (d.Cosines(8.0, terms=3, height=0.5), lambda x: 0.5 * cosines(x, 8.0, 3)),
    (d.FastSigmoid((1.7 - 1) / 2, power=1.7), lambda x: (1 + 2 / 0.7 * abs(x)) ** -1.7),
    (d.Hyperbola(1 / 0.3, 0.3), lambda x: min(1 / abs(x), 0.3) if x else 0.3),
    # norse: circ, tanh; larq: approx_sign
    (d.Cauchy(1.2, 1.0, power=1.5), lambda x: (1.2 / math.hypot(1.2, x)) ** 3),
    (d.Logistic(1 / 20, 5.0), lambda x: 5 * sech2(10 * x)),
    (d.Triangle(1.0, 2.0), lambda x: 2 * max(0.0, 1 - abs(x))),
]


def towards(x: float, g: float, low: float, high: float) -> float:
    """The distance to the bounds after a small step must not be larger than before."""
    step = -math.copysign(1.0, g)
    if low <= x <= high or not g:
        return g
    return g if step == math.copysign(1.0, low - x) else 0.0


# Rules that are elementwise: a derivative, and grad_input as a function of x and grad_output.
RULES: list[tuple[d.Derivative, Callable[[float, float], float]]] = [
    (d.Towards(low=0), lambda x, g: towards(x, g, 0.0, math.inf)),
    (d.Towards(high=0.26), lambda x, g: towards(x, g, -math.inf, 0.26)),
    (d.Towards(-0.5, 0.5, d.Constant(-2.0)), lambda x, g: towards(x, -2 * g, -0.5, 0.5)),
    (
        d.EWGS(0.3, function=f.Staircase()),
        lambda x, g: g * (1 + 0.3 * math.copysign(1.0, g) * (x - round(x))),
    ),
    (
        d.EWGS(2, d.Box(0.0, 1.0), f.Heaviside()),
        lambda x, g: (0 <= x <= 1) * g * (1 + 2 * math.copysign(1.0, g) * (x - 1)),
    ),
    (d.ClipValue(0.7), lambda x, g: min(max(g, -0.7), 0.7)),
    (d.ClipValue(0.7, d.Constant(3.0)), lambda x, g: min(max(3 * g, -0.7), 0.7)),
    (d.GradientNoise(0.1), lambda x, g: g + 0.1 * normal(x, 0)),
    (
        d.GradientNoise(0.2, d.Gaussian(), seed=5),
        lambda x, g: g * math.exp(-x * x / 2) + 0.2 * normal(x, 5),
    ),
]


def lowbias32(bits: int) -> int:
    """Wellons 2018: https://nullprogram.com/blog/2018/07/31/."""
    bits ^= bits >> 16
    bits = bits * 0x7FEB352D % 2**32
    bits ^= bits >> 15
    bits = bits * 0x846CA68B % 2**32
    return bits ^ bits >> 16


def hashed(x: float, seed: int) -> int:
    """32 bits of seed and float32(x)."""
    with np.errstate(over="ignore"):
        (bits,) = struct.unpack("<I", (np.float32(x) + np.float32(0)).tobytes())
    return lowbias32(bits ^ lowbias32(seed ^ 0x9E3779B9))


def uniform(x: float, seed: int) -> float:
    """The field of the stochastic derivatives: 23 bits of the hash."""
    return (hashed(x, seed) // 2**9 + 0.5) / 2**23


def normal(x: float, seed: int) -> float:
    """Box and Muller's transform of the field's number and of another hash of its bits."""
    bits = hashed(x, seed)
    u, v = ((each // 2**9 + 0.5) / 2**23 for each in (bits, lowbias32(bits)))
    return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


def perturbed(function: Scalar, x: float, width: float, samples: int, seed: int) -> float:
    total = 0.0
    for i in range(samples):
        n = normal(x, lowbias32(seed ^ 0x85EBCA6B) ^ i)
        total += (function(x + width * n) - function(x - width * n)) * n / (2 * width)
    return total / samples


def values(oracle: Scalar, x: torch.Tensor) -> torch.Tensor:
    """The oracle at each number of a tensor, in float64."""
    return torch.tensor([oracle(v) for v in x.double().flatten().tolist()], dtype=torch.float64)


def kernel_slope(kernel: str, u: np.ndarray, width: float) -> np.ndarray:
    """k'(u)."""
    v = u / width
    if kernel == "gaussian":
        return -v * np.exp(-(v**2) / 2) / math.sqrt(2 * math.pi) / width**2
    if kernel == "triangle":
        return -np.sign(v) * (np.abs(v) < 1) / width**2
    s = 1 / (1 + np.exp(-v))
    return s * (1 - s) * (1 - 2 * s) / width**2


def blurred_slope(
    function: Elementwise,
    kernel: str,
    width: float,
    x: float,
    points: int = 100_000,
) -> float:
    """(F ∗ k)'(x) = ∫ F(x − u) k'(u) du by the midpoint rule; for the box by its definition."""
    if kernel == "box":
        ends = torch.tensor([x - width / 2, x + width / 2], dtype=torch.float64)
        return float(function(ends).diff() / width)
    reach = width * {"gaussian": 8.0, "triangle": 1.0, "logistic": 35.0}[kernel]
    u = (np.arange(points) + 0.5) / points * 2 * reach - reach
    value = function(torch.from_numpy(x - u)).numpy()
    return float((value * kernel_slope(kernel, u, width)).sum() * 2 * reach / points)


def directional(g: float, left: float, right: float) -> float:
    """The definition, word by word."""
    options = {"left": -g * left, "right": g * right}
    best = min(options, key=lambda side: options[side])
    if options[best] >= 0:
        return 0.0
    return g * left if best == "left" else g * right


def finite_difference(function: Elementwise, x: torch.Tensor) -> torch.Tensor:
    """The slope by a five-point formula, in float64."""
    h = 1e-5
    one, two = function(x + h) - function(x - h), function(x + 2 * h) - function(x - 2 * h)
    return (8 * one - two) / (12 * h)
