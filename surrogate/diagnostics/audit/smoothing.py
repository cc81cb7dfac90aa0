"""The gradient of a smoothed loss, from values of the loss alone: estimates and their errors.

L_σ(θ) = E L(θ + σε) for normal ε: the loss, seen through a blur of width σ in each parameter. It
has a gradient whatever L is, also where that of L is 0 or does not exist.

Of a gradient in D dimensions, estimated from N pairs θ ± σε, the cosine with anything is near
√(N / (N + D)) times what it should be: the estimate is mostly noise. So nothing here is the cosine
with an estimated vector. What is estimated are numbers: the slope along a given direction, the
squared norm, and from both the cosine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Loss = Callable[[Vector], float]

RESOLVED = 2  # standard errors above 0, from which on a squared norm is divided by


@dataclass(frozen=True)
class Estimate:
    """A number that was estimated, and its standard error; both are NaN where there is none."""

    value: float = math.nan
    error: float = math.nan

    def __str__(self) -> str:
        return "–" if math.isnan(self.value) else f"{self.value:.3g} ± {self.error:.1g}"

    def over(self, divisor: float) -> Estimate:
        """This, divided by an exact number."""
        return Estimate(divided(self.value, divisor), divided(self.error, abs(divisor)))


UNKNOWN = Estimate()


@dataclass(frozen=True)
class Block:
    """What is estimated of some of the components of ∇L_σ, or of all.

    Args:
        slope: along the reported gradient: ⟨∇L_σ, u⟩ for u = g / |g|.
        square: |∇L_σ|², without bias, so it can come out below 0.
        cosine: between ∇L_σ and g; NaN where the square is within two errors of 0.
    """

    slope: Estimate = UNKNOWN
    square: Estimate = UNKNOWN
    cosine: Estimate = UNKNOWN


def slope_along(
    loss: Loss, at: Vector, direction: Vector, sigma: float, pairs: int, seed: int
) -> Estimate:
    """⟨∇L_σ, u⟩ for a unit vector u, without bias.

    Let ε = zu + ε⊥. As z² times the density of z is that of a number whose size r has the
    distribution χ₃,

        E ∂L(θ + σε)/∂u = E [L(θ + σ(ε⊥ + ru)) − L(θ + σ(ε⊥ − ru))] / 2σr,

    a mean of difference quotients. Its error does not grow with the number of parameters; for a
    quadratic loss with the Hessian H it is σ |Hu − uuᵀHu| / √pairs.
    """
    quotients = []
    for index in range(pairs):
        noise = normal(at.size + 3, seed, 0, index)
        width = sigma * norm(noise[at.size :])
        across = noise[: at.size]
        middle = at + sigma * (across - (across @ direction) * direction)
        change = loss(middle + width * direction) - loss(middle - width * direction)
        quotients.append(change / (2 * width))
    return mean_of(np.array(quotients))


@np.errstate(divide="ignore", invalid="ignore")  # a loss that is not finite makes NaN
def smoothed_gradient(
    loss: Loss,
    at: Vector,
    reported: Vector,
    starts: Sequence[int],
    sigma: float,
    pairs: int,
    block_pairs: int,
    seed: int,
) -> tuple[list[Block], Estimate]:
    """How a reported gradient g compares with ∇L_σ: as a whole, and in each block of components.

    From pairs of points, δ = [L(θ + σε) − L(θ − σε)] / 2σ. As E δε = ∇L_σ, each pair gives an
    estimate h = cu + (δ − c⟨u, ε⟩) ε of it, where c is the slope along u = g / |g|, estimated
    from other points: what g explains of δ adds no noise. Then |∇L_σ|² is the mean of ⟨h, h'⟩ over
    two different pairs, whose noise is independent. Its error is that of the jackknife, which tends
    to overstate it.

    The last number is what the cosine is at least (at most, if it is below 0), with its sign. For
    |∇L_σ|² ≤ E δ², since the left side is the sum of squares of δ's coefficients with the
    components of ε, which are orthonormal; so |cosine| ≥ |⟨∇L_σ, u⟩| / √E δ². It is the
    correlation of δ with what g says of it, and its error does not grow with the number of
    parameters.

    Args:
        loss: of a vector of parameters; the same number each time.
        at: θ.
        reported: g.
        starts: where each block begins.
        sigma: σ.
        pairs: how many points are drawn for the slope of the whole, and again for the rest.
        block_pairs: and for the slope along each block of g; 0 leaves that out.
        seed: of the draws.

    Returns:
        A block for the whole, one for each of the given ones, and the bound.
    """
    parts = parts_of(starts, at.size)
    slopes = []
    for part, points in zip(parts, [pairs, *[block_pairs] * len(starts)], strict=True):
        unit = np.zeros_like(at)
        unit[part] = reported[part] / norm(reported[part])
        some = points > 0 and np.isfinite(unit).all()
        slopes.append(slope_along(loss, at, unit, sigma, points, seed) if some else Estimate())
    explained = np.zeros_like(at)
    if reported.any():
        explained = reported / norm(reported) * slopes[0].value
    residuals, total = np.empty(pairs), np.zeros_like(at)
    for index in range(pairs):
        noise = normal(at.size, seed, 1, index)
        change = (loss(at + sigma * noise) - loss(at - sigma * noise)) / (2 * sigma)
        residuals[index] = change - explained @ noise
        total += explained + residuals[index] * noise
    products = np.empty((pairs, len(parts)))  # of each h with the sum of the others
    for index in range(pairs):  # the same noise again, so that it need not be kept
        single = explained + residuals[index] * normal(at.size, seed, 1, index)
        products[index] = sums(single * (total - single), starts)
    blocks = [_block(*each) for each in zip(slopes, products.T, strict=True)]
    return blocks, _bound(slopes[0], mean_of(residuals**2))


def _block(slope: Estimate, products: Vector) -> Block:
    """The estimates from the slope and, for each pair, ⟨h, Σ h' of the others⟩."""
    n = len(products)
    square = float(products.sum()) / (n * (n - 1))
    without = (products.sum() - 2 * products) / ((n - 1) * (n - 2))  # one pair each
    error = jackknife(without)
    if not square > RESOLVED * error:
        return Block(slope, Estimate(square, error))
    root = math.sqrt(square)
    of_root = slope.value * jackknife(1 / np.sqrt(without.clip(min=0)))
    cosine = Estimate(slope.value / root, math.hypot(slope.error / root, of_root))
    return Block(slope, Estimate(square, error), cosine)


