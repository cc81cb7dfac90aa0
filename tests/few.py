"""Named pairs that stand for all of them where a test takes long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

# True derivatives, a table, a blurred one, noise, an upstream-dependent one, learned, a spike.
FEW = (
    "relu",
    "gelu",
    "cantor2",
    "staircase_blurred",
    "relu_noisy",
    "relu_directional",
    "staircase_learned",
    "sign_ste",
)


def few_of(names: Iterable[str]) -> list[Any]:
    """The names as parameters of a test; all but a few of them run in `make thorough` only."""
    return [
        name if name in FEW else pytest.param(name, marks=pytest.mark.thorough) for name in names
    ]
