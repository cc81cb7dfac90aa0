"""The named pairs: the one place to add a name.

A name stands for a factory, so that each use gets a pair of its own; a factory with arguments
makes a family (`perlin(resolution=8)`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.numbers import Learnable
from surrogate.core.registry import Registry
from surrogate.functions.base import Elementwise, functions
from surrogate.pair import SurrogateActivation

Factory = Callable[..., SurrogateActivation]

catalogue: Registry[Factory] = Registry("activation")
register = catalogue.register


def names() -> list[str]:
    """The names of the catalogue, in the order in which they were registered."""
    return list(catalogue)


def truthful(function: Callable[..., Elementwise]) -> Factory:
    """The factory, with the arguments of the function, of its pair with its true derivative."""

    @wraps(function, assigned=(), updated=())
    def pair(*args: Any, **kwargs: Any) -> SurrogateActivation:
        return SurrogateActivation(function(*args, **kwargs), d.Exact())

    pair.__doc__ = f"{function.__name__} with its true derivative."
    return pair


# Under the names of their functions in lower case, with or without "_" between the words.
KNOWN = {name.lower(): function for name, function in functions.items()}
register(truthful(f.Identity), "linear")
for name in (
    *("relu", "leaky_relu", "rrelu", "relu6", "elu", "celu", "selu", "gelu", "silu", "swish"),
    *("bsilu", "mish", "softplus", "hardswish", "sigmoid", "hardsigmoid", "logsigmoid", "tanh"),
    *("hardtanh", "softsign", "hardshrink", "softshrink", "tanhshrink", "lisht", "light_relu"),
    *("ftswish", "ftswish_plus", "trelu", "tilt_relu", "general_relu", "sin"),
):
    register(truthful(KNOWN[name.replace("_", "")]), name)


@register
def prelu(negative_slope: float = 0.25) -> SurrogateActivation:
    """Leaky ReLU with a learned slope on the left, and its true derivative."""
    return SurrogateActivation(f.LeakyReLU(Learnable(negative_slope)), d.Exact())


@register
def swish_learned(beta: float = 1.0) -> SurrogateActivation:
    """Swish with a learned beta, and its true derivative."""
    return SurrogateActivation(f.Swish(Learnable(beta, positive=True)), d.Exact())


@register
def staircase_learned(step: float = 0.5) -> SurrogateActivation:
    """Rounding to a learned step, with the straight-through estimator."""
    return SurrogateActivation(f.Staircase(Learnable(step, positive=True)), d.Constant(1.0))


@register
def cantor(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase with its true derivative, 0: a lost cause."""
    return SurrogateActivation(f.Cantor(depth), d.Exact())


@register
def cantor2(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase with the straight-through estimator: it reports the derivative 1."""
    return SurrogateActivation(f.Cantor(depth), d.Constant(1.0))


@register
def staircase(step: float = 0.5) -> SurrogateActivation:
    """Rounding with the straight-through estimator."""
    return SurrogateActivation(f.Staircase(step), d.Constant(1.0))


@register
def staircase_soft(step: float = 0.5, softness: float = 0.5) -> SurrogateActivation:
    """Hard corners forward, the derivative of soft corners backward."""
    return SurrogateActivation(f.Staircase(step), d.DerivativeOf(f.SoftStaircase(step, softness)))


@register
def staircase_blurred(step: float = 0.5, width: float = 0.15) -> SurrogateActivation:
    """The staircase with the derivative of its blurred self."""
    return SurrogateActivation(f.Staircase(step), d.Blurred(width=width))


@register
def perlin(resolution: float = 4.0, seed: int = 0) -> SurrogateActivation:
    """Fixed value noise with its true derivative."""
    return SurrogateActivation(f.PerlinNoise(resolution, seed), d.Exact())


for points in (1, 4, 16):
    noise = partial(perlin, float(points))
    noise.__doc__ = f"Fixed value noise, {points} of its points per unit, with its true derivative."
    register(noise, f"perlin{points}")


@register
def relu_directional() -> SurrogateActivation:
    """ReLU'(+x) = {left 1, right 1}, ReLU'(−x) = {left 0, right 1}: a dead unit can be revived."""
    return SurrogateActivation(f.ReLU(), d.Directional(left=d.Exact(), right=d.Constant(1.0)))


@register
def relu_noisy(std: float = 0.3) -> SurrogateActivation:
    """ReLU with noise on its derivative, not on its value."""
    return SurrogateActivation(f.ReLU(), d.Noisy(d.Exact(), std=std))


@register
def relu_blurred(width: float = 0.5) -> SurrogateActivation:
    """ReLU with the derivative of its blurred self: the normal distribution's Φ(x / width)."""
    return SurrogateActivation(f.ReLU(), d.Blurred(width=width))


@register
def sign_ste() -> SurrogateActivation:
    """Binarisation with the straight-through estimator, clipped: 0 is reported beyond |x| = 1."""
    return SurrogateActivation(f.Sign(at_zero=1.0), d.Box())


@register
def heaviside_blurred(width: float = 0.5) -> SurrogateActivation:
    """A spike with a Gaussian surrogate gradient."""
    return SurrogateActivation(f.Heaviside(), d.Blurred(width=width))
