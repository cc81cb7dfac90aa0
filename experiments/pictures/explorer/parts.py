"""What the page knows of the library: every function and derivative, its arguments, their limits.

A part (a function or derivative) becomes a node: its name and its arguments, as `surrogate.text`
reads them from a text. Kinds and limits of the arguments are what the part declares.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import surrogate
from experiments.site import catalogue
from surrogate import Learnable, SurrogateActivation
from surrogate.core.numbers import AnyCallable, Choice, Limits, OrNone
from surrogate.core.parts import Part, varying_numbers
from surrogate.derivatives import DerivativeOf, Exact, algebra
from surrogate.derivatives.base import AnyDerivative, Derivative

Node = Any  # a number, word, None, list, or {"of": "functions", "name": …, "arguments": {…}}

# How far a slider goes, by the name of its argument, and for one part where that doesn't fit.
RANGES: dict[str, tuple[float, float]] = {
    "alpha": (0.05, 3),
    "at": (-3, 3),
    "beta": (0.1, 10),
    "bits": (1, 8),
    "coefficients": (-3, 3),
    "delta": (0, 3),
    "dim": (-1, 0),
    "distance": (-3, 3),
    "factor": (-3, 3),
    "frequency": (0.1, 10),
    "height": (-3, 3),
    "high": (-4, 4),
    "leak": (0, 1),
    "left": (-4, 4),
    "limit": (0.05, 3),
    "low": (-4, 4),
    "mean_shift": (-1, 1),
    "most": (1, 16),
    "negative_slope": (-1, 1),
    "period": (0.25, 10),
    "power": (0.25, 4),
    "quant_max": (-127, 127),
    "quant_min": (-128, 126),
    "resolution": (0.25, 32),
    "right": (-4, 4),
    "samples": (1, 64),
    "scale": (0.05, 3),
    "seed": (0, 99),
    "shift": (-0.9, 1),
    "softness": (0.02, 1),
    "std": (0, 2),
    "step": (0.05, 2),
    "terms": (1, 12),
    "threshold": (-2, 2),
    "width": (0.05, 3),
    "zero_point": (-128, 127),
    "Softplus.threshold": (0, 40),
    "MultiSpike.threshold": (0.1, 3),
}
SMALLEST = 0.05  # of what has to be above 0, where the table doesn't say

# Combinations are not registered: they are made by operators and methods. Each with a beginning.
EXACT = Exact()
COMBINATIONS: tuple[Derivative, ...] = (
    algebra.Sum(EXACT, EXACT),
    algebra.Product(EXACT, EXACT),
    algebra.Multiple(0.5, EXACT),
    algebra.Shift(EXACT, 1.0),
    algebra.Scale(EXACT, 2.0),
    algebra.Mirror(EXACT),
    algebra.Clip(EXACT, 0.0, 1.0),
    algebra.Normalise(EXACT, "peak"),
)


def known() -> dict[str, Any]:
    """All that there is to choose from."""
    return {
        "functions": {name: entry("functions", name) for name in names("functions")},
        "derivatives": {name: entry("derivatives", name) for name in names("derivatives")}
        | {type(part).__name__: combination(part) for part in COMBINATIONS},
        "pairs": dict(pairs()),
    }


def names(kind: str) -> list[str]:
    """The registered functions or derivatives, without the names of those that hold drawn numbers:
    these make one of the others."""
    return [name for name, each in catalogue.REGISTRIES[kind].items() if isinstance(each, type)]


def entry(kind: str, name: str) -> dict[str, Any]:
    """A registered function or derivative; it begins as the catalogue's figure shows it."""
    shown = catalogue.Entry(kind, name)
    part = shown.pair.function if kind == "functions" else shown.pair.derivative
    return described(part) | {
        "family": shown.family.rpartition(".")[2],
        "ends": catalogue.ENDS.get(name, (-3.0, 3.0)),
    }


def combination(part: Derivative) -> dict[str, Any]:
    return described(part) | {"family": "combinations"}


def pairs() -> Iterator[tuple[str, Any]]:
    """The named pairs that the page can show, each with where the catalogue shows it."""
    for name in surrogate.names():
        pair = surrogate.get(name)
        if can_be_shown(pair):
            yield (
                name,
                {
                    "function": node(pair.function),
                    "derivative": node(pair.derivative),
                    "ends": catalogue.ENDS.get(name, (-3.0, 3.0)),
                },
            )


