"""A derivative that depends on the direction in which the activation is to move."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor

from surrogate.core.numbers import FixedPositive, OrNone
from surrogate.derivatives.base import (
    AnyDerivative,
    AnyFunction,
    Derivative,
    Pointwise,
    require_elementwise,
)
from surrogate.derivatives.shapes import unbound
from surrogate.functions.arithmetic import below, near_bends
from surrogate.functions.base import Elementwise

Side = Annotated[Any, OrNone(AnyDerivative("linear"))]


class Directional(Derivative):
    """Both one-sided slopes are options, and the one that lowers the loss most wins.

    With the upstream gradient g, moving x to the left changes the loss at the rate −g · L(x),
    moving it to the right at the rate +g · R(x). The more negative rate wins, and

        grad_input = g · L(x) if left wins, g · R(x) if right wins, 0 if neither lowers the loss.

    With L = R it is the ordinary rule g · slope(x). At a peak, where both directions lower the
    loss at the same rate, left wins.

    Args:
        left, right: the one-sided slopes L and R, derivatives that do not depend on the upstream
            gradient or callables of x. A side that is not given is the secant of the pair's
            function, [F(x) − F(x − width)] / width on the left and [F(x + width) − F(x)] / width
            on the right.
        width: of the secants.

    With momentum the step that follows need not go in the direction that was chosen.

    Source: the note that this project began with ("ReLU'(+x) = {left: 1, right: 1}, ReLU'(−x) =
    {left: 0, right: 1}"). The same rule at a bound is CompressAI's `LowerBound` and TensorFlow
    Compression's `identity_if_towards`.
    """

    left: Side = None
    right: Side = None
    width: FixedPositive = 1.0

    def bind(self, function: Elementwise) -> Derivative:
        left = Secant(function, -self.width) if self.left is None else self.left
        right = Secant(function, self.width) if self.right is None else self.right
        return Directional(left.bind(function), right.bind(function), self.width)

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        if self.left is None or self.right is None:
            raise unbound(self)
        going_left = self.left.rule(saved, grad_output)
        going_right = self.right.rule(saved, grad_output)
        # The rates are −going_left and +going_right. What would raise the loss counts as 0; of the
        # two that are left, one ≥ 0 and the other ≤ 0, the larger wins, and left if they are equal.
        to_left, to_right = going_left.clamp(min=0), going_right.clamp(max=0)
        sign = 1 - 2 * below(to_left + to_right, 0)
        return sign * torch.maximum(to_left, -to_right)


class Secant(Pointwise, register=False):
    """slope(x) = [F(x + width) − F(x)] / width; to the left if width is negative."""

    function: AnyFunction
    width: float

    def bind(self, function: Elementwise) -> Derivative:
        require_elementwise(self.function, "Directional without left and right")
        return self

    def slope(self, x: Tensor) -> Tensor:
        x = near_bends(self.function, x, abs(self.width))
        return (self.function(x + self.width) - self.function(x)) / self.width
