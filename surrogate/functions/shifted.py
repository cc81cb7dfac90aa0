"""Rectifiers that are shifted and clamped, to bring the mean of what they return towards 0.

As in the code in which they were published, a `shift` or `mean_shift` is subtracted: a negative one
adds. Where a clamp is reached, the derivative is 0, also at the tie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.arithmetic import above, below, choose
from surrogate.core.messages import require_number
from surrogate.core.numbers import Number
from surrogate.functions.base import Function, functions
from surrogate.functions.rectifiers import leaky
from surrogate.functions.saturating import at_least
from surrogate.functions.smooth import SiLU

if TYPE_CHECKING:
    from surrogate.core.kernels import Kernel

__all__ = ["FTSwish", "FTSwishPlus", "GeneralReLU", "LiSHT", "LightReLU", "TReLU", "TiltReLU"]


@functions.register
@dataclass(frozen=True, repr=False)
class LiSHT(Function):
    """x · tanh(x). Derivative: tanh(x) + x · (1 − tanh²(x)).

    Source: Roy et al. 2019 (arXiv 1901.05894).
    """

    straight_outside = (-25.0, 25.0)

    def value(self, x: Tensor) -> Tensor:
        near = x.clamp(-1000, 1000)  # further out autograd would meet ∞ · 0
        return near * torch.tanh(near) + F.relu(x.abs() - near.abs())

    def slope(self, x: Tensor) -> Tensor:
        x = x.clamp(-1000, 1000)
        t = torch.tanh(x)
        return t + x * (1 - t * t)


@functions.register
@dataclass(frozen=True, repr=False)
class LightReLU(Function):
    """min(x · tanh(x) − shift, most), also known as LiSHT+. Derivative: that of LiSHT where the
    value is below `most`, else 0.

    Source: the fast.ai forum, 2019.
    """

    shift: Number = 0.46
    most: Number = 7.5

    def __post_init__(self) -> None:
        require_number(self, "shift", may_vary=True)
        require_number(self, "most", above=-float(self.shift), may_vary=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        flat = self.most + self.shift + 0.3  # x · tanh(x) ≥ |x| − 0.28
        return -flat, flat

    def value(self, x: Tensor) -> Tensor:
        return -at_least(self.shift - LiSHT().value(x), -self.most)

    def slope(self, x: Tensor) -> Tensor:
        return LiSHT().slope(x) * below(LiSHT().value(x) - self.shift, self.most)


@functions.register
@dataclass(frozen=True, repr=False)
class FTSwish(Function):
    """x · s(x) + threshold if x > 0, else threshold. Derivative: that of SiLU if x > 0, else 0.

    Source: Chieng et al. 2018, "Flatten-T Swish" (arXiv 1812.06247).
    """

    threshold: Number = -0.2
    straight_outside = (0.0, 45.0)

    def __post_init__(self) -> None:
        require_number(self, "threshold", may_vary=True)

    def value(self, x: Tensor) -> Tensor:
        return SiLU().value(F.relu(x)) + self.threshold

    def slope(self, x: Tensor) -> Tensor:
        return SiLU().slope(x) * above(x, 0)


@functions.register
@dataclass(frozen=True, repr=False)
class FTSwishPlus(FTSwish):
    """FTSwish(x) − mean_shift (so the default adds 0.1). Derivative: that of FTSwish.

    Source: the fast.ai forum, 2019.
    """

    threshold: Number = -0.25
    mean_shift: Number = -0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "mean_shift", may_vary=True)

    def value(self, x: Tensor) -> Tensor:
        return super().value(x) - self.mean_shift


@functions.register
@dataclass(frozen=True, repr=False)
class TReLU(Function):
    """max(0, x) + threshold − mean_shift (by default max(0, x) − 0.22: a negative mean_shift adds).
    Derivative: 1 if x > 0, else 0 (also at the tie x = 0).

    Source: the fast.ai forum, 2019.
    """

    autograd_keeps = "one"
    threshold: Number = -0.25
    mean_shift: Number = -0.03
    straight_outside = (0.0, 0.0)

    def __post_init__(self) -> None:
        require_number(self, "threshold", may_vary=True)
        require_number(self, "mean_shift", may_vary=True)

    def value(self, x: Tensor) -> Tensor:
        return F.relu(x) + (self.threshold - self.mean_shift)

    def slope(self, x: Tensor) -> Tensor:
        return above(x, 0)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return kernel.cumulative(x)


@functions.register
@dataclass(frozen=True, repr=False)
class TiltReLU(Function):
    """|x| − 0.79788456 − mean_shift (a negative mean_shift adds). Derivative: the sign of x, 0 at
    the tie x = 0.

    The constant is √(2/π), the mean of |x| for standard normal x.

    Source: the fast.ai forum, 2019.
    """

    autograd_keeps = "one"
    mean_shift: Number = -0.03
    straight_outside = (0.0, 0.0)

    def __post_init__(self) -> None:
        require_number(self, "mean_shift", may_vary=True)

    def value(self, x: Tensor) -> Tensor:
        return x.abs() - (0.79788456 + self.mean_shift)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sign(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return 2 * kernel.cumulative(x) - 1


@functions.register
@dataclass(frozen=True, repr=False)
class GeneralReLU(Function):
    """min(x − shift, most) if x > 0, else leak · x − shift. Derivative: leak if x ≤ 0, 1 above, 0
    where the value has reached `most`.

    Source: the fast.ai course, 2019; its forum has leak 0.2 and most 12.
    """

    leak: Number = 0.1
    shift: Number = 0.4
    most: Number = 6.0

    def __post_init__(self) -> None:
        require_number(self, "leak", least=0, may_vary=True)
        require_number(self, "shift", may_vary=True)
        require_number(self, "most", above=-float(self.shift), may_vary=True)

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        return 0.0, self.most + self.shift

    def value(self, x: Tensor) -> Tensor:
        return -at_least(self.shift - leaky(x, self.leak), -self.most)

    def slope(self, x: Tensor) -> Tensor:
        return choose(above(x, 0), 1, self.leak) * below(x - self.shift, self.most)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        bend = (1 - self.leak) * kernel.cumulative(x)
        return self.leak + bend - kernel.cumulative(x - self.most - self.shift)
