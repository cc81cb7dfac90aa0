"""FreeGrad's rules, for any of the functions of its `Activation`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from surrogate import derivatives as d
from surrogate import functions as f
from surrogate.core.messages import did_you_mean
from surrogate.core.numbers import Integer, NotNegative, Positive, Seed
from surrogate.equivalents.base import Package, require_known, require_types
from surrogate.pair import SurrogateActivation

Forward = Literal[
    "Linear", "ReLU", "ReLU6", "LeakyReLU", "ELU", "Tanh",
    "Logistic", "SiLU", "GELU", "Softplus", "Heaviside",
]  # fmt: skip
FORWARDS: dict[str, f.Function] = {
    "Linear": f.Identity(),
    "ReLU": f.ReLU(),
    "ReLU6": f.ReLU6(),
    "LeakyReLU": f.LeakyReLU(0.01),
    "ELU": f.ELU(1.0),
    "Tanh": f.Tanh(),
    "Logistic": f.Sigmoid(),
    "SiLU": f.SiLU(),
    "GELU": f.GELU(),
    "Softplus": f.Softplus(),
    "Heaviside": f.Heaviside(at_zero=0.0),
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

Change = Callable[..., d.Derivative]
rules: dict[str, Change] = {}


def rule(change: Change) -> Change:
    """Register what a rule makes of another derivative: for `compose`, and by itself as an entry.

    The entry takes the rule's parameters, and `forward`.
    """
    rules[change.__name__] = change
    given = inspect.signature(change, eval_str=True)

    def entry(forward: str = "ReLU", **parameters: Any) -> SurrogateActivation:
        return SurrogateActivation(FORWARDS[forward], change(d.Constant(), **parameters))

    choice = inspect.Parameter(
        "forward", inspect.Parameter.KEYWORD_ONLY, default="ReLU", annotation=Forward
    )
    parameters = [*list(given.parameters.values())[1:], choice]
    entry.__name__, entry.__doc__ = change.__name__, change.__doc__
    entry.__signature__ = given.replace(parameters=parameters)  # type: ignore[attr-defined]
    entry.__annotations__ = {p.name: p.annotation for p in parameters}
    freegrad(entry)
    return change


def times(derivative: d.Derivative, factor: d.Derivative) -> d.Derivative:
    return factor if derivative == d.Constant() else derivative * factor


@rule
def identity(derivative: d.Derivative) -> d.Derivative:
    """The function that is named. Reports 1.

    Its name among the package's rules is "d(Linear)".
    """
    return derivative


@rule
def heaviside(derivative: d.Derivative) -> d.Derivative:
    """The function that is named. Reports 1 if x > 0, else 0.

    Its name among the package's rules is "d(ReLU)".
    """
    return times(derivative, d.Split(d.Constant(0.0), d.Constant(), tie="left"))


@rule
def rectangular(derivative: d.Derivative, a: float = -0.5, b: float = 0.5) -> d.Derivative:
    """The function that is named. Reports 1 if a ≤ x ≤ b, else 0."""
    return times(derivative, d.Box(a, b))


@rule
def triangular(derivative: d.Derivative, width: Positive = 1.0) -> d.Derivative:
    """The function that is named. Reports max(0, 1 − |x| / width)."""
    return times(derivative, d.Triangle(width))


@rule
def scale(derivative: d.Derivative, s: float = 1.0) -> d.Derivative:
    """The function that is named. Reports s."""
    return times(derivative, d.Constant(s))


@rule
def clip_norm(derivative: d.Derivative, max_norm: Positive = 1.0) -> d.Derivative:
    """The function that is named. Reports min(1, max_norm / ‖g‖), ‖g‖ the norm of the whole tensor.

    The package's `eps`, below which it takes the norm for eps, is left out.
    """
    return d.ClipNorm(max_norm, derivative)


@rule
def centralize(derivative: d.Derivative, dim: Integer = -1) -> d.Derivative:
    """The function that is named. Reports the gradient g − mean(g) along dim.

    The package's `keepdim=False`, which changes what is subtracted from what, is left out.
    """
    return d.Centralise(dim, derivative)


@rule
def noise(derivative: d.Derivative, sigma: NotNegative = 0.1, seed: Seed = 0) -> d.Derivative:
    """The function that is named. Reports the gradient g + sigma · n, n standard normal."""
    return d.GradientNoise(sigma, derivative, seed)


@rule
def full_jam(derivative: d.Derivative, seed: Seed = 0) -> d.Derivative:
    """The function that is named. Reports u, u from U(0, 1)."""
    return times(derivative, d.Uniform(seed=seed))


@rule
def positive_jam(derivative: d.Derivative, seed: Seed = 0) -> d.Derivative:
    """The function that is named. Reports u if x ≥ 0, else 0, u from U(0, 1)."""
    return times(derivative, d.Split(d.Constant(0.0), d.Uniform(seed=seed)))


@rule
def rectangular_jam(
    derivative: d.Derivative, a: float = -5.0, b: float = 5.0, seed: Seed = 0
) -> d.Derivative:
    """The function that is named. Reports u if a ≤ x ≤ b, else 0, u from U(0, 1)."""
    return times(derivative, d.Uniform(seed=seed) * d.Box(a, b))


@freegrad
def compose(
    rules: tuple[str, ...], forward: Forward = "ReLU", seed: Seed = 0, **parameters: Any
) -> SurrogateActivation:
    """The function that is named. Reports what the rules make of the gradient, one after the other.

    Each rule takes those of the parameters that it knows, as in the package. The seed of the rule
    at place i, from 0, is seed + i, so that each has a noise of its own.
    """
    return SurrogateActivation(FORWARDS[forward], composed(rules, seed, parameters))


def composed(names: tuple[str, ...], seed: int, parameters: dict[str, Any]) -> d.Derivative:
    """The rules, by name, one after the other."""
    for name in names:
        if name not in rules:
            raise ValueError(f"freegrad.compose: unknown rule {name!r}{did_you_mean(name, rules)}")
    takes = {name: list(inspect.signature(rules[name]).parameters)[1:] for name in names}
    known = [parameter for own in takes.values() for parameter in own]
    require_known("freegrad.compose", parameters, list(dict.fromkeys(known)))
    derivative: d.Derivative = d.Constant()
    for place, name in enumerate(names):
        given = {**parameters, "seed": seed + place}
        own = {key: value for key, value in given.items() if key in takes[name]}
        require_types(f"freegrad.{name}", rules[name], own)
        derivative = rules[name](derivative, **own)
    return derivative
