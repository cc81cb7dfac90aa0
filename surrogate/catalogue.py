"""The named pairs: the one place to add a name.

A name stands for a factory, so that each use gets a pair of its own; a factory with arguments
makes a family (`perlin(resolution=8)`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from surrogate.activation import SurrogateActivation
from surrogate.derivatives import (
    Blurred,
    Box,
    Constant,
    DerivativeOf,
    Directional,
    Exact,
    Noisy,
)
from surrogate.functions import (
    ELU,
    GELU,
    Cantor,
    Heaviside,
    Identity,
    LeakyReLU,
    PerlinNoise,
    ReLU,
    RReLU,
    Sigmoid,
    Sign,
    SiLU,
    Sin,
    SoftStaircase,
    Staircase,
    Tanh,
)
from surrogate.registry import Registry

Factory = Callable[..., SurrogateActivation]

catalogue: Registry[Factory] = Registry("activation")
register = catalogue.register


def names() -> list[str]:
    """The names of the catalogue, in the order in which they were registered."""
    return list(catalogue)


@register
def linear() -> SurrogateActivation:
    """The identity: a network of these is linear, and is the baseline."""
    return SurrogateActivation(Identity(), Exact())


@register
def relu() -> SurrogateActivation:
    """The rectifier with its true derivative."""
    return SurrogateActivation(ReLU(), Exact())


@register
def leaky_relu(negative_slope: float = 0.01) -> SurrogateActivation:
    """The leaky rectifier with its true derivative."""
    return SurrogateActivation(LeakyReLU(negative_slope), Exact())


@register
def rrelu(lower: float = 1 / 8, upper: float = 1 / 3) -> SurrogateActivation:
    """The randomised leaky rectifier with the true derivative of each draw."""
    return SurrogateActivation(RReLU(lower, upper), Exact())


@register
def elu(alpha: float = 1.0) -> SurrogateActivation:
    """The exponential linear unit with its true derivative."""
    return SurrogateActivation(ELU(alpha), Exact())


@register
def gelu() -> SurrogateActivation:
    """The Gaussian error linear unit with its true derivative."""
    return SurrogateActivation(GELU(), Exact())


@register
def silu() -> SurrogateActivation:
    """Swish with its true derivative."""
    return SurrogateActivation(SiLU(), Exact())


@register
def sigmoid() -> SurrogateActivation:
    """The logistic sigmoid with its true derivative."""
    return SurrogateActivation(Sigmoid(), Exact())


@register
def tanh() -> SurrogateActivation:
    """The hyperbolic tangent with its true derivative."""
    return SurrogateActivation(Tanh(), Exact())


@register
def sin() -> SurrogateActivation:
    """The sine with its true derivative."""
    return SurrogateActivation(Sin(), Exact())


@register
def cantor(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase with its true derivative, 0: a lost cause."""
    return SurrogateActivation(Cantor(depth), Exact())


@register
def cantor2(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase that pretends the derivative to be 1."""
    return SurrogateActivation(Cantor(depth), Constant(1.0))


@register
def staircase(step: float = 0.5) -> SurrogateActivation:
    """Rounding with the straight-through estimator."""
    return SurrogateActivation(Staircase(step), Constant(1.0))


@register
def staircase_soft(step: float = 0.5, softness: float = 0.5) -> SurrogateActivation:
    """Hard corners forward, the derivative of soft corners backward."""
    return SurrogateActivation(Staircase(step), DerivativeOf(SoftStaircase(step, softness)))


@register
def staircase_blurred(step: float = 0.5, width: float = 0.15) -> SurrogateActivation:
    """The staircase with the derivative of its blurred self."""
    return SurrogateActivation(Staircase(step), Blurred(width=width))


@register
def perlin(resolution: float = 4.0, seed: int = 0) -> SurrogateActivation:
    """Fixed value noise with its true derivative."""
    return SurrogateActivation(PerlinNoise(resolution, seed), Exact())


for points in (1, 4, 16):
    register(partial(perlin, float(points)), f"perlin{points}")


@register
def relu_directional() -> SurrogateActivation:
    """ReLU'(+x) = {left 1, right 1}, ReLU'(−x) = {left 0, right 1}: a dead unit can be revived."""
    return SurrogateActivation(ReLU(), Directional(left=Exact(), right=Constant(1.0)))


@register
def relu_noisy(std: float = 0.3) -> SurrogateActivation:
    """The rectifier with noise on its derivative, not on its value."""
    return SurrogateActivation(ReLU(), Noisy(Exact(), std=std))


@register
def relu_blurred(width: float = 0.5) -> SurrogateActivation:
    """The rectifier with the derivative of its blurred self (for the Gaussian, Φ(x / width))."""
    return SurrogateActivation(ReLU(), Blurred(width=width))


@register
def sign_ste() -> SurrogateActivation:
    """Binarisation with the straight-through estimator that is cut off beyond |x| = 1."""
    return SurrogateActivation(Sign(at_zero=1.0), Box())


@register
def heaviside_blurred(width: float = 0.5) -> SurrogateActivation:
    """A spike with a Gaussian surrogate gradient."""
    return SurrogateActivation(Heaviside(), Blurred(width=width))
