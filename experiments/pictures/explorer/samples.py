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

from experiments.pictures.explorer.parts import names
from experiments.site import catalogue

SCRIPT = Path(__file__).parent / "script"
REACH, POINTS = 8.0, 4097


@cache
def twins(kind: str) -> frozenset[str]:
    """Names of the functions or derivatives that are written in JavaScript too."""
    text = (SCRIPT / f"{kind}.js").read_text(encoding="utf-8")
    return frozenset(re.findall(rf"^{kind}\.(\w+) = ", text, re.MULTILINE))


def without_twin(kind: str) -> list[str]:
    """Those that are only in Python."""
    return [name for name in names(kind) if name not in twins(kind)]


def samples() -> dict[str, Any]:
    """Of what has no twin: values and slopes, or what is reported for g = 1 and g = −1."""
    return {
        "functions": {name: of_function(name) for name in without_twin("functions")},
        "derivatives": {name: of_derivative(name) for name in without_twin("derivatives")},
    }


def of_function(name: str) -> dict[str, Any]:
    function: Any = catalogue.Entry("functions", name).pair.function
    x = _grid()
    value, slope = _rounded(function(x)), _rounded(function.slope(x))
    return {"x": (-REACH, REACH), "value": value, "slope": slope}


def of_derivative(name: str) -> dict[str, Any]:
    """Of the pair that the catalogue shows."""
    pair = catalogue.Entry("derivatives", name).pair
    x = _grid()
    ones = torch.ones_like(x)
    return {
        "x": (-REACH, REACH),
        "up": _rounded(pair.reported_gradient(x, ones)),
        "down": _rounded(pair.reported_gradient(x, -ones)),
        "linear": pair.derivative.linear,
        "pointwise": pair.derivative.pointwise,
    }


def _grid() -> Tensor:
    return torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)


def _rounded(y: Tensor) -> list[float]:
    return [float(f"{each:.6g}") for each in y.detach().tolist()]
