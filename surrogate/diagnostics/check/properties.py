"""What a check looks at besides the modes: dtypes, layouts, extremes, refusals, memory.

A property takes a subject and returns the largest error, as a fraction of the largest expected
number, or raises `BrokenError` with what is wrong. One place to add one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from surrogate.core.torch_private import graphs_compiled
from surrogate.derivatives.shapes import Exact
from surrogate.diagnostics.check.subject import (
    NotApplicableError,
    Subject,
    backward,
    compiling,
    require_by_element,
)
from surrogate.diagnostics.saved_bytes import saved_bytes
from surrogate.functions.base import Function
from surrogate.pair import SurrogateActivation

# Far out, but with digits left behind the point, so that a wave shows.
FAR = 1e9 * torch.linspace(0.1, 9.9, 64, dtype=torch.float64).sqrt()

Property = Callable[[Subject, Tensor], float | None]
Runner = Callable[[Tensor], Tensor]


class BrokenError(Exception):
    """A property that does not hold."""


@dataclass(frozen=True)
class Named:
    """A property by its name, and whether it takes the compiler."""

    name: str
    holds: Property
    compiled: bool = False
    exact: ClassVar[bool] = False


MANY = 300_000  # elements: more than eager mode evaluates in one go

PROPERTIES: dict[str, Named] = {}


def named(name: str, *, compiled: bool = False) -> Callable[[Property], Property]:
    """Add a property to the table."""

    def add(holds: Property) -> Property:
        PROPERTIES[name] = Named(name, holds, compiled)
        return holds

    return add


def largest_error(got: Tensor, expected: Tensor, ordinary: float = 0.0) -> float:
    """As a fraction of the largest expected number; NaN if one is not a number alone.

    `ordinary` is the largest expected number elsewhere: where all are next to 0, digits of theirs
    do not count.
    """
    expected = expected.to(got.dtype).double()
    got = got.double()
    same = (got == expected) | (got.isnan() & expected.isnan())
    gap = torch.where(same, 0, (got - expected).abs())
    finite = expected[expected.isfinite()]
    scale = max(float(finite.abs().max()) if finite.numel() else 0.0, ordinary)
    return float(gap.max() / (scale or 1.0)) if gap.numel() else 0.0


@named("dtype kept")
def dtype_kept(subject: Subject, x: Tensor) -> None:
    y = subject.module(x)
    gradient = backward(subject.module, x, torch.ones_like(x))
    for what, tensor in (("the value", y), ("the gradient", gradient)):
        if tensor.dtype != x.dtype:
            raise BrokenError(f"{what} is {tensor.dtype}")


@named("layout kept")
def layout_kept(subject: Subject, x: Tensor) -> float:
    """Any shape and order in memory: the numbers of the flat tensor, laid out as the input was."""
    require_by_element(subject)
    value, gradient = subject.value(x), backward(subject.module, x, torch.ones_like(x))
    found: list[Tensor] = []
    expected: list[Tensor] = []
    for what, place in LAYOUTS.items():
        arranged = place(x)
        for got, flat in (
            (subject.module(arranged), value),
            (backward(subject.module, arranged, torch.ones_like(arranged)), gradient),
        ):
            if got.shape != arranged.shape:
                raise BrokenError(f"{what}: {tuple(arranged.shape)} became {tuple(got.shape)}")
            if what != "with gaps" and got.stride() != arranged.stride():
                raise BrokenError(f"{what}: {arranged.stride()} became {got.stride()}")
            found.append(got.detach().flatten())
            expected.append(place(flat).flatten())
    return largest_error(torch.cat(found), torch.cat(expected))


LAYOUTS: dict[str, Runner] = {
    "channels_last": lambda t: t[:24].reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
    "transposed": lambda t: t[:24].reshape(4, 6).t(),
    "with gaps": lambda t: t[:24].reshape(4, 6)[:, ::2],
    "0-d": lambda t: t[0],
    "empty": lambda t: t[:0].reshape(0, 3),
}


def _extremes(module: Runner, subject: Subject, x: Tensor) -> float:
    """Finite for finite x wherever the definition is; NaN for NaN; a value's limits at ±inf."""
    require_by_element(subject)
    limits = torch.finfo(subject.dtype)
    sizes = (0.0, limits.smallest_normal / 4, 1e-30, 1e30, limits.max)
    finite = torch.tensor([s * size for size in sizes for s in (1, -1)], dtype=subject.dtype)
    finite = finite[finite.isfinite()].repeat(5)  # more than a vector register, and a rest
    errors = []
    with torch.no_grad():
        nan = module(torch.full_like(x[:1], torch.nan))
    if not nan.isnan().all():
        raise BrokenError(f"the value at NaN is {nan.item():g}")
    value = lambda x: module(x).detach()
    true_value = lambda x: subject.value(x).double()
    slope = lambda x: backward(module, x, torch.ones_like(x))
    true_slope = lambda x: subject.derivative(x, torch.ones_like(x))
    for what, function, definition in (("value", value, true_value), ("slope", slope, true_slope)):
        got, expected = function(finite), definition(finite)
        lost = ~got.isfinite() & expected.to(subject.dtype).isfinite()
        if lost.any():
            raise BrokenError(f"the {what} at {finite[lost][0]:g} is {got[lost][0]:g}")
        small = finite.abs() < 1e-3
        ordinary = definition(x).abs().nan_to_num(0, 0, 0).max().item()
        errors.append(largest_error(got[small], expected[small], ordinary))
    for sign in (-1, 1):
        limit = _limit(true_value(sign * FAR))
        at_infinity = value(torch.full_like(x[:1], sign * torch.inf)).item()
        if limit is not None and not math.isclose(at_infinity, limit, rel_tol=1e-2, abs_tol=1e-6):
            raise BrokenError(f"the value at {sign * torch.inf} is {at_infinity:g}")
    return max(errors)


