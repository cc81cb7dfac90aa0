"""Derivatives with noise: on the derivative's evaluation, never on the function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from surrogate.derivatives.base import Pointwise, as_pointwise, derivatives
from surrogate.describe import require_choice, require_number
from surrogate.functions.base import Elementwise
from surrogate.varying import Number

Bits = TypeVar("Bits", Tensor, int)


@derivatives.register
@dataclass(frozen=True, repr=False)
class Noisy(Pointwise):
    """A derivative with Gaussian noise n of standard deviation std on its evaluation:

        at="slope": derivative(x) + n(x)        at="input": derivative(x + n(x))

    n is a fixed random field over the real line: it depends on the seed and on the float32 value
    of x, and is independent between any two values that differ. So there is no state to save or
    resume, torch's global generator is left alone, and the noise is the same in every mode, dtype
    and device; equal inputs get equal noise.

    Args:
        derivative: a pointwise derivative or a callable of x.
        std: the noise's standard deviation.
        at: "slope" or "input".
        seed: of the field.
    """

    derivative: Pointwise | Elementwise
    std: Number
    at: str = "slope"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "derivative", as_pointwise(self.derivative, "Noisy: derivative"))
        require_number(self, "std", least=0, may_vary=True)
        require_choice(self, "at", ("slope", "input"))
        require_number(self, "seed", least=0, below=2**32, integer=True)

    def slope(self, x: Tensor) -> Tensor:
        derivative = as_pointwise(self.derivative, "derivative")
        noise = self.std * normal_field(x, self.seed)
        if self.at == "input":
            return derivative.slope(x + noise)
        return derivative.slope(x) + noise


def normal_field(x: Tensor, seed: int) -> Tensor:
    """A standard normal number for each x: the seed and the bits of x, hashed, through Φ⁻¹."""
    bits = x.detach().float().view(torch.int32).to(torch.int64) & 0xFFFFFFFF
    bits = _mixed(bits ^ _mixed(seed ^ 0x9E3779B9))  # any constant, so that seed 0 is mixed too
    uniform = ((bits >> 9).to(x.dtype) + 0.5) / 2**23
    return math.sqrt(2) * torch.erfinv(2 * uniform - 1)


def _mixed(bits: Bits) -> Bits:
    """Scatter 32 bits so that each depends on all: lowbias32 (Wellons 2018), in 64 bits."""
    bits = bits ^ (bits >> 16)
    bits = (bits * 0x7FEB352D) & 0xFFFFFFFF
    bits = bits ^ (bits >> 15)
    # 0x846CA68B · bits could pass 2⁶³, so the upper bit of the factor goes in by a shift.
    bits = (bits * 0x046CA68B + (bits << 31)) & 0xFFFFFFFF
    return bits ^ (bits >> 16)
