"""What the page knows of the library: every function and derivative, its arguments, their limits.

A part (a function or derivative) becomes a node: its name and its arguments, as `surrogate.text`
reads them from a text. Limits are those that the part's own errors state.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import surrogate
from experiments import catalogue
from surrogate.core.numbers import Varying
from surrogate.derivatives import Derivative, Pointwise, algebra, derivatives
from surrogate.functions import functions

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
    "lower": (-1, 1),
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
    "upper": (-1, 1),
    "width": (0.05, 3),
    "zero_point": (-128, 127),
    "Softplus.threshold": (0, 40),
    "MultiSpike.threshold": (0.1, 3),
}
SMALLEST = 0.05  # of what has to be above 0, where the table doesn't say

# Combinations are not registered: they are made by operators and methods. Each with a beginning.
EXACT = derivatives["Exact"]()
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
        "functions": {name: entry("functions", name) for name in functions},
        "derivatives": {name: entry("derivatives", name) for name in derivatives}
        | {type(part).__name__: combination(part) for part in COMBINATIONS},
        "pairs": dict(pairs()),
    }


def entry(kind: str, name: str) -> dict[str, Any]:
    """A registered function or derivative; it begins as the catalogue's figure shows it."""
    shown = catalogue.Entry(kind, name)
    part = shown.pair.function if kind == "functions" else shown.pair.derivative
    pointwise = {"pointwise": isinstance(part, Pointwise)} if kind == "derivatives" else {}
    return described(part) | {
        "family": shown.family.rpartition(".")[2],
        "ends": catalogue.ENDS.get(name, (-3.0, 3.0)),
        **pointwise,
    }


def combination(part: Derivative) -> dict[str, Any]:
    return described(part) | {"family": "combinations", "pointwise": True}


def pairs() -> Iterator[tuple[str, Any]]:
    """The named pairs that can be written as text, each with where the catalogue shows it."""
    for name in surrogate.names():
        pair = surrogate.get(name)
        try:
            surrogate.get(str(pair))
        except ValueError:
            continue
        yield (
            name,
            {
                "function": node(pair.function),
                "derivative": node(pair.derivative),
                "ends": catalogue.ENDS.get(name, (-3.0, 3.0)),
            },
        )


def described(part: Any) -> dict[str, Any]:
    """What the page says of a part, what it lets turn, and where that begins."""
    signature = inspect.signature(type(part))
    start: dict[str, Any] = {name: getattr(part, name) for name in signature.parameters}
    optional = [name for name, each in signature.parameters.items() if _may_be_none(each)]
    nothing = dict.fromkeys(optional)
    alone = optional if optional and _error(type(part), start | nothing) else []
    return {
        "says": inspect.cleandoc(type(part).__doc__ or "").split("\n\nArgs:")[0],
        "start": node(part),
        "parameters": [
            _parameter(type(part), each, start) for each in signature.parameters.values()
        ],
        "one_of": alone,  # of these one must be given
    }


def node(part: Any) -> Node:
    """A part as the page takes it."""
    if isinstance(part, Varying):
        return {"learned": float(part), "positive": getattr(part, "positive", False)}
    if part is None or isinstance(part, (bool, int, float, str)):
        return part
    if isinstance(part, (tuple, list)):
        return [node(each) for each in part]
    names = inspect.signature(type(part)).parameters
    return {
        "of": "derivatives" if isinstance(part, Derivative) else "functions",
        "name": type(part).__name__,
        "arguments": {name: node(getattr(part, name)) for name in names},
    }


def _parameter(owner: type, given: inspect.Parameter, start: Mapping[str, Any]) -> dict[str, Any]:
    """An argument: what kind it is, its default if it has one, and what is allowed."""
    annotation = str(given.annotation)
    about: dict[str, Any] = {"name": given.name, "optional": _may_be_none(given)}
    if given.default is not given.empty:
        about["default"] = node(given.default)
    if "Pointwise" in annotation:
        return about | {"kind": "pointwise"}
    if "Derivative" in annotation or "UpstreamDependent" in annotation:
        return about | {"kind": "derivative"}
    if "Elementwise" in annotation:
        return about | {"kind": "function"}
    if "str" in annotation:
        message = _error(owner, {**start, given.name: "?"})
        words = re.findall(r"'(\w+)'", message.partition("one of")[2].partition(", got")[0])
        return about | {
            "kind": "choice",
            "choices": [True, False][: 2 * ("bool" in annotation)] + words,
        }
    kind = "numbers" if "tuple" in annotation else "integer" if "int" in annotation else "number"
    if kind == "numbers":
        return about | {"kind": kind, "low": RANGES[given.name][0], "high": RANGES[given.name][1]}
    limits = _limits(owner, given.name, start)
    bounds = list(_bounds(owner, given.name, start, limits))
    for bound in bounds:
        limits.pop(bound["word"], None)  # it moves
    low, high = slider(owner.__name__, given.name, start[given.name], limits)
    return about | {
        "kind": kind,
        "low": low,
        "high": high,
        "may_vary": given.annotation == "Number",
        "bounds": bounds,
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


def _limits(owner: type, name: str, start: Mapping[str, Any]) -> dict[str, float]:
    """What the error for a number that is none says is allowed: {"above": 0.0}."""
    message = _error(owner, {**start, name: math.nan})
    allowed = message.partition(f": {name} must be")[2].partition(", got")[0].replace("at ", "")
    return {
        word: float(limit)
        for word, limit in re.findall(r"\b(above|least|below|most) (\S+)", allowed)
    }


def _bounds(
    owner: type, name: str, start: Mapping[str, Any], limits: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """The limits that move with another argument: high is above 1 · low."""
    for other, value in start.items():
        if other == name or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        up, down = (_limits(owner, name, {**start, other: value + step}) for step in (1, -1))
        for word, limit in limits.items():
            rise = up.get(word, limit) - limit or limit - down.get(word, limit)
            if math.isclose(abs(rise), 1, abs_tol=1e-3):  # errors have six digits
                yield {"word": word, "other": other, "sign": round(rise)}


def _error(owner: type, arguments: Mapping[str, Any]) -> str:
    """What the owner says of these arguments; nothing if it takes them."""
    try:
        owner(**arguments)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _may_be_none(parameter: inspect.Parameter) -> bool:
    return "None" in str(parameter.annotation)
