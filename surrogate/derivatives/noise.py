"""Fixed random fields over the real line: randomness without a state.

Each number x has a random number of its own, hashed from a seed and the bits of x as float32. So
there is nothing to save or resume, torch's global generator is left alone, and the numbers are the
same in every mode, dtype and device.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

Bits = TypeVar("Bits", Tensor, int)


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
