"""The named pairs: the one place to add a name.

A name stands for a factory, so that each use gets a pair of its own; a factory with arguments
makes a family (`perlin(resolution=8)`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from surrogate.core.numbers import Learnable
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
    CELU,
    ELU,
    GELU,
    SELU,
    BSiLU,
    Cantor,
    FTSwish,
    FTSwishPlus,
    GeneralReLU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Heaviside,
    Identity,
    LeakyReLU,
    LightReLU,
    LiSHT,
    LogSigmoid,
    Mish,
    PerlinNoise,
    ReLU,
    ReLU6,
    RReLU,
    Sigmoid,
    Sign,
    SiLU,
    Sin,
    Softplus,
    Softshrink,
    Softsign,
    SoftStaircase,
    Staircase,
    Swish,
    Tanh,
    Tanhshrink,
    TiltReLU,
    TReLU,
)
from surrogate.functions.base import Elementwise
from surrogate.pair import SurrogateActivation
from surrogate.registry import Registry

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
        return SurrogateActivation(function(*args, **kwargs), Exact())

    pair.__doc__ = f"{function.__name__} with its true derivative."
    return pair


for name, function in {
    "linear": Identity,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "rrelu": RReLU,
    "relu6": ReLU6,
    "elu": ELU,
    "celu": CELU,
    "selu": SELU,
    "gelu": GELU,
    "silu": SiLU,
    "swish": Swish,
    "bsilu": BSiLU,
    "mish": Mish,
    "softplus": Softplus,
    "hardswish": Hardswish,
    "sigmoid": Sigmoid,
    "hardsigmoid": Hardsigmoid,
    "logsigmoid": LogSigmoid,
    "tanh": Tanh,
    "hardtanh": Hardtanh,
    "softsign": Softsign,
    "hardshrink": Hardshrink,
    "softshrink": Softshrink,
    "tanhshrink": Tanhshrink,
    "lisht": LiSHT,
    "light_relu": LightReLU,
    "ftswish": FTSwish,
    "ftswish_plus": FTSwishPlus,
    "trelu": TReLU,
    "tilt_relu": TiltReLU,
    "general_relu": GeneralReLU,
    "sin": Sin,
}.items():
    register(truthful(function), name)


@register
def prelu(negative_slope: float = 0.25) -> SurrogateActivation:
    """Leaky ReLU with a learned slope on the left, and its true derivative."""
    return SurrogateActivation(LeakyReLU(Learnable(negative_slope)), Exact())


@register
def swish_learned(beta: float = 1.0) -> SurrogateActivation:
    """Swish with a learned beta, and its true derivative."""
    return SurrogateActivation(Swish(Learnable(beta, positive=True)), Exact())


@register
def staircase_learned(step: float = 0.5) -> SurrogateActivation:
    """Rounding to a learned step, with the straight-through estimator."""
    return SurrogateActivation(Staircase(Learnable(step, positive=True)), Constant(1.0))


@register
def cantor(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase with its true derivative, 0: a lost cause."""
    return SurrogateActivation(Cantor(depth), Exact())


@register
def cantor2(depth: int = 9) -> SurrogateActivation:
    """The Cantor staircase with the straight-through estimator: it reports the derivative 1."""
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
    noise = partial(perlin, float(points))
    noise.__doc__ = f"Fixed value noise, {points} of its points per unit, with its true derivative."
    register(noise, f"perlin{points}")


@register
def relu_directional() -> SurrogateActivation:
    """ReLU'(+x) = {left 1, right 1}, ReLU'(−x) = {left 0, right 1}: a dead unit can be revived."""
    return SurrogateActivation(ReLU(), Directional(left=Exact(), right=Constant(1.0)))


@register
def relu_noisy(std: float = 0.3) -> SurrogateActivation:
    """ReLU with noise on its derivative, not on its value."""
    return SurrogateActivation(ReLU(), Noisy(Exact(), std=std))


@register
def relu_blurred(width: float = 0.5) -> SurrogateActivation:
    """ReLU with the derivative of its blurred self: the normal distribution's Φ(x / width)."""
    return SurrogateActivation(ReLU(), Blurred(width=width))


@register
def sign_ste() -> SurrogateActivation:
    """Binarisation with the straight-through estimator, clipped: 0 is reported beyond |x| = 1."""
    return SurrogateActivation(Sign(at_zero=1.0), Box())


@register
def heaviside_blurred(width: float = 0.5) -> SurrogateActivation:
    """A spike with a Gaussian surrogate gradient."""
    return SurrogateActivation(Heaviside(), Blurred(width=width))
