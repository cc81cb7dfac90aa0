"""What a check looks at where numbers of a pair are learned or drawn; registered as properties."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from surrogate.core.drawn import Drawn
from surrogate.core.numbers import Held, Learnable
from surrogate.core.parts import children, with_tensors
from surrogate.diagnostics.check.properties import BrokenError, largest_error, named, upstream_for
from surrogate.diagnostics.check.subject import NotApplicableError, Subject
from surrogate.functions import (
    FakeQuantize,
    Heaviside,
    MultiSpike,
    Staircase,
    Ternary,
    UniformQuantizer,
)
from surrogate.functions.base import Function, PiecewiseConstant
from surrogate.pair import SurrogateActivation

# How fast what is at x in the graph of a flat function f moves to the right with one of its
# numbers: 1 for a number t if f depends on x − t, x / s for an s if it depends on x / s.
MOVEMENTS: dict[tuple[type[Function], str], Callable[[Any, Tensor], Any]] = {
    (Heaviside, "threshold"): lambda f, x: 1.0,
    (Ternary, "threshold"): lambda f, x: x / f.threshold,
    (MultiSpike, "threshold"): lambda f, x: x / f.threshold,
    (Staircase, "step"): lambda f, x: x / f.step,
    (FakeQuantize, "scale"): lambda f, x: x / f.scale,
    (UniformQuantizer, "low"): lambda f, x: (f.high - x) / (f.high - f.low),
    (UniformQuantizer, "high"): lambda f, x: (x - f.low) / (f.high - f.low),
}


@named("shared draws")
def shared_draws(subject: Subject, x: Tensor) -> float:
    """In training mode function and derivative see the same numbers, other ones in each call."""
    pair = copy.deepcopy(subject.original).train()
    if not isinstance(pair, SurrogateActivation) or not any(
        isinstance(number, Drawn) for number in pair._numbers
    ):
        raise NotApplicableError("no number is drawn")
    upstream = upstream_for(x)

    def call() -> tuple[Tensor, Tensor]:
        place = x.clone().requires_grad_()
        y = pair(place)
        (gradient,) = torch.autograd.grad(y, place, upstream)
        return y.detach(), gradient

    if torch.equal(torch.stack(call()), torch.stack(call())):
        raise BrokenError("two calls draw the same numbers")
    torch.manual_seed(0)
    value, gradient = call()
    torch.manual_seed(0)
    drawn = {number: number.now(x, training=True).detach().double() for number in pair._numbers}
    function: Any = with_tensors(pair.function, drawn)
    derivative = with_tensors(pair._bound, drawn)
    place = x.double()
    expected = function.evaluated(place) if isinstance(function, Function) else function(place)
    reported = derivative.rule(place, upstream.double())
    return max(largest_error(value, expected), largest_error(gradient, reported))


@named("gradients of parameters")
def gradients_of_parameters(subject: Subject, x: Tensor) -> float:
    """Of learned numbers of the function: true ones, less, if it is flat, what is reported times
    how fast its graph moves. As a fraction of the size of what is summed up."""
    pair = subject.original
    names = _names_of_learned(pair)
    if not names:
        raise NotApplicableError("no number of the function is learned")
    assert isinstance(pair, SurrogateActivation)
    held = [number.value for number in pair._numbers if isinstance(number, Held)]
    x = _broadcastable(x, held)
    upstream = upstream_for(x)
    parameters = [number.value for number in names]
    y = pair(x)
    got: Sequence[Tensor] = [torch.zeros_like(each) for each in parameters]
    if y.requires_grad:
        got = torch.autograd.grad(y, parameters, upstream, materialize_grads=True)

    pair = copy.deepcopy(pair).double()
    x, upstream = x.double(), upstream.double()
    # One number for each element, so that autograd gives the summands by themselves.
    each = {n: n.now(x, training=False).detach().expand_as(x).clone() for n in pair._numbers}
    function: Any = with_tensors(pair.function, each)
    reported = pair.reported_gradient(x, upstream).detach()
    errors = []
    for gradient, (number, of_number) in zip(got, _names_of_learned(pair).items(), strict=True):
        each[number].requires_grad_()
        (summands,) = torch.autograd.grad(
            (function.value(x) * upstream).sum() + 0 * each[number].sum(), each[number]
        )
        if isinstance(function, PiecewiseConstant) and moves(function):
            for name in of_number:
                if (type(function), name) not in MOVEMENTS:
                    raise NotApplicableError(f"only the function knows how it moves with {name}")
                summands = summands - MOVEMENTS[type(function), name](function, x) * reported
        if number.positive:  # the parameter is the logarithm
            summands = summands * each[number]
        summands = summands.detach()
        gap = gradient.double() - summands.sum_to_size(gradient.shape)
        size = summands.abs().sum_to_size(gradient.shape).clamp(min=1e-300)
        errors.append((gap.abs() / size).max())
    return float(torch.stack(errors).max())  # NaN if one is


def moves(function: PiecewiseConstant) -> bool:
    """Whether a flat function says that numbers move or stretch its graph."""
    return bool(function.stretched_by) or type(function).placed is not PiecewiseConstant.placed


def _names_of_learned(pair: Any) -> dict[Learnable, list[str]]:
    """The learned numbers of a pair's function, each with the names that it has there."""
    found: dict[Learnable, list[str]] = {}
    for name, number in children(getattr(pair, "function", None)):
        if isinstance(number, Learnable):
            found.setdefault(number, []).append(name)
    return found


def _broadcastable(x: Tensor, numbers: Sequence[Tensor]) -> Tensor:
    """x, or more of it in a shape with which numbers for each channel, say, broadcast."""
    shape = torch.broadcast_shapes(*(number.shape for number in numbers))
    if math.prod(shape) == 1:
        return x
    shape = (4, *(max(size, 2) for size in shape))
    flat = x.repeat(math.prod(shape) // len(x) + 1)[: math.prod(shape)]
    return (flat * torch.linspace(0.5, 1.5, len(flat)).to(x.dtype)).view(shape)
