"""Numbers that are drawn at random in each call."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from surrogate.core.numbers import FixedNumber, Limits, Seed, Varying, formula_dtype
from surrogate.core.parts import Part

EULER = 0.5772156649015329


class Drawn(Part, Varying, register=False):
    """A number low + (high − low) · z, where z is drawn anew in each call for each element.

        law          z                                   mean of z
        "uniform"    from U(0, 1)                        1/2
        "normal"     standard normal                     0
        "logistic"   with P(z < v) = s(v)                0
        "algebraic"  with P(z < v) = ½ + ½ v / √(1 + v²)  0
        "gumbel"     with P(z < v) = exp(−exp(−v))       0.5772…

    A function and a derivative that hold equal drawn numbers see the same draw within a call, and
    so does a pair that is checkpointed. The draws come from torch's global generator. In
    evaluation mode the number is its mean, unless `in_eval` is "draw"; a function that is called
    by itself, without a pair, is in evaluation mode.

    Args:
        low, high: the range of a uniform number, else its location and location plus scale.
        law: of the draws.
        in_eval: "mean" or "draw".
        stream: tells apart numbers that are otherwise equal, and are to be drawn independently.

    Source: reparametrisation by standard draws (Kingma & Welling 2014, arXiv 1312.6114; for
    "gumbel", Jang et al. 2017, arXiv 1611.01144).
    """

    low: FixedNumber = 0.0
    high: Annotated[float, Limits(least="low", fixed=True)] = 1.0
    law: Literal["uniform", "normal", "logistic", "algebraic", "gumbel"] = "uniform"
    in_eval: Literal["mean", "draw"] = "mean"
    stream: Seed = 0
    mean: ClassVar[float]

    def now(self, x: Tensor, training: bool) -> Tensor:
        dtype = formula_dtype(x)
        if training or self.in_eval == "draw":
            return self.low + (self.high - self.low) * self._standard(x.detach(), dtype)
        return x.new_full((), self.mean, dtype=dtype)

    def _standard(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        if self.law == "normal":
            return torch.randn_like(x, dtype=dtype)
        u = torch.rand_like(x, dtype=dtype)
        if self.law == "uniform":
            return u
        u = u.clamp(min=torch.finfo(dtype).tiny)  # 0 would be drawn as an infinite number
        if self.law == "logistic":
            return torch.log(u) - torch.log1p(-u)
        if self.law == "algebraic":
            return (u - 0.5) / torch.sqrt(u * (1 - u))
        return -torch.log(-torch.log(u))

    def ends(self) -> tuple[float, ...]:
        if self.law == "uniform":
            return self.low, self.high
        return -math.inf, math.inf

    def decide(self) -> None:
        mean = {"uniform": 0.5, "gumbel": EULER}.get(self.law, 0.0)
        self.keep(mean=self.low + (self.high - self.low) * mean)

    def __float__(self) -> float:
        return self.mean
