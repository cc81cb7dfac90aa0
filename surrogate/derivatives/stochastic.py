"""Derivatives with noise: on the derivative's evaluation, never on the function.

The noise is a fixed field over the real line, hashed from a seed and the float32 value of x.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from surrogate.core.numbers import Limits, NotNegative, Number, Positive, Seed
from surrogate.derivatives.base import (
    AnyLinear,
    Derivative,
    PairsFunction,
    Pointwise,
    require_elementwise,
)
from surrogate.derivatives.shapes import OfFunction, unbound
from surrogate.functions import kernels
from surrogate.functions.arithmetic import near_bends
from surrogate.functions.base import Elementwise

Bits = TypeVar("Bits", Tensor, int)


class Noisy(Derivative):
    """A derivative with Gaussian noise n of standard deviation std on its evaluation:

        slope(x) = derivative(x) + n(x)      at="slope"
        slope(x) = derivative(x + n(x))      at="input"

    n is a fixed random field over the real line: it depends on the seed and on the float32 value
    of x, and is independent between any two values that differ. So there is no state to save or
    resume, torch's global generator is left alone, and the noise is the same in every mode, dtype
    and device; equal inputs get equal noise.

    Args:
        derivative: one that does not depend on the upstream gradient, or a callable of x.
        std: the noise's standard deviation.
        at: "slope" or "input".
        seed: of the field.

    Source: the note that this project began with ("adding noise to the derivative evaluation
    (instead of function evaluation)").
    """

    derivative: AnyLinear
    std: NotNegative
    at: Literal["slope", "input"] = "slope"
    seed: Seed = 0
    linear: ClassVar[bool] = True
    pointwise = property(lambda self: self.derivative.pointwise)

    def slope(self, x: Tensor) -> Tensor:
        noise = self.std * normal_field(x, self.seed)
        if self.at == "input":
            return self.derivative.slope(x + noise)
        return self.derivative.slope(x) + noise

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        noise = self.std * normal_field(saved, self.seed)
        if self.at == "input":
            return self.derivative.rule(saved + noise, grad_output)
        return self.derivative.rule(saved, grad_output) + grad_output * noise


class Uniform(Pointwise):
    """slope(x) = u(x), uniform between low and high: a fixed random field, as that of `Noisy`.

    `Uniform() * derivative` is the jammed derivative.

    Source: Troiano et al. 2025 (arXiv 2509.07236). Also: FreeGrad `full_jam` and, times a window,
    `positive_jam` and `rectangular_jam`; left of the threshold, snnTorch `SSO(mean, variance)`
    (from (mean − ½) · variance to (mean + ½) · variance).
    """

    low: Number = 0.0
    high: Annotated[Any, Limits(above="low")] = 1.0
    seed: Seed = 0

    def slope(self, x: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * uniform_field(x, self.seed)


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

    function: PairsFunction = None
    width: Positive = 1.0
    samples: Annotated[int, Limits(integer=True, least=1, most=1024)] = 16
    seed: Seed = 0
    estimate: ClassVar[bool] = True

    def bind(self, function: Elementwise) -> Derivative:
        bound = super().bind(function)
        require_elementwise(bound.function, "Perturbed")  # type: ignore[attr-defined]
        return bound

    def slope(self, x: Tensor) -> Tensor:
        function = self.function
        if function is None:
            raise unbound(self)
        at = near_bends(function, x, kernels.Gaussian.reach * self.width)
        slope = torch.zeros_like(x)
        for stream in range(self.samples):
            n = normal_field(x, mixed(self.seed ^ 0x85EBCA6B) ^ stream)
            slope = slope + n * (function(at + self.width * n) - function(at - self.width * n))
        return slope / (2 * self.width * self.samples)


def uniform_field(x: Tensor, seed: int) -> Tensor:
    """A number from U(0, 1) for each x: the seed and the bits of x as float32, hashed."""
    return _uniform(_hashed(x, seed), x.dtype)


def normal_field(x: Tensor, seed: int) -> Tensor:
    """A standard normal number for each x: √(−2 ln u) · cos(2πv), with u that of `uniform_field`
    and v from its bits hashed once more.

    Source: Box & Muller 1958.
    """
    bits = _hashed(x, seed)
    u, v = _uniform(bits, x.dtype), _uniform(mixed(bits), x.dtype)
    return torch.sqrt(-2 * torch.log(u)) * torch.cos(2 * math.pi * v)


def _hashed(x: Tensor, seed: int) -> Tensor:
    """32 bits for each x."""
    number = x.detach().float()
    number = torch.where(number == 0, 0.0, number)  # −0 is 0
    bits = number.view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    return mixed(bits ^ mixed(seed ^ 0x9E3779B9))  # any constant, so that seed 0 is mixed too


def _uniform(bits: Tensor, dtype: torch.dtype) -> Tensor:
    return ((bits >> 9).to(dtype) + 0.5) / 2**23


def mixed(bits: Bits) -> Bits:
    """Scatter 32 bits so that each depends on all: lowbias32 (Wellons 2018), in 64 bits."""
    bits = bits ^ (bits >> 16)
    bits = (bits * 0x7FEB352D) & 0xFFFFFFFF
    bits = bits ^ (bits >> 15)
    # 0x846CA68B · bits could pass 2⁶³, so the upper bit of the factor goes in by a shift.
    bits = (bits * 0x046CA68B + (bits << 31)) & 0xFFFFFFFF
    return bits ^ (bits >> 16)
