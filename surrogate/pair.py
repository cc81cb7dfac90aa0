"""The pair: a function that is computed, and a derivative that is reported."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from surrogate.core.evaluate import evaluate
from surrogate.core.numbers import HALVES, Held, Varying
from surrogate.core.parts import modules_in, text_of, varying_numbers, with_tensors
from surrogate.core.report import Rule, report
from surrogate.derivatives.base import Derivative, DerivativeLike, as_derivative
from surrogate.derivatives.shapes import Constant, Exact, Through, blind_numbers
from surrogate.diagnostics.saved_bytes import saved_bytes
from surrogate.functions.base import Elementwise, Function, PiecewiseConstant
from surrogate.functions.callables import call_user_function, require_floating, require_function

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class SurrogateActivation(nn.Module):
    """An activation that computes `function` and reports `derivative` as its derivative.

    Forward, it is the function bit for bit. Backward, grad_input is grad_output times the
    derivative's slope at x, or what the derivative's rule makes of it. Parameters of the function
    get their true gradient; those that move or stretch a flat function get the one that follows
    from the reported derivative (see `Learnable`). The shape and dtype of the input are kept.

    Both parts can be assigned anew: `pair.derivative = Constant(0.5)`.

    Args:
        function: any callable, Tensor → Tensor of the same shape and dtype, that does not write
            into its input: one of `surrogate.functions`, a module, a lambda.
        derivative: one of `surrogate.derivatives`, or a callable of x (the slope), or a callable
            of (x, grad_output) (grad_input itself).

    Raises:
        TypeError: function or derivative is no such thing; in forward, for input that is not a
            floating-point tensor, or a function that changes the dtype.
        ValueError: function has inplace=True; in forward, for a function that changes the shape.
        RuntimeError: in forward, for a function that writes into its input.

    >>> import torch
    >>> from surrogate import SurrogateActivation
    >>> spike = SurrogateActivation(lambda x: (x > 0).to(x), lambda x: 1 / (1 + x.abs()) ** 2)
    >>> x = torch.tensor([-1.0, 0.0, 3.0], requires_grad=True)
    >>> spike(x).tolist()
    [0.0, 0.0, 1.0]
    >>> spike(x).sum().backward()
    >>> x.grad.tolist()
    [0.25, 1.0, 0.0625]
    """

    function: Elementwise
    derivative: Derivative

    def __init__(self, function: Elementwise, derivative: DerivativeLike) -> None:
        super().__init__()
        self.assemble(function, derivative)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("function", "derivative"):
            parts = {"function": self.function, "derivative": self.derivative, name: value}
            self.assemble(**parts)
        else:
            super().__setattr__(name, value)

    def assemble(self, function: Elementwise, derivative: DerivativeLike) -> None:
        """Make the pair of these parts, and decide all that is the same in every call.

        Modules of the parts, and with them their parameters, become the pair's:
        `derivative_width` is the one at `derivative.width`.
        """
        require_function(function)
        derivative = as_derivative(derivative)
        bound = derivative.bind(function)
        modules = modules_in(function=function, derivative=derivative)
        for name in self.__dict__.get("_names_of_modules", ()):
            delattr(self, name)
        self.__dict__.update(function=function, derivative=derivative)
        self._modules.update(modules)
        self._names_of_modules = tuple(modules)
        self._bound = bound
        self._through = bound if isinstance(bound, Through) else None
        self._rule = Rule(bound if self._through is None else Constant(), (function, derivative))
        self._numbers = varying_numbers(function, bound)
        in_function = varying_numbers(function)
        self._learns = any(isinstance(number, Held) for number in in_function)
        ours = function if isinstance(function, Function) else None
        self._is_ours = ours is not None
        self._blockwise = ours is not None and ours.is_blockwise and not in_function
        # Whether autograd is left to differentiate the function: always, or where that is as good.
        exact = isinstance(derivative, Exact)
        self._by_autograd = exact and (ours is None or not ours.has_slope or self._learns)
        self._native = exact and ours is not None and ours.native
        for name in blind_numbers(function, bound):
            warnings.warn(
                f"{self!r}: the gradient of function.{name} is 0 everywhere, so it will not be "
                "learned: only jumps move with it. Report another derivative than 0",
                stacklevel=3,
            )

    def forward(self, x: Tensor) -> Tensor:
        if not (isinstance(x, Tensor) and x.is_floating_point()):
            require_floating(x, "SurrogateActivation")
        if self._numbers:
            return self._forward_with_numbers(x)
        # Of a native function, autograd would save the float32 in which half precision is computed,
        # and a compiler masks of booleans, which it is slow with on a CPU.
        if self._by_autograd or (
            self._native and not (x.dtype in HALVES or torch.compiler.is_compiling())
        ):
            return self._value(self.function, x)
        value = self._value(self.function, x.detach())
        to = x if self._through is None else self._through.target(x, value)
        return report(to, x, value, self._rule)

    def _forward_with_numbers(self, x: Tensor) -> Tensor:
        """With tensors in place of the numbers that vary: for function and derivative the same."""
        now = self._tensors(x, self.training)
        function: Any = with_tensors(self.function, now)
        if self._by_autograd:
            return self._value(function, x)
        value = self._value(function, x.detach())
        to = function.placed(x) if self._learns and isinstance(function, PiecewiseConstant) else x
        if self._through is not None:
            if to is not x:  # h is evaluated at x, but what it gets goes to x and to the numbers
                to = x.detach() + (to - to.detach())
            to = with_tensors(self._through, now).target(to, value)
        return report(to, x, value, self._rule, [now[number] for number in self._rule.numbers])

    def _tensors(self, x: Tensor, training: bool) -> dict[Varying, Tensor]:
        """What takes the place of each varying number in a call with the input x."""
        try:
            return {number: number.now(x, training) for number in self._numbers}
        except ValueError as error:
            raise ValueError(f"{self!r}: {error}") from None

    def _value(self, function: Any, x: Tensor) -> Tensor:
        """function(x), where tensors have taken the place of its numbers."""
        if self._is_ours:
            return evaluate(function.value, x, elementwise=self._blockwise)
        return call_user_function(function, x)

    def reported_gradient(self, x: Tensor, grad_output: Tensor) -> Tensor:
        """What the derivative makes of grad_output at x, by its definition: without autograd, with
        learned numbers as they are, and drawn ones as in evaluation mode."""
        now = self._tensors(x, training=False)
        return with_tensors(self._bound, now).rule(x, grad_output)

    def saved_bytes(self, x: Tensor) -> int:
        """The bytes that autograd saves for the backward pass of an input like x: none for a
        constant derivative, one for each element for a window, those of x for others."""
        return saved_bytes(self, x)

    def plot(self, axes: Axes | None = None, *, low: float = -3.0, high: float = 3.0) -> Figure:
        """Draw the function, its true derivative and what is reported, from low to high, on
        matplotlib's axes or on a new figure: see `surrogate.diagnostics.plot.plot`."""
        from surrogate.diagnostics.plot import plot  # needs matplotlib, an extra

        return plot(self, axes, low=low, high=high)

    def __repr__(self) -> str:
        return f"{text_of(self.function)} / {self.derivative!r}"


def named_pairs(model: nn.Module) -> dict[str, SurrogateActivation]:
    """The pairs in a model by their names, each once; the model itself has the name ""."""
    modules = model.named_modules()
    return {name: module for name, module in modules if isinstance(module, SurrogateActivation)}
