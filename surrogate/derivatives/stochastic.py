"""Derivatives with noise: on the derivative's evaluation, never on the function.

The noise is a fixed field over the real line, hashed from a seed and the float32 value of x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from surrogate.core.kernels import Gaussian
from surrogate.core.messages import require_choice, require_number
from surrogate.core.noise import mixed, normal_field, require_seed, uniform_field
from surrogate.core.numbers import Number
from surrogate.derivatives.base import Pointwise, as_pointwise, derivatives
from surrogate.derivatives.differences import difference, slope_far_out
from surrogate.derivatives.shapes import OfFunction, unbound
from surrogate.functions.base import Elementwise

__all__ = ["Noisy", "Perturbed", "Uniform"]


@derivatives.register
@dataclass(frozen=True, repr=False)
class Noisy(Pointwise):
    """A derivative with Gaussian noise n of standard deviation std on its evaluation:

        slope(x) = derivative(x) + n(x)      at="slope"
        slope(x) = derivative(x + n(x))      at="input"

    n is a fixed random field over the real line: it depends on the seed and on the float32 value
    of x, and is independent between any two values that differ. So there is no state to save or
    resume, torch's global generator is left alone, and the noise is the same in every mode, dtype
    and device; equal inputs get equal noise.

    Args:
        derivative: a pointwise derivative or a callable of x.
        std: the noise's standard deviation.
        at: "slope" or "input".
        seed: of the field.

    Source: the note that this project began with ("adding noise to the derivative evaluation
    (instead of function evaluation)").
    """

    derivative: Pointwise | Elementwise
    std: Number
    at: str = "slope"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "derivative", as_pointwise(self.derivative, "Noisy: derivative"))
        require_number(self, "std", least=0, may_vary=True)
        require_choice(self, "at", ("slope", "input"))
        require_seed(self)

    def slope(self, x: Tensor) -> Tensor:
        derivative = as_pointwise(self.derivative, "derivative")
        noise = self.std * normal_field(x, self.seed)
        if self.at == "input":
            return derivative.slope(x + noise)
        return derivative.slope(x) + noise


@derivatives.register
@dataclass(frozen=True, repr=False)
class Uniform(Pointwise):
    """slope(x) = u(x), uniform between low and high: a fixed random field, as that of `Noisy`.

    `Uniform() * derivative` is the jammed derivative.

    Source: Troiano et al. 2025 (arXiv 2509.07236). Also: FreeGrad `full_jam` and, times a window,
    `positive_jam` and `rectangular_jam`; left of the threshold, snnTorch `SSO(mean, variance)`
    (from (mean − ½) · variance to (mean + ½) · variance).
    """

    low: Number = 0.0
    high: Number = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_number(self, "low", may_vary=True)
        require_number(self, "high", above=self.low, may_vary=True)
        require_seed(self)

    def slope(self, x: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * uniform_field(x, self.seed)


@derivatives.register
@dataclass(frozen=True, repr=False)
class Perturbed(OfFunction, Pointwise):
    """slope(x) = meanᵢ [F(x + width · nᵢ) − F(x − width · nᵢ)] · nᵢ / (2 width), i = 1 … samples.

    The nᵢ are standard normal: fixed random fields, as that of `Noisy`. So it is an unbiased
    estimate of `Blurred(width=width)` for any function at all, by 2 · samples evaluations of F.
    Its variance falls as 1 / samples.

    Args:
        function: F; the pair's own function if it is not given.
        width: the standard deviation of the perturbation, in units of x.
        samples: pairs of opposite perturbations, 1 to 1024.
        seed: of the fields.

    Source: Nesterov & Spokoiny 2017 (doi 10.1007/s10208-015-9296-2); Salimans et al. 2017 (arXiv
    1703.03864) for opposite pairs.
    """

    function: Elementwise | None = None
    width: Number = 1.0
    samples: int = 16
    seed: int = 0
    estimate = True

    def __post_init__(self) -> None:
        self.require_function()
        require_number(self, "width", above=0, may_vary=True)
        require_number(self, "samples", least=1, most=1024, integer=True)
        require_seed(self)

    def slope(self, x: Tensor) -> Tensor:
        if self.function is None:
            raise unbound(self)
        estimate = partial(self._estimate, self.function, x)
        return slope_far_out(estimate, self.function, x, Gaussian.reach * self.width)

    def _estimate(self, function: Elementwise, x: Tensor, at: Tensor) -> Tensor:
        """The mean of the samples, with the noise of x and the differences of `at`."""
        slope = torch.zeros_like(x)
        for stream in range(self.samples):
            normal = normal_field(x, mixed(self.seed ^ 0x85EBCA6B) ^ stream)
            slope = slope + normal * difference(function, at, self.width * normal)
        return slope / (2 * self.width * self.samples)