def can_be_shown(pair: SurrogateActivation) -> bool:
    """Whether it can be written as text, with numbers that are fixed or learned."""
    numbers = varying_numbers(pair.function, pair.derivative)
    if not all(isinstance(each, Learnable) and each.value.dim() == 0 for each in numbers):
        return False
    try:
        surrogate.get(str(pair))
    except ValueError:
        return False
    return True


def described(part: Any) -> dict[str, Any]:
    """What the page says of a part, what it lets turn, and where that begins."""
    about: dict[str, Any] = {
        "says": re.split(r"\n\n(?:Args|Raises):", inspect.cleandoc(type(part).__doc__ or ""))[0],
        "start": node(part),
        "parameters": [_parameter(part, field) for field in dataclasses.fields(part)],
        "one_of": list(part.one_of),
    }
    if isinstance(part, Derivative):
        # What it is if its own parts are.
        return about | {"linear": part.linear, "pointwise": part.pointwise}
    return about | {"has_slope": DerivativeOf(part).pointwise}


def node(part: Any) -> Node:
    """A part as the page takes it."""
    if isinstance(part, Learnable):
        return {"learned": float(part), "positive": part.positive}
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    if isinstance(part, (tuple, list)):
        return [node(each) for each in part]
    return {
        "of": "derivatives" if isinstance(part, Derivative) else "functions",
        "name": type(part).__name__,
        "arguments": {name: node(getattr(part, name)) for name in part.arguments},
    }


def _parameter(part: Part, field: dataclasses.Field[Any]) -> dict[str, Any]:
    """An argument: what kind it is, its default if it has one, and what is allowed."""
    start = getattr(part, field.name)
    allowed = part.checks.get(field.name)
    about: dict[str, Any] = {"name": field.name, "optional": isinstance(allowed, OrNone)}
    if field.default is not dataclasses.MISSING:
        about["default"] = node(field.default)
    if isinstance(allowed, OrNone):
        allowed = allowed.other
    if isinstance(allowed, AnyDerivative):
        return about | {"kind": allowed.needs or "derivative"}
    if isinstance(allowed, AnyCallable):
        return about | {"kind": "function"}
    if isinstance(allowed, Choice):
        return about | {"kind": "choice", "choices": allowed.words}
    if isinstance(allowed, Limits):
        return about | _number(type(part).__name__, field.name, start, allowed)
    if isinstance(start, tuple):
        low, high = RANGES[field.name]
        return about | {"kind": "numbers", "low": low, "high": high}
    return about | {"kind": "choice", "choices": [node(start)]}  # of which nothing is known


def _number(owner: str, name: str, start: float | None, allowed: Limits) -> dict[str, Any]:
    """The limits of a number, and the range of its slider."""
    limits = {word: getattr(allowed, word) for word in ("above", "least", "below", "most")}
    moving = {word: limit for word, limit in limits.items() if isinstance(limit, str)}
    low, high = slider(
        owner, name, start, {word: limits[word] for word in limits if word not in moving}
    )
    return {
        "kind": "integer" if allowed.integer else "number",
        "low": low,
        "high": high,
        "may_vary": not (allowed.fixed or allowed.integer),
        "bounds": [
            {"word": word, "other": limit.removeprefix("-"), "sign": -1 if limit[0] == "-" else 1}
            for word, limit in moving.items()
        ],
    }


def slider(
    owner: str, name: str, start: float | None, limits: Mapping[str, float]
) -> tuple[float, float]:
    """From where to where a number can be turned: within its limits, and with its start.

    >>> slider("Gaussian", "width", 1.0, {"above": 0.0})
    (0.05, 3)
    >>> slider("NewShape", "roundness", 4.0, {"least": 0.0})
    (0.0, 12.0)
    """
    start = 0.0 if start is None else float(start)
    size = max(1.0, abs(start))
    usual = RANGES.get(name, (start - 2 * size, start + 2 * size))
    low, high = RANGES.get(f"{owner}.{name}", usual)
    low, high = min(low, start), max(high, start)
    if low <= limits.get("above", -math.inf):
        low = limits["above"] + min(SMALLEST, abs(start - limits["above"]))
    if high >= limits.get("below", math.inf):
        high = limits["below"] - min(SMALLEST, abs(start - limits["below"]))
    return max(low, limits.get("least", -math.inf)), min(high, limits.get("most", math.inf))
