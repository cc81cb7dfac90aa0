"""Numbers that change while a network trains: learned, or moved by a schedule.

A number of a function or derivative is ordinarily a Python number, fixed for good. In its place
stands a module that holds a tensor, so that it moves, trains and is saved with the network, and so
that compiled code takes it as an input and is not compiled anew when it changes. The formulas never
meet the module: `settled` puts the tensor in its place before they are evaluated.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

Part = TypeVar("Part")
Number = Any  # a float, or a Varying, in whose place formulas meet a tensor


class Varying(nn.Module):
    """A number that changes while a network trains; `value` is a tensor without dimensions."""

    value: Tensor

    def current(self) -> Tensor:
        """The number as formulas see it."""
        return self.value

    def __float__(self) -> float:
        return float(self.current().detach())


class Learnable(Varying):
    """A number that is learned: `Staircase(step=Learnable(0.5))`, `Blurred(width=Learnable(0.3))`.

    In a *function* it gets its true gradient, as any parameter does.

    In a *derivative* there is no such gradient: the value of the pair does not depend on it, and
    `backward` leaves its `grad` at None. What depends on it is the gradient that the pair reports,
    and so all that is computed from that gradient: the weights after a step, and the loss after
    it. Differentiating through the step (`create_graph=True`) gives the gradient of the loss
    after the step for the number: it says which lie would have taught best. Where it is never used,
    `DistributedDataParallel` needs `find_unused_parameters=True`.

    Args:
        start: the number at the beginning.
        positive: whether to learn its logarithm, so that it stays above 0.

    Raises:
        TypeError: start is not a number.
        ValueError: start is not finite as float32, or not above 0 where it has to be.

    A width learned by unrolling one step:

    >>> import torch
    >>> from surrogate import Learnable, SurrogateActivation
    >>> from surrogate.derivatives import Blurred
    >>> from surrogate.functions import Heaviside
    >>> spike = SurrogateActivation(Heaviside(), Blurred(width=Learnable(0.1, positive=True)))
    >>> weight = torch.tensor(-0.5, requires_grad=True)
    >>> loss = (spike(weight) - 1) ** 2  # the spike is missing
    >>> (slope,) = torch.autograd.grad(loss, weight, create_graph=True)
    >>> stepped = weight - 0.1 * slope
    >>> (stepped - 0.5).square().backward()  # we would have liked a longer step
    >>> [bool(number.grad < 0) for number in spike.parameters()]  # from a wider blur
    [True]
    """

    def __init__(self, start: float, positive: bool = False) -> None:
        super().__init__()
        allowed = "a finite number above 0" if positive else "a finite number"
        if isinstance(start, str) or not hasattr(start, "__float__"):
            raise TypeError(f"Learnable: start must be {allowed}, got {start!r}")
        start = float(start)
        if not abs(start) <= torch.finfo(torch.float32).max or (positive and start <= 0):
            raise ValueError(f"Learnable: start must be {allowed}, got {start!r}")
        self.positive = positive
        self.value = nn.Parameter(torch.tensor(math.log(start) if positive else start))

    def current(self) -> Tensor:
        return self.value.exp() if self.positive else self.value

    def __repr__(self) -> str:
        positive = ", positive=True" if self.positive else ""
        return f"Learnable({shortest(self)}{positive})"


def shortest(number: Varying) -> str:
    """The fewest digits that read back to the same float32."""
    return str(np.float32(float(number)))


def varying_numbers(part: object) -> Iterator[Varying]:
    """The varying numbers of a part and of the parts in it, in a fixed order."""
    if isinstance(part, Varying):
        yield part
    elif dataclasses.is_dataclass(part):
        for field in dataclasses.fields(part):
            yield from varying_numbers(getattr(part, field.name))


def varies(part: object) -> bool:
    """Whether a part has varying numbers, or tensors that were put in their place."""
    if isinstance(part, (Varying, Tensor)):
        return True
    return dataclasses.is_dataclass(part) and any(
        varies(getattr(part, field.name)) for field in dataclasses.fields(part)
    )


def as_of_now(part: Part) -> Part:
    """The part with its varying numbers as they are now; itself if it has none."""
    return settled(part, [number.current() for number in varying_numbers(part)])


def settled(part: Part, numbers: Sequence[Tensor]) -> Part:
    """The part with these tensors in place of its varying numbers, in the same order."""
    remaining = list(numbers)
    return _settled(part, remaining) if remaining else part


def _settled(part: Any, remaining: list[Tensor]) -> Any:
    if isinstance(part, Varying):
        return remaining.pop(0)
    if not dataclasses.is_dataclass(part):
        return part
    changed = copy.copy(part)
    for field in dataclasses.fields(part):
        # Not by dataclasses.replace, which would check the numbers, and so wait for them.
        object.__setattr__(changed, field.name, _settled(getattr(part, field.name), remaining))
    return changed
