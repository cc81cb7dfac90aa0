"""FreeGrad's rules, for any of the functions of its `Activation`."""

from __future__ import annotations

import dataclasses
import inspect
from types import FunctionType
from typing import Any, Literal, get_args

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
OTHERS = {"Linear": f.Identity(), "Logistic": f.Sigmoid(), "Heaviside": f.Heaviside(at_zero=0.0)}
FORWARDS: dict[str, f.Function] = {
    name: OTHERS[name] if name in OTHERS else getattr(f, name)() for name in get_args(Forward)
}


class FreeGrad(Package, distribution="freegrad"):
    """`forward` is the name of the function, that of `freegrad.wrappers.Activation`: Linear, ReLU,
    ReLU6, LeakyReLU, ELU, Tanh, Logistic, SiLU, GELU, Softplus, Heaviside. What the rules report
    does not depend on it; g is the upstream gradient. The noise is a fixed random field: it depends
    on the seed (which the package does not have) and on x; the package draws anew in every backward
    pass."""

    def pair(self, made: d.Derivative, forward: Forward = "ReLU") -> SurrogateActivation:
        return SurrogateActivation(FORWARDS[forward], made)

    def identity(self) -> d.Derivative:
        """The function that is named. Reports 1.

        Its name among the package's rules is "d(Linear)".
        """
        return d.Constant()

    def heaviside(self) -> d.Derivative:
        """The function that is named. Reports 1 if x > 0, else 0.

        Its name among the package's rules is "d(ReLU)".
        """
        return d.Split(d.Constant(0.0), d.Constant(), tie="left")

    def rectangular(self, a: float = -0.5, b: float = 0.5) -> d.Derivative:
        """The function that is named. Reports 1 if a ≤ x ≤ b, else 0."""
        return d.Box(a, b)

    def triangular(self, width: Positive = 1.0) -> d.Derivative:
        """The function that is named. Reports max(0, 1 − |x| / width)."""
        return d.Triangle(width)

    def scale(self, s: float = 1.0) -> d.Derivative:
        """The function that is named. Reports s."""
        return d.Constant(s)

    def clip_norm(self, max_norm: Positive = 1.0) -> d.Derivative:
        """The function that is named. Reports min(1, max_norm / ‖g‖), ‖g‖ the norm of the whole
        tensor.

        The package's `eps`, below which it takes the norm for eps, is left out.
        """
        return d.ClipNorm(max_norm)

    def centralize(self, dim: Integer = -1) -> d.Derivative:
        """The function that is named. Reports the gradient g − mean(g) along dim.

        The package's `keepdim=False`, which changes what is subtracted from what, is left out.
        """
        return d.Centralise(dim)

    def noise(self, sigma: NotNegative = 0.1, seed: Seed = 0) -> d.Derivative:
        """The function that is named. Reports the gradient g + sigma · n, n standard normal."""
        return d.GradientNoise(sigma, seed=seed)

    def full_jam(self, seed: Seed = 0) -> d.Derivative:
        """The function that is named. Reports u, u from U(0, 1)."""
        return d.Uniform(seed=seed)

    def positive_jam(self, seed: Seed = 0) -> d.Derivative:
        """The function that is named. Reports u if x ≥ 0, else 0, u from U(0, 1)."""
        return d.Split(d.Constant(0.0), d.Uniform(seed=seed))

    def rectangular_jam(self, a: float = -5.0, b: float = 5.0, seed: Seed = 0) -> d.Derivative:
        """The function that is named. Reports u if a ≤ x ≤ b, else 0, u from U(0, 1)."""
        return d.Uniform(seed=seed) * d.Box(a, b)

    def compose(self, rules: tuple[str, ...], seed: Seed = 0, **parameters: Any) -> d.Derivative:
        """The function that is named. Reports what the rules make of the gradient, one after the
        other.

        Each rule takes those of the parameters that it knows, as in the package. The seed of the
        rule at place i, from 0, is seed + i, so that each has a noise of its own.
        """
        for name in rules:
            if name not in RULES:
                near = did_you_mean(name, RULES)
                raise ValueError(f"freegrad.compose: unknown rule {name!r}{near}")
        takes = {name: list(inspect.signature(RULES[name]).parameters)[1:] for name in rules}
        known = [parameter for own in takes.values() for parameter in own]
        require_known("freegrad.compose", parameters, list(dict.fromkeys(known)))
        composed: d.Derivative = d.Constant()
        for place, name in enumerate(rules):
            given = {**parameters, "seed": seed + place}
            own = {key: value for key, value in given.items() if key in takes[name]}
            require_types(f"freegrad.{name}", RULES[name], own)
            composed = after(composed, RULES[name](self, **own))
        return composed


RULES = {
    name: method
    for name, method in vars(FreeGrad).items()
    if isinstance(method, FunctionType) and name not in ("pair", "compose")
}


def after(derivative: d.Derivative, rule: Any) -> d.Derivative:
    """What a rule that was made by itself, of the derivative 1, makes of another derivative."""
    one = d.Constant()
    if one in (derivative, rule):
        return rule if derivative == one else derivative
    return derivative * rule if rule.pointwise else dataclasses.replace(rule, derivative=derivative)