def _bound(slope: Estimate, rest: Estimate) -> Estimate:
    """s / √(s² + v) of the slope s and the mean square v of what it leaves unexplained."""
    s, v = slope.value, rest.value
    whole = s**2 + v
    if not whole > 0:
        return Estimate()
    errors = v * slope.error / whole**1.5, s * rest.error / (2 * whole**1.5)
    return Estimate(s / math.sqrt(whole), math.hypot(*errors))


def normal(size: int, *key: int) -> Vector:
    """Normal numbers that depend on the key alone."""
    return np.random.default_rng(key).standard_normal(size)


def norm(vector: Vector) -> float:
    return float(np.linalg.norm(vector))


def parts_of(starts: Sequence[int], size: int) -> list[slice]:
    """The whole of a vector, and each block."""
    return [slice(None), *map(slice, starts, [*starts[1:], size])]


def sums(values: Vector, starts: Sequence[int]) -> Vector:
    """The sum of all, and that of each block."""
    return np.concatenate([[values.sum()], np.add.reduceat(values, starts)])


def mean_of(values: Vector) -> Estimate:
    """The mean of a sample and its standard error."""
    if not np.isfinite(values).all():
        return Estimate()
    return Estimate(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values)))


def jackknife(without: Vector) -> float:
    """The standard error of a figure, from its values with one of the sample left out each."""
    n = len(without)
    return math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum()))


def divided(value: float, divisor: float) -> float:
    """value / divisor as IEEE 754 has it: by 0 it is ±inf or NaN."""
    return float(divided_all(np.float64(value), np.float64(divisor)))


def divided_all(values: Vector | float, divisors: Vector | float) -> Vector:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(values, divisors)
