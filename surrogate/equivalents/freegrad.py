"""FreeGrad's rules, for any of the functions of its `Activation`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from surrogate.core.messages import did_you_mean
from surrogate.derivatives import (
    Box,
    Centralise,
    ClipNorm,
    Constant,
    Derivative,
    GradientNoise,
    Split,
    Triangle,
    Uniform,
)
from surrogate.equivalents.base import (
    Integer,
    NotNegative,
    Package,
    Positive,
    Seed,
    require_known,
    require_types,
)
from surrogate.functions import (
    ELU,
    GELU,
    Function,
    Heaviside,
    Identity,
    LeakyReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from surrogate.pair import SurrogateActivation

__all__ = ["compose"]

Forward = Literal[
    "Linear", "ReLU", "ReLU6", "LeakyReLU", "ELU", "Tanh",
    "Logistic", "SiLU", "GELU", "Softplus", "Heaviside",
]  # fmt: skip
FORWARDS: dict[str, Function] = {
    "Linear": Identity(),
    "ReLU": ReLU(),
    "ReLU6": ReLU6(),
    "LeakyReLU": LeakyReLU(0.01),
    "ELU": ELU(1.0),
    "Tanh": Tanh(),
    "Logistic": Sigmoid(),
    "SiLU": SiLU(),
    "GELU": GELU(),
    "Softplus": Softplus(),
    "Heaviside": Heaviside(at_zero=0.0),
}

freegrad = Package(
    "freegrad",
    "`forward` is the name of the function, that of `freegrad.wrappers.Activation`: "
    + ", ".join(FORWARDS)
    + ". What the rules report does not depend on it; g is the upstream gradient. The noise is a "
    "fixed random field: it depends on the seed (which the package does not have) and on x; the "
    "package draws anew in every backward pass.",
    distribution="freegrad",
)

Change = Callable[..., Derivative]
rules: dict[str, Change] = {}


def rule(change: Change) -> Change:
    """Register what a rule makes of another derivative: for `compose`, and by itself as an entry.

    The entry takes the rule's parameters, and `forward`.
    """
    rules[change.__name__] = change
    given = inspect.signature(change, eval_str=True)

    def entry(forward: str = "ReLU", **parameters: Any) -> SurrogateActivation:
        return SurrogateActivation(FORWARDS[forward], change(Constant(), **parameters))

    choice = inspect.Parameter(
        "forward", inspect.Parameter.KEYWORD_ONLY, default="ReLU", annotation=Forward
    )
    parameters = [*list(given.parameters.values())[1:], choice]
    entry.__name__, entry.__doc__ = change.__name__, change.__doc__
    entry.__signature__ = given.replace(parameters=parameters)  # type: ignore[attr-defined]
    entry.__annotations__ = {p.name: p.annotation for p in parameters}
    freegrad(entry)
    return change


def times(derivative: Derivative, factor: Derivative) -> Derivative:
    return factor if derivative == Constant() else derivative * factor


@rule
def identity(derivative: Derivative) -> Derivative:
    """The function that is named. Reports 1.

    Its name among the package's rules is "d(Linear)".
    """
    return derivative


@rule
def heaviside(derivative: Derivative) -> Derivative:
    """The function that is named. Reports 1 if x > 0, else 0.

    Its name among the package's rules is "d(ReLU)".
    """
    return times(derivative, Split(Constant(0.0), Constant(), tie="left"))


@rule
def rectangular(derivative: Derivative, a: float = -0.5, b: float = 0.5) -> Derivative:
    """The function that is named. Reports 1 if a ≤ x ≤ b, else 0."""
    return times(derivative, Box(a, b))


@rule
def triangular(derivative: Derivative, width: Positive = 1.0) -> Derivative:
    """The function that is named. Reports max(0, 1 − |x| / width)."""
    return times(derivative, Triangle(width))


@rule
def scale(derivative: Derivative, s: float = 1.0) -> Derivative:
    """The function that is named. Reports s."""
    return times(derivative, Constant(s))


@rule
def clip_norm(derivative: Derivative, max_norm: Positive = 1.0) -> Derivative:
    """The function that is named. Reports min(1, max_norm / ‖g‖), ‖g‖ the norm of the whole tensor.

    The package's `eps`, below which it takes the norm for eps, is left out.
    """
    return ClipNorm(max_norm, derivative)


@rule
def centralize(derivative: Derivative, dim: Integer = -1) -> Derivative:
    """The function that is named. Reports the gradient g − mean(g) along dim.

    The package's `keepdim=False`, which changes what is subtracted from what, is left out.
    """
    return Centralise(dim, derivative)


@rule
def noise(derivative: Derivative, sigma: NotNegative = 0.1, seed: Seed = 0) -> Derivative:
    """The function that is named. Reports the gradient g + sigma · n, n standard normal."""
    return GradientNoise(sigma, derivative, seed)


@rule
def full_jam(derivative: Derivative, seed: Seed = 0) -> Derivative:
    """The function that is named. Reports u, u from U(0, 1)."""
    return times(derivative, Uniform(seed=seed))


@rule
def positive_jam(derivative: Derivative, seed: Seed = 0) -> Derivative:
    """The function that is named. Reports u if x ≥ 0, else 0, u from U(0, 1)."""
    return times(derivative, Split(Constant(0.0), Uniform(seed=seed)))


@rule
def rectangular_jam(
    derivative: Derivative, a: float = -5.0, b: float = 5.0, seed: Seed = 0
) -> Derivative:
    """The function that is named. Reports u if a ≤ x ≤ b, else 0, u from U(0, 1)."""
    return times(derivative, Uniform(seed=seed) * Box(a, b))


@freegrad
def compose(
    rules: tuple[str, ...], forward: Forward = "ReLU", seed: Seed = 0, **parameters: Any
) -> SurrogateActivation:
    """The function that is named. Reports what the rules make of the gradient, one after the other.

    Each rule takes those of the parameters that it knows, as in the package. The seed of the rule
    at place i, from 0, is seed + i, so that each has a noise of its own.
    """
    return SurrogateActivation(FORWARDS[forward], composed(rules, seed, parameters))


def composed(names: tuple[str, ...], seed: int, parameters: dict[str, Any]) -> Derivative:
    """The rules, by name, one after the other."""
    for name in names:
        if name not in rules:
            raise ValueError(f"freegrad.compose: unknown rule {name!r}{did_you_mean(name, rules)}")
    takes = {name: list(inspect.signature(rules[name]).parameters)[1:] for name in names}
    known = [parameter for own in takes.values() for parameter in own]
    require_known("freegrad.compose", parameters, list(dict.fromkeys(known)))
    derivative: Derivative = Constant()
    for place, name in enumerate(names):
        given = {**parameters, "seed": seed + place}
        own = {key: value for key, value in given.items() if key in takes[name]}
        require_types(f"freegrad.{name}", rules[name], own)
        derivative = rules[name](derivative, **own)
    return derivative
