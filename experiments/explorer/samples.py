"""Functions and derivatives that the page has no formula for, sampled on a fine grid.

So whatever is registered appears, if only at the arguments that the catalogue shows it with.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments import catalogue
from surrogate.derivatives import Pointwise

SCRIPT = Path(__file__).parent / "script"
REACH, POINTS = 8.0, 4097


@cache
def twins(kind: str) -> frozenset[str]:
    """Names of the functions or derivatives that are written in JavaScript too."""
    text = (SCRIPT / f"{kind}.js").read_text(encoding="utf-8")
    return frozenset(re.findall(rf"^{kind}\.(\w+) = ", text, re.MULTILINE))


def without_twin(kind: str) -> list[str]:
    """Those that are only in Python."""
    return [name for name in catalogue.REGISTRIES[kind] if name not in twins(kind)]


def samples() -> dict[str, Any]:
    """Of what has no twin: values and slopes, or what is reported for g = 1 and g = −1."""
    return {
        "functions": {name: of_function(name) for name in without_twin("functions")},
        "derivatives": {name: of_derivative(name) for name in without_twin("derivatives")},
    }


def of_function(name: str) -> dict[str, Any]:
    function = catalogue.Entry("functions", name).pair.function
    x = _grid()
    y = function(x)
    (slope,) = torch.autograd.grad(y, x, torch.ones_like(x), allow_unused=True)
    slope = torch.zeros_like(x) if slope is None else slope
    return {"x": (-REACH, REACH), "value": _rounded(y), "slope": _rounded(slope)}


def of_derivative(name: str) -> dict[str, Any]:
    """Of the pair that the catalogue shows."""
    pair = catalogue.Entry("derivatives", name).pair
    x = _grid()
    y = pair(x)
    ones = torch.ones_like(x)
    up, down = (torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in (ones, -ones))
    pointwise = isinstance(pair.derivative, Pointwise)
    return {
        "x": (-REACH, REACH),
        "up": _rounded(up),
        "down": _rounded(down),
        "pointwise": pointwise,
    }


def _grid() -> Tensor:
    return torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64, requires_grad=True)


def _rounded(y: Tensor) -> list[float]:
    return [float(f"{each:.6g}") for each in y.detach().tolist()]
