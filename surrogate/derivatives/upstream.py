"""Rules that depend on the upstream gradient, around another derivative.

Each takes a `derivative` (the straight-through estimator if it is not given) and changes what that
one reports: limits hold for the gradient that leaves the activation, whatever the slope.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from surrogate.core.numbers import Limits, NotNegative, OrNone, Positive, Seed
from surrogate.derivatives.algebra import Lower, Upper
from surrogate.derivatives.base import AnyRule, Derivative, PairsFunction
from surrogate.derivatives.shapes import Constant, OfFunction, unbound
from surrogate.derivatives.stochastic import normal_field
from surrogate.functions.arithmetic import finite, measured

STRAIGHT_THROUGH = Constant()


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
