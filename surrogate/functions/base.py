"""What every function of ours is: a part with a formula, elementwise unless it says otherwise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from surrogate.core.evaluate import evaluate
from surrogate.core.parts import Part, varying_numbers, with_tensors
from surrogate.core.registry import Registry
from surrogate.functions.callables import require_floating
from surrogate.functions.kernels import Kernel

Elementwise = Callable[[Tensor], Tensor]


class Function(Part, register=False):
    """A function y = f(x): Tensor in, Tensor of the same shape and dtype out.

    A subclass has the formula of the `value` and, if there is one in closed form, of its `slope`;
    float16 and bfloat16 input reaches them as float32. Optional facts let others work fast and
    exactly:

    * `elementwise`: False if an element of the value depends on other elements of x;
    * `inner`: the names of numbers of which autograd sees nothing, as only jumps move with them;
    * `native`: True if plain autograd is used instead of the closed-form slope in eager mode, as
      the value is an operator of torch that keeps no more than one tensor;
    * `period`: p, if f(x + p) − f(x) is constant;
    * `straight_outside`: (low, high), if f is a straight line below low and above high (to the
      precision of float64);
    * `blurred_slope`: the derivative of f ∗ kernel in closed form.

    Raises:
        TypeError: when it is called with anything but a real floating-point tensor.
    """

    registry: ClassVar[Registry[Any]] = Registry("function")
    elementwise: ClassVar[bool] = True
    native: ClassVar[bool] = False
    inner: ClassVar[tuple[str, ...]] = ()
    period: ClassVar[Any] = None
    straight_outside: ClassVar[Any] = None

    def __call__(self, x: Tensor) -> Tensor:
        require_floating(x, type(self).__name__)
        now = {number: number.now(x, training=False) for number in varying_numbers(self)}
        return with_tensors(self, now).evaluated(x, blockwise=not now)

    def evaluated(self, x: Tensor, blockwise: bool = True) -> Tensor:
        """The value, where tensors have taken the place of all varying numbers."""
        return evaluate(self.value, x, elementwise=blockwise and self.is_blockwise)

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """The formula, for float32 and float64."""

    def slope(self, x: Tensor) -> Tensor:
        """The true derivative: in closed form where a subclass gives it, here by autograd."""
        y, pullback, *_ = torch.func.vjp(self, x)
        return pullback(torch.ones_like(y))[0]

    def vjp(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """grad_output · slope(x); a subclass calls a kernel of torch where there is one for it."""
        return grad_output * self.slope(x)

    @property
    def is_blockwise(self) -> bool:
        """Whether large tensors can be evaluated block by block, and gain by it."""
        return self.elementwise and not self.native

    @property
    def has_slope(self) -> bool:
        """Whether the true derivative is known in closed form."""
        return self.elementwise and type(self).slope is not Function.slope

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor | None:
        """(f ∗ kernel)'(x) in closed form, or None where there is none."""
        return None


class PiecewiseConstant(Function, register=False):
    """A function that is flat but for its jumps: the derivative is 0 almost everywhere.

    Numbers that move or stretch its graph would be invisible to autograd. A subclass that has some
    says in `placed` how they do so, or names in `stretched_by` the number by which it divides x.
    """

    stretched_by: ClassVar[str | None] = None

    def slope(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    def placed(self, x: Tensor) -> Tensor:
        """x as autograd is to see it: of derivative 1 in x, −1 in a number t of which the graph
        depends by x − t, and −x / s in a number s of which it depends by x / s."""
        return stretched(x, getattr(self, self.stretched_by)) if self.stretched_by else x


def stretched(x: Tensor, scale: Any) -> Tensor:
    """x / scale, times what scale is: for `PiecewiseConstant.placed`."""
    return x / scale * scale.detach() if isinstance(scale, Tensor) else x


def mean_magnitude(x: Tensor) -> Tensor:
    """mean |x| over all dimensions but the last; |x| if there is none to take it over."""
    return x.abs().mean(dim=tuple(range(x.dim() - 1)), keepdim=True) if x.dim() > 1 else x.abs()


functions = Function.registry
