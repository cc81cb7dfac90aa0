"""The pair: a function that is computed, and a derivative that is reported."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from surrogate.core.evaluate import HALVES, require_floating, require_like
from surrogate.core.messages import given_name, name_of
from surrogate.core.numbers import varying_numbers
from surrogate.core.report import report
from surrogate.derivatives.base import Derivative, as_derivative
from surrogate.derivatives.shapes import Exact
from surrogate.diagnostics.saved_bytes import saved_bytes
from surrogate.functions.base import Elementwise, Function

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AnyDerivative = Derivative | Callable[[Tensor], Tensor] | Callable[[Tensor, Tensor], Tensor]


class SurrogateActivation(nn.Module):
    """An activation that computes `function` and reports `derivative` as its derivative.

    Forward, it is the function bit for bit. Backward, grad_input is grad_output times the
    derivative's slope at x, or the derivative's rule of (x, grad_output). Parameters of the
    function get their true gradient. The shape and dtype of the input are kept.

    Args:
        function: any elementwise callable, Tensor → Tensor of the same shape and dtype: one of
            `surrogate.functions`, a module, a lambda.
        derivative: one of `surrogate.derivatives`, or a callable of x (the slope), or a callable
            of (x, grad_output) (grad_input itself).

    Raises:
        TypeError: function or derivative is no such thing; in forward, for input that is not a
            floating-point tensor, or a function that changes the dtype.
        ValueError: in forward, for a function that changes the shape.

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

    _names_of_modules: tuple[str, ...] = ()

    def __init__(self, function: Elementwise, derivative: AnyDerivative) -> None:
        super().__init__()
        if isinstance(function, type) or not callable(function):
            raise TypeError(
                f"function must be a callable Tensor → Tensor, got {given_name(function)}"
            )
        self.assemble(function, as_derivative(derivative))

    def assemble(self, function: Elementwise, derivative: Derivative) -> None:
        """Make the pair of these parts. Their modules, and with them their parameters, are the
        pair's: `derivative_width` for the one at `derivative.width`."""
        for name in self._names_of_modules:
            delattr(self, name)
        self.function = function
        self.derivative = derivative
        self._bound = derivative.bind(function)
        self._numbers = tuple(varying_numbers(self._bound))
        self._function_varies = any(True for _ in varying_numbers(function))
        self._fixed = isinstance(function, Function) and not self._function_varies
        modules = {
            "_".join(path): module
            for path, module in (
                *_modules_in(function, "function"),
                *_modules_in(derivative, "derivative"),
            )
            if module is not function
        }
        for name, module in modules.items():
            self.add_module(name, module)
        self._names_of_modules = tuple(modules)

    def forward(self, x: Tensor) -> Tensor:
        require_floating(x, "SurrogateActivation")
        if isinstance(self.derivative, Exact) and self._left_to_autograd(x):
            return require_like(self._function(x), x, "function", self.function)
        numbers = [number.current() for number in self._numbers]
        return report(x, self._function, self._bound, numbers, learns=not self._fixed)

    @property
    def _function(self) -> Elementwise:
        """The function, in which no varying numbers are looked for if there are none."""
        return self.function.evaluated if self._fixed else self.function  # type: ignore[attr-defined]

    def _left_to_autograd(self, x: Tensor) -> bool:
        """Whether autograd differentiates the function no worse than its slope in closed form.

        Numbers that are learned need the truth. In half precision autograd would keep the float32
        in which the function is computed. A compiler decides by itself what to keep, but given
        torch's own derivatives it keeps masks of booleans, which it is slow with on a CPU.
        """
        function = self.function
        if (
            not isinstance(function, Function)
            or type(function).slope is Function.slope
            or self._function_varies
            or function.autograd_keeps == "nothing"
        ):
            return True
        simple = function.autograd_keeps == "one" and x.dtype not in HALVES
        return simple and not torch.compiler.is_compiling()

    def saved_bytes(self, x: Tensor) -> int:
        """The bytes that autograd keeps for the backward pass of an input like x.

        Nothing for a constant derivative, a byte for each element for a window, x for others.

        >>> import surrogate, torch
        >>> x = torch.zeros(1000)
        >>> [surrogate.get(name).saved_bytes(x) for name in ("cantor2", "sign_ste", "relu_blurred")]
        [0, 1000, 4000]
        """
        return saved_bytes(self, x)

    def plot(self, axes: Axes | None = None, *, low: float = -3.0, high: float = 3.0) -> Figure:
        """Draw the function, its true derivative and what is reported, from low to high.

        Jumps are gaps. What depends on the upstream gradient g is drawn for g = 1 and for g = −1,
        divided by g. The pair is drawn in the mode that it is in.

        Args:
            axes: matplotlib's, to draw on; a new figure's if not given. That one is not pyplot's: a
                notebook shows it, and `.savefig(path)` saves it.
            low, high: the ends of the x axis.

        Raises:
            ModuleNotFoundError: matplotlib is missing; the message says what to install.
            TypeError: axes are no such thing.
            ValueError: low is not below high, or one of them is not finite.

        >>> import surrogate
        >>> surrogate.get("cantor2").plot(low=0, high=1).axes[0].get_title()
        'Cantor() / Constant()'
        """
        from surrogate.diagnostics.plot import plot

        return plot(self, axes, low=low, high=high)

    def __repr__(self) -> str:
        return f"{name_of(self.function)} / {self.derivative!r}"

    __str__ = __repr__


def with_derivative(derivative: AnyDerivative) -> Callable[[Elementwise], SurrogateActivation]:
    """Decorator: pair the function below it with a derivative.

    >>> import torch
    >>> import surrogate
    >>> @surrogate.with_derivative(lambda x: torch.exp(-x.abs()))
    ... def spike(x):
    ...     return (x > 0).to(x)
    >>> spike(torch.tensor([-2.0, 2.0])).tolist()
    [0.0, 1.0]
    """
    return lambda function: SurrogateActivation(function, derivative)


def named_pairs(model: nn.Module) -> dict[str, SurrogateActivation]:
    """The pairs in a model by their names, each once; the model itself has the name ""."""
    modules = model.named_modules()
    return {name: module for name, module in modules if isinstance(module, SurrogateActivation)}


def _modules_in(part: object, *path: str) -> Iterator[tuple[tuple[str, ...], nn.Module]]:
    """The modules that a function or derivative is made of, with the path of each."""
    if isinstance(part, nn.Module):
        yield path, part
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from _modules_in(getattr(part, field.name), *path, field.name)
