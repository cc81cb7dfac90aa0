"""A derivative that depends on the direction in which the activation is to move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from surrogate.core.arithmetic import below
from surrogate.core.messages import require_number
from surrogate.derivatives.base import Pointwise, UpstreamDependent, as_pointwise, derivatives
from surrogate.derivatives.differences import slope_far_out
from surrogate.derivatives.shapes import unbound
from surrogate.functions.base import Elementwise

__all__ = ["Directional"]


@derivatives.register
@dataclass(frozen=True, repr=False)
class Directional(UpstreamDependent):
    """Both one-sided slopes are options, and the one that lowers the loss most wins.

    With the upstream gradient g, moving x to the left changes the loss at the rate −g · L(x),
    moving it to the right at the rate +g · R(x). The more negative rate wins, and

        grad_input = g · L(x) if left wins, g · R(x) if right wins, 0 if neither lowers the loss.

    With L = R it is the ordinary rule g · slope(x). At a peak, where both directions lower the
    loss at the same rate, left wins.

    Args:
        left, right: the one-sided slopes L and R, pointwise derivatives or callables of x. A side
            that is not given is the secant of the pair's function, [F(x) − F(x − width)] / width
            on the left and [F(x + width) − F(x)] / width on the right.
        width: of the secants.

    With momentum the step that follows need not go in the direction that was chosen.

    Source: the note that this project began with ("ReLU'(+x) = {left: 1, right: 1}, ReLU'(−x) =
    {left: 0, right: 1}"). The same rule at a bound is CompressAI's `LowerBound` and TensorFlow
    Compression's `identity_if_towards`.
    """

    left: Pointwise | Elementwise | None = None
    right: Pointwise | Elementwise | None = None
    width: float = 1.0
    sign_dependent = True

    def __post_init__(self) -> None:
        require_number(self, "width", above=0)
        for side in ("left", "right"):
            if getattr(self, side) is not None:
                object.__setattr__(
                    self, side, as_pointwise(getattr(self, side), f"Directional: {side}")
                )

    def bind(self, function: Elementwise) -> Directional:
        return Directional(*self._sides(function), self.width)

    def _sides(self, function: Elementwise) -> Iterator[Pointwise]:
        for given, width in ((self.left, -self.width), (self.right, self.width)):
            side = Secant(function, width) if given is None else as_pointwise(given, "side")
            yield as_pointwise(side.bind(function), "side")

    def rule(self, x: Tensor, grad_output: Tensor) -> Tensor:
        if self.left is None or self.right is None:
            raise unbound(self)
        going_left = grad_output * as_pointwise(self.left, "left").slope(x)
        going_right = grad_output * as_pointwise(self.right, "right").slope(x)
        # The rates are −going_left and +going_right. What would raise the loss counts as 0; of the
        # two that are left, one ≥ 0 and the other ≤ 0, the larger wins, and left if they are equal.
        to_left, to_right = going_left.clamp(min=0), going_right.clamp(max=0)
        sign = 1 - 2 * below(to_left + to_right, 0)
        return sign * torch.maximum(to_left, -to_right)


@dataclass(frozen=True, repr=False)
class Secant(Pointwise):
    """slope(x) = [F(x + width) − F(x)] / width; to the left if width is negative.

    At ±inf it is the limit, or, where F repeats and there is none, the mean slope.
    """

    function: Elementwise
    width: float

    def slope(self, x: Tensor) -> Tensor:
        return slope_far_out(self._quotient, self.function, x, abs(self.width))

    def _quotient(self, x: Tensor) -> Tensor:
        return (self.function(x + self.width) - self.function(x)) / self.width