named("extremes")(lambda subject, x: _extremes(subject.module, subject, x))


@named("compiled extremes", compiled=True)
def compiled_extremes(subject: Subject, x: Tensor) -> float:
    with compiling(subject.module, fullgraph=True) as module:
        return _extremes(module, subject, x)


@named("exported extremes")
def exported_extremes(subject: Subject, x: Tensor) -> float:
    """Any length, as the points have several."""
    if subject.upstream_dependent:
        raise NotApplicableError("it can't be exported")
    length = torch.export.Dim.DYNAMIC
    exported = torch.export.export(subject.module, (x,), dynamic_shapes=(({0: length}),))
    return _extremes(exported.module(), subject, x)


def _limit(values: Tensor) -> float | None:
    """What the values at `FAR` tend to: a number, ±inf, or nothing that can be told."""
    if values.isnan().any():
        return None
    if bool((values > 1e6).all() | (values < -1e6).all()):
        return float(values[0].sign()) * torch.inf
    spread = float(values.max() - values.min())
    return float(values[0]) if spread <= 1e-6 else None


def _refused(subject: Subject, x: Tensor) -> None:
    if not isinstance(subject.module, SurrogateActivation):
        raise NotApplicableError("only pairs promise it")
    try:
        subject.module(x)
    except TypeError as error:
        if str(x.dtype) in str(error):
            return
        raise
    raise BrokenError(f"{x.dtype} is taken")


named("integers refused")(lambda subject, x: _refused(subject, x.to(torch.int64)))
named("complex numbers refused")(lambda subject, x: _refused(subject, x.to(torch.complex64)))


@named("compiled, dynamic shapes", compiled=True)
def dynamic_shapes(subject: Subject, x: Tensor) -> float:
    """Compiled once for all sizes, also for those that eager mode evaluates block by block.

    With a backend that adds no guards: inductor compiles reductions of some sizes anew.
    """
    errors = []
    with compiling(subject.module, fullgraph=True, dynamic=True, backend="aot_eager") as compiled:
        before = graphs_compiled()
        for size in (5, 7, MANY):
            many = x.repeat(size // len(x) + 1)[:size]
            upstream = upstream_for(many)
            reported = backward(compiled, many, upstream)
            # Sums over so many elements are as inaccurate in eager mode.
            rule = partial(backward, subject.module) if subject.by_tensor else subject.derivative
            errors.append(largest_error(reported, rule(many, upstream)))
        graphs = graphs_compiled() - before
    if graphs != 1:
        raise BrokenError(f"{graphs} graphs are compiled for three sizes")
    return max(errors)


def upstream_for(x: Tensor) -> Tensor:
    """An upstream gradient of both signs."""
    return torch.linspace(2.0, -1.0, x.numel(), dtype=torch.float64).to(x.dtype).view(x.shape)


@named("input left alone")
def input_left_alone(subject: Subject, x: Tensor) -> None:
    """Neither the function nor the derivative writes into x or the upstream gradient."""
    module = subject.module
    given, upstream = x.clone(), upstream_for(x)
    kept = upstream.clone()
    for mode, run in (
        ("forward", lambda: module(given)),
        ("backward", lambda: backward(module, given, upstream)),
        ("inference mode", torch.inference_mode()(lambda: module(given))),
        ("vmap", lambda: torch.func.vmap(module)(given.view(4, -1))),
    ):
        run()
        if not (torch.equal(given, x) and torch.equal(upstream, kept)):
            raise BrokenError(f"it writes into its input in {mode}")


@named("memory for backward")
def memory(subject: Subject, x: Tensor) -> None:
    """No more than what the derivative says it saves, and its numbers."""
    kept = saved_bytes(subject.module, x)
    module = subject.module
    if (
        not isinstance(module, SurrogateActivation)
        or module._through is not None
        or (isinstance(module.derivative, Exact) and not isinstance(module.function, Function))
        or any(True for _ in module.parameters())
    ):
        raise NotApplicableError(f"{kept / len(x):g} bytes for each element, as torch keeps them")
    numbers = [number.now(x, training=False) for number in module._rule.numbers]
    needed = [tensor for tensor in module._rule.save(x, *numbers) if tensor is not None]
    allowed = sum(tensor.numel() * tensor.element_size() for tensor in needed)
    if kept > allowed:
        raise BrokenError(f"{kept / len(x):g} bytes for each element, {allowed / len(x):g} needed")
