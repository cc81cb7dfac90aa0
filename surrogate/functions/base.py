"""What every function of ours is: elementwise, typed by its input, printable, comparable."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from surrogate.core.evaluate import evaluate, is_exporting, require_floating
from surrogate.core.messages import Described
from surrogate.core.numbers import Number, as_of_now
from surrogate.registry import Registry

if TYPE_CHECKING:
    from surrogate.core.kernels import Kernel

__all__ = ["Function", "functions"]

Elementwise = Callable[[Tensor], Tensor]

functions: Registry[type] = Registry("function")


class Function(Described, ABC):
    """An elementwise function y = f(x): Tensor in, Tensor of the same shape and dtype out.

    A subclass is a frozen dataclass with the formulas of the `value` and, if there is one in closed
    form, of its `slope`; float16 and bfloat16 input reaches them as float32. Three optional facts
    about the graph let `Blurred` work fast and exactly:

    * `period`: p, if f(x + p) − f(x) is constant;
    * `straight_outside`: (low, high), if f is a straight line below low and above high (to the
      precision of float64);
    * `blurred_slope`: the derivative of f ∗ kernel in closed form.

    One that looks at other elements too says so by `elementwise = False`.

    `autograd_keeps` is what autograd keeps to differentiate the value: "nothing", "one" tensor, or
    "more", where the slope in closed form, which needs x alone, is the better way.
    """

    elementwise = True
    autograd_keeps: Literal["nothing", "one", "more"] = "more"
    period: float | None = None
    straight_outside: tuple[float, float] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        require_floating(x, type(self).__name__)
        now = as_of_now(self)
        return now.evaluated(x, follow=now is not self)

    def evaluated(self, x: Tensor, follow: bool = False) -> Tensor:
        """The value, with no number left that varies.

        Args:
            x: floating-point numbers.
            follow: whether autograd has to follow it to numbers that did.
        """
        # The operator of torch that a simple function is sees the whole, as autograd does.
        simple = self.autograd_keeps != "more"
        return evaluate(self.value, x, elementwise=self.elementwise and not (follow or simple))

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """The formula, for float32 and float64."""

    def slope(self, x: Tensor) -> Tensor:
        """The true derivative: in closed form where a subclass gives it, here by autograd."""
        return slope_by_autograd(self, x)

    def slope_times(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """grad_output · slope(x): where torch has it as one kernel, a subclass calls that."""
        return grad_output * self.slope(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor | None:
        """(f ∗ kernel)'(x) in closed form, or None where there is none."""
        return None


class PiecewiseConstant(Function):
    """A function that is flat but for its jumps: the derivative is 0 almost everywhere."""

    def slope(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def slope_by_autograd(function: Elementwise, x: Tensor) -> Tensor:
    """The true derivative of any elementwise callable.

    Raises:
        RuntimeError: under torch.export, which can't follow a derivative inside a forward pass.
    """
    if is_exporting():
        raise RuntimeError(
            f"torch.export can't follow the derivative of {function!r} by autograd; export needs a "
            "surrogate.functions.Function that gives its slope in closed form"
        )
    y, pullback, *_ = torch.func.vjp(function, x)
    return pullback(torch.ones_like(y))[0]  # whose dtype is for autocast to choose


def divisible(x: Tensor, period: Number) -> Tensor:
    """x, but finite x cut off where x / period, and vectorised remainders with it, overflow."""
    if not isinstance(period, Tensor) and period >= 1:
        return x
    limit = torch.finfo(x.dtype).max * period / 2
    # x less itself is 0, and NaN for infinity, whose remainder is NaN.
    return x.clamp(-limit, limit) + (x - x)


def mean_magnitude(x: Tensor) -> Tensor:
    """mean |x| over all dimensions but the last; |x| if there is none to take it over."""
    return x.abs().mean(dim=tuple(range(x.dim() - 1)), keepdim=True) if x.dim() > 1 else x.abs()
