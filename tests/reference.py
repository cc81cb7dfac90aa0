"""Slow, independent oracles: the formulas once more, in another way, in float64 or in fractions."""

from __future__ import annotations

import math
import random
import statistics
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch

from surrogate import functions as f

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


def gelu_tanh(x: float) -> float:
    return x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


# Every registered function must be here: an instance, and its value as a function of one float.
FUNCTIONS: list[tuple[Elementwise, Scalar]] = [
    (f.Identity(), lambda x: x),
    (f.ReLU(), lambda x: max(x, 0.0)),
    (f.LeakyReLU(0.1), lambda x: x if x > 0 else 0.1 * x),
    (f.RReLU(0.1, 0.3).eval(), lambda x: x if x > 0 else 0.2 * x),
    (f.ELU(1.5), lambda x: x if x > 0 else 1.5 * math.expm1(x)),
    (f.GELU(), lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
    (f.GELU("tanh"), gelu_tanh),
    (f.SiLU(), lambda x: x * sigmoid(x)),
    (f.Sigmoid(), sigmoid),
    (f.Tanh(), math.tanh),
    (f.Sin(), math.sin),
    (f.Heaviside(), lambda x: float(x >= 0)),
    (f.Heaviside(at_zero=0.5), lambda x: 0.5 if x == 0 else float(x > 0)),
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


def normal_field(x: float, seed: int) -> float:
    """lowbias32 (https://nullprogram.com/blog/2018/07/31/) of the seed and of the bits of x."""

    def mixed(bits: int) -> int:
        bits = (bits ^ bits >> 16) * 0x7FEB352D % 2**32
        bits = (bits ^ bits >> 15) * 0x846CA68B % 2**32
        return bits ^ bits >> 16

    (bits,) = struct.unpack("<I", struct.pack("<f", x))
    uniform = (mixed(bits ^ mixed(seed ^ 0x9E3779B9)) // 2**9 + 0.5) / 2**23
    return statistics.NormalDist().inv_cdf(uniform)


def finite_difference(function: Elementwise, x: torch.Tensor) -> torch.Tensor:
    """The slope by a five-point formula, in float64."""
    h = 1e-5
    one, two = function(x + h) - function(x - h), function(x + 2 * h) - function(x - 2 * h)
    return (8 * one - two) / (12 * h)
