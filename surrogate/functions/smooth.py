"""Smooth functions, finite with finite slopes wherever the mathematics is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from surrogate.core.messages import shown
from surrogate.core.numbers import Allowed, NotNegative, Number, Positive, is_finite
from surrogate.core.torch_private import is_exporting
from surrogate.functions.arithmetic import above, finite, identity_above
from surrogate.functions.base import Function
from surrogate.functions.kernels import Kernel

MOST_COEFFICIENTS = 1000


def _softplus(x: Tensor) -> Tensor:
    """log(1 + eˣ), which beyond 40 is x to the precision of float64."""
    return F.softplus(x, threshold=40)  # F.logsigmoid would lose the order in memory


class Identity(Function):
    """x. Derivative: 1. As an activation it makes the linear baseline."""

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (0.0, 0.0)

    def value(self, x: Tensor) -> Tensor:
        return x

    def slope(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)

    def blurred_slope(self, x: Tensor, kernel: Kernel) -> Tensor:
        return torch.ones_like(x)


class Sigmoid(Function):
    """s(x) = 1 / (1 + e⁻ˣ). Derivative: s(x) · (1 − s(x))."""

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-40.0, 40.0)

    def value(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * torch.sigmoid(-x)


class Tanh(Function):
    """tanh(x). Derivative: 1 − tanh²(x)."""

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-20.0, 20.0)

    def value(self, x: Tensor) -> Tensor:
        return torch.tanh(x)

    def slope(self, x: Tensor) -> Tensor:
        return 4 * torch.sigmoid(2 * x) * torch.sigmoid(-2 * x)


class SiLU(Function):
    """x · s(x). Derivative: s(x) · (1 + x · (1 − s(x))).

    Source: Elfwing et al. 2017 (arXiv 1702.03118).
    """

    straight_outside: ClassVar[Any] = (-45.0, 45.0)

    def value(self, x: Tensor) -> Tensor:
        return identity_above(1000.0, F.silu, x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * (1 + x * torch.sigmoid(-x))

    def vjp(self, x: Tensor, grad_output: Tensor) -> Tensor:
        if torch.is_grad_enabled():  # torch's kernel has no derivative of its own
            return super().vjp(x, grad_output)
        return torch.ops.aten.silu_backward(grad_output, x)


SILU = SiLU()


class Swish(Function):
    """x · s(beta · x). Derivative: s(z) · (1 + z · (1 − s(z))) with z = beta · x.

    From x / 2 (beta → 0) by way of SiLU (beta = 1) to ReLU (beta → ∞).

    Source: Ramachandran et al. 2017 (arXiv 1710.05941).
    """

    beta: Positive = 1.0
    straight_outside = property(lambda self: (-45 / self.beta, 45 / self.beta))

    def value(self, x: Tensor) -> Tensor:
        largest = torch.finfo(x.dtype).max
        return identity_above(largest, lambda x: x * torch.sigmoid(self.beta * x), x)

    def slope(self, x: Tensor) -> Tensor:
        z = finite(self.beta * x)
        return torch.sigmoid(z) * (1 + z * torch.sigmoid(-z))


class BSiLU(Function):
    """(x + alpha) · s(x) − alpha / 2. Derivative: s(x) · (1 + (x + alpha) · (1 − s(x))).

    It goes through the origin, as ReLU does, of which its derivative is meant to be the surrogate.

    Source: Horuz et al. 2025, "SUGAR" (arXiv 2505.22074).
    """

    alpha: Number = 1.67
    straight_outside: ClassVar[Any] = (-45.0, 45.0)

    def value(self, x: Tensor) -> Tensor:
        return SILU.value(x) + self.alpha * (torch.sigmoid(x) - 0.5)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x) * (1 + (x + self.alpha) * torch.sigmoid(-x))


class Mish(Function):
    """x · t with t = tanh(softplus(x)). Derivative: t + x · s(x) · (1 − t²).

    Source: Misra 2019 (arXiv 1908.08681).
    """

    straight_outside: ClassVar[Any] = (-45.0, 25.0)

    # With e = eˣ and n = e (e + 2), t = n / (n + 2): from 25 on it is 1, as precise as float64 is.

    def value(self, x: Tensor) -> Tensor:
        near = x.clamp(-1000, 25)
        e = torch.exp(near)
        n = e * (e + 2)
        return near * (n / (n + 2)) + F.relu(x - near)

    def slope(self, x: Tensor) -> Tensor:
        x = x.clamp(-1000, 25)
        e = torch.exp(x)
        n = e * (e + 2)
        return (n + 4 * x * e * (1 + e) / (n + 2)) / (n + 2)


class GELU(Function):
    """x · Φ(x), Φ the normal distribution function. Derivative: Φ(x) + x · φ(x).

    `approximate="tanh"` is x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))) and its derivative.

    Source: Hendrycks & Gimpel 2016 (arXiv 1606.08415).
    """

    approximate: Literal["none", "tanh"] = "none"
    straight_outside: ClassVar[Any] = (-10.0, 10.0)

    def value(self, x: Tensor) -> Tensor:
        if self.approximate == "none" and torch.compiler.is_compiling() and not is_exporting():
            # Spelled out it overflows nowhere, but at −∞ it would be −∞ · 0.
            x = x.clamp(min=-100)
            return 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5)))
        return identity_above(100.0, lambda x: F.gelu(x, approximate=self.approximate), x)

    def slope(self, x: Tensor) -> Tensor:
        return self.vjp(x, torch.ones_like(x))

    def vjp(self, x: Tensor, grad_output: Tensor) -> Tensor:
        x = x.clamp(-100, 100)  # oneDNN's kernel overflows further out
        return torch.ops.aten.gelu_backward(grad_output, x, approximate=self.approximate)


class Softplus(Function):
    """log(1 + e^(beta · x)) / beta, or x if beta · x > threshold. Derivative: s(beta · x), or 1.

    The threshold is that of `torch.nn.Softplus`: at 20 the function jumps by 2e-9 / beta.

    Source: Dugas et al. 2001.
    """

    beta: Positive = 1.0
    threshold: NotNegative = 20.0

    @property
    def native(self) -> bool:  # type: ignore[override]
        """Whether it is an operator of torch, which overflows at higher thresholds."""
        fixed = all(isinstance(number, (int, float)) for number in (self.beta, self.threshold))
        return fixed and self.threshold <= 40

    straight_outside = property(lambda self: (-40 / self.beta, self.threshold / self.beta))

    def value(self, x: Tensor) -> Tensor:
        if self.native:
            return F.softplus(x, self.beta, self.threshold)
        z = self.beta * x
        return torch.where(z > self.threshold, x, _softplus(z) / self.beta)

    def slope(self, x: Tensor) -> Tensor:
        z = self.beta * x
        return torch.maximum(torch.sigmoid(z), above(z, self.threshold))


class LogSigmoid(Function):
    """log s(x) = −log(1 + e⁻ˣ). Derivative: s(−x)."""

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-40.0, 40.0)

    def value(self, x: Tensor) -> Tensor:
        return -_softplus(-x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.sigmoid(-x)


class Softsign(Function):
    """x / (1 + |x|). Derivative: 1 / (1 + |x|)².

    Source: Bergstra et al. 2009; Glorot & Bengio 2010.
    """

    def value(self, x: Tensor) -> Tensor:
        x = finite(x)  # ∞ / ∞
        return x / (1 + x.abs())

    def slope(self, x: Tensor) -> Tensor:
        return (1 + x.abs()) ** -2


class Tanhshrink(Function):
    """x − tanh(x). Derivative: tanh²(x)."""

    native: ClassVar[bool] = True
    straight_outside: ClassVar[Any] = (-20.0, 20.0)

    def value(self, x: Tensor) -> Tensor:
        return x - torch.tanh(x)

    def slope(self, x: Tensor) -> Tensor:
        return torch.tanh(x) ** 2


class Coefficients(Allowed):
    """One or several finite numbers, as a tuple."""

    def check(self, owner: object, name: str, value: Any) -> tuple[float, ...]:
        needed = f"Polynomial: {name} must be 1 to {MOST_COEFFICIENTS} finite numbers"
        if not isinstance(value, (tuple, list)) or not all(map(_is_number, value)):
            raise TypeError(f"{needed}, got {shown(value)}")
        if not 0 < len(value) <= MOST_COEFFICIENTS or not all(map(is_finite, value)):
            raise ValueError(f"{needed}, got {shown(value)}")
        return tuple(value)


class Polynomial(Function):
    """a₀ + a₁x + a₂x² + …, x² by default. Derivative: a₁ + 2a₂x + ….

    Values that are beyond the largest number of the dtype are infinite.

    Args:
        coefficients: a₀, a₁, a₂ …: 1 to 1000 finite numbers.
    """

    coefficients: Annotated[tuple[float, ...], Coefficients()] = (0.0, 0.0, 1.0)

    def value(self, x: Tensor) -> Tensor:
        return _horner(self.coefficients, x)

    def slope(self, x: Tensor) -> Tensor:
        return _horner([power * a for power, a in enumerate(self.coefficients)][1:], x)


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def _horner(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """From the highest power that counts: zeros before it would meet x = ∞."""
    powers = [power for power, a in enumerate(coefficients) if a]
    degree = max(powers, default=0)
    constant = coefficients[degree] if coefficients else 0.0
    y = torch.where(x.isnan(), x, constant)
    for a in reversed(coefficients[:degree]):
        y = y * x + a
    return y
