"""Rectifiers that are shifted and clamped, to bring the mean of what they return towards 0.

As in the code in which they were published, a `shift` or `mean_shift` is subtracted: a negative one
adds. Where a clamp is reached, the derivative is 0, also at the tie.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.numbers import Limits, NotNegative, Number
from surrogate.functions.arithmetic import above, at_least, below, choose
from surrogate.functions.base import Function
from surrogate.functions.kernels import Kernel
from surrogate.functions.rectifiers import ReLU, leaky
from surrogate.functions.smooth import SILU


class LiSHT(Function):
    """x · tanh(x). Derivative: tanh(x) + x · (1 − tanh²(x)).

    Source: Roy et al. 2019 (arXiv 1901.05894).
    """

    straight_outside: ClassVar[Any] = (-25.0, 25.0)

    def value(self, x: Tensor) -> Tensor:
        return x * torch.tanh(x)

    def slope(self, x: Tensor) -> Tensor:
        t = torch.tanh(x)
        return t + x * (1 - t * t)


LISHT = LiSHT()


class LightReLU(Function):
    """min(x · tanh(x) − shift, most), also known as LiSHT+. Derivative: that of LiSHT where the
    value is below `most`, else 0.

    Source: the fast.ai forum, 2019.
    """

    shift: Number = 0.46
    most: Annotated[Any, Limits(above="-shift")] = 7.5

    @property
    def straight_outside(self) -> tuple[float, float]:  # type: ignore[override]
        flat = self.most + self.shift + 0.3  # x · tanh(x) ≥ |x| − 0.28
        return -flat, flat

    def value(self, x: Tensor) -> Tensor:
        return -at_least(self.shift - LISHT.value(x), -self.most)

    def slope(self, x: Tensor) -> Tensor:
        return LISHT.slope(x) * below(LISHT.value(x) - self.shift, self.most)


class FTSwish(Function):
    """x · s(x) + threshold if x > 0, else threshold. Derivative: that of SiLU if x > 0, else 0.

    Source: Chieng et al. 2018, "Flatten-T Swish" (arXiv 1812.06247).
    """

    threshold: Number = -0.2
    straight_outside: ClassVar[Any] = (0.0, 45.0)

    def value(self, x: Tensor) -> Tensor:
        return SILU.value(F.relu(x)) + self.threshold

    def slope(self, x: Tensor) -> Tensor:
        return SILU.slope(x) * above(x, 0)


class FTSwishPlus(FTSwish):
    """FTSwish(x) − mean_shift (so the default adds 0.1). Derivative: that of FTSwish.

    Source: the fast.ai forum, 2019.
    """

    threshold: Number = -0.25
    mean_shift: Number = -0.1

    def value(self, x: Tensor) -> Tensor:
        return super().value(x) - self.mean_shift


class TReLU(ReLU):
    """max(0, x) + threshold − mean_shift (by default max(0, x) − 0.22: a negative mean_shift adds).
    Derivative: 1 if x > 0, else 0 (also at the tie x = 0).

    Source: the fast.ai forum, 2019.
    """

    threshold: Number = -0.25
    mean_shift: Number = -0.03

    def value(self, x: Tensor) -> Tensor:
        return F.relu(x) + (self.threshold - self.mean_shift)


class TiltReLU(Function):
    """|x| − 0.79788456 − mean_shift (a negative mean_shift adds). Derivative: the sign of x, 0 at
    the tie x = 0.

    The constant is √(2/π), the mean of |x| for standard normal x.

    Source: the fast.ai forum, 2019.
    """

    native: ClassVar[bool] = True
    mean_shift: Number = -0.03
    straight_outside: ClassVar[Any] = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return x.abs() - (0.79788456 + self.mean_shift)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sign(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return 2 * kernel.cumulative(x) - 1


class GeneralReLU(Function):
    """min(x − shift, most) if x > 0, else leak · x − shift. Derivative: leak if x ≤ 0, 1 above, 0
    where the value has reached `most`.

    Source: the fast.ai course, 2019; its forum has leak 0.2 and most 12.
    """

    leak: NotNegative = 0.1
    shift: Number = 0.4
    most: Annotated[Any, Limits(above="-shift")] = 6.0
    straight_outside = property(lambda self: (0.0, self.most + self.shift))

    def value(self, x: Tensor) -> Tensor:
        return -at_least(self.shift - leaky(x, self.leak), -self.most)

    def slope(self, x: Tensor) -> Tensor:
        return choose(above(x, 0), 1, self.leak) * below(x - self.shift, self.most)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        bend = (1 - self.leak) * kernel.cumulative(x)
        return self.leak + bend - kernel.cumulative(x - self.most - self.shift)
