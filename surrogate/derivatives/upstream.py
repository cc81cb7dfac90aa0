"""Rules that depend on the upstream gradient.

All but `Directional` are around another `derivative` (the straight-through estimator if it is not
given) and change what that one reports: limits hold for the gradient that leaves the activation,
whatever the slope.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from surrogate.core.numbers import FixedPositive, Limits, NotNegative, OrNone, Positive, Seed
from surrogate.derivatives.algebra import Lower, Upper
from surrogate.derivatives.base import (
    AnyDerivative,
    AnyFunction,
    AnyRule,
    Derivative,
    PairsFunction,
    Pointwise,
    require_elementwise,
)
from surrogate.derivatives.shapes import Constant, OfFunction, unbound
from surrogate.derivatives.stochastic import normal_field
from surrogate.functions.arithmetic import below, finite, measured, near_bends
from surrogate.functions.base import Elementwise

STRAIGHT_THROUGH = Constant()
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


class Around(Derivative, register=False):
    """What another derivative reports, changed. A subclass has the formula of `changed`."""

    # A field `derivative` here would come before those of a subclass.

    def pull(self, saved: Tensor, grad_output: Tensor) -> Tensor:
        around: Any = self
        return self.changed(around.derivative.rule(saved, grad_output), saved, grad_output)

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        """The new grad_input."""
        raise NotImplementedError


class Towards(Around):
    """grad_input = derivative(x, g), but 0 where x is out of bounds and the step leads further out.

    A step moves x against its gradient, so 0 is reported where x < low and the gradient is
    positive, and where x > high and it is negative. At the bounds and between them all passes.

    With the function clamp(x, low, high) and the derivative 1, elements that got out of bounds
    come back, and those inside are as if there were no bounds.

    Args:
        low, high: the bounds; one may be left out.
        derivative: whose gradient it is.

    Source: Ballé et al. 2017 (arXiv 1611.01704) for a lower bound. Also: CompressAI `LowerBound`,
    `magic_clamp`, TensorFlow Compression `lower_bound` and `upper_bound` (`identity_if_towards`).
    """

    low: Lower = None
    high: Upper = None
    derivative: AnyRule = STRAIGHT_THROUGH
    one_of: ClassVar[tuple[str, ...]] = ("low", "high")

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        if self.low is not None:
            grad_input = torch.where((x < self.low) & (grad_input > 0), 0, grad_input)
        if self.high is not None:
            grad_input = torch.where((x > self.high) & (grad_input < 0), 0, grad_input)
        return grad_input


class EWGS(OfFunction, Around):
    """Element-wise gradient scaling: a larger gradient where the step leads away from F(x).

        grad_input = derivative(x, g) · (1 + delta · sign(g) · (x − F(x))),  g = grad_output

    With g > 0 the step goes down, so it is x above F(x) that gets the larger gradient: it is
    pushed across the value that it was rounded to, and one below is held back.

    Args:
        delta: at least 0; with 0 it is the derivative itself.
        derivative: in the paper, the window of the quantiser: `Box(0, 1)`.
        function: F; the pair's own function if it is not given.

    Source: Lee et al. 2021 (arXiv 2104.00903).
    """

    delta: NotNegative
    derivative: AnyRule = STRAIGHT_THROUGH
    function: PairsFunction = None

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        if self.function is None:
            raise unbound(self)
        x = finite(x)  # else ∞ − ∞ or 0 · ∞
        larger = grad_input * (x - self.function(x)) * grad_output.sign()
        return grad_input + self.delta * larger


class GradientNoise(Around):
    """grad_input = derivative(x, g) + n(x), n Gaussian with standard deviation std.

    n does not scale with the upstream gradient, unlike that of `Noisy`, and is the same kind of
    fixed field: it depends on the seed and on x.

    Source: Neelakantan et al. 2015 (arXiv 1511.06807). Also: FreeGrad `noise(sigma)`.
    """

    std: NotNegative
    derivative: AnyRule = STRAIGHT_THROUGH
    seed: Seed = 0

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        return grad_input + self.std * normal_field(x, self.seed)


class ClipValue(Around):
    """grad_input = clamp(derivative(x, g), −limit, limit): no element is larger than the limit.

    Source: Mikolov 2012 (doctoral thesis).
    """

    limit: Positive
    derivative: AnyRule = STRAIGHT_THROUGH

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        return grad_input.clamp(-self.limit, self.limit)


class ClipNorm(Around):
    """grad_input = r · min(1, limit / ‖r‖), r = derivative(x, g): its norm is at most the limit.

    The norm (Euclidean) is that of the whole tensor; under vmap, of each sample.

    Source: Pascanu et al. 2013 (arXiv 1211.5063). Also: FreeGrad `clip_norm(max_norm)`.
    """

    limit: Positive
    derivative: AnyRule = STRAIGHT_THROUGH
    elementwise = False  # type: ignore[override]

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        if grad_input.numel() == 0:
            return grad_input
        grad_input = finite(grad_input)
        largest, direction, length = measured(grad_input)
        return torch.where(
            largest * length > self.limit, direction * (self.limit / length), grad_input
        )


class PreserveNorm(Around):
    """grad_input = r · ‖g‖ / ‖r‖, r = derivative(x, g): as long as the upstream gradient; 0 for 0.

    The norm (Euclidean) is that of the whole tensor; under vmap, of each sample.

    Source: `magic_clamp(preserve_norm=True)`, around `Towards`.
    """

    derivative: AnyRule = STRAIGHT_THROUGH
    elementwise = False  # type: ignore[override]

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        if grad_input.numel() == 0:
            return grad_input
        _, direction, length = measured(finite(grad_input))
        largest, _, wanted = measured(finite(grad_output))
        # In this order, no product is larger than the result or smaller than its parts.
        return direction * (wanted / length.where(length > 0, 1)) * largest


class Centralise(Around):
    """grad_input = r − mean(r), r = derivative(x, g): the gradient without its mean.

    Args:
        dim: the dimension along which the mean is taken; None for the whole tensor.
        derivative: whose gradient it is.

    Source: Yong et al. 2020 (arXiv 2004.01461). Also: FreeGrad `centralize(dim)`.
    """

    dim: Annotated[int | None, OrNone(Limits(integer=True))] = -1
    derivative: AnyRule = STRAIGHT_THROUGH
    elementwise = False  # type: ignore[override]
    linear = property(lambda self: self.derivative.linear)

    def changed(self, grad_input: Tensor, x: Tensor, grad_output: Tensor) -> Tensor:
        return grad_input - grad_input.mean(dim=self.dim, keepdim=True)
