"""A call of a pair stays a short way through our own code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import surrogate

OURS = str(Path(surrogate.__file__).parent)


def frames(run: Callable[[], Any]) -> tuple[list[str], Any]:
    """The functions of ours that are called while something runs, and its result."""
    called: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            called.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        result = run()
    finally:
        sys.setprofile(before)
    return called, result


@pytest.mark.parametrize(
    ("name", "forward", "backward"), [("cantor2", 12, 4), ("staircase_blurred", 12, 12)]
)
def test_few_functions_are_called(name: str, forward: int, backward: int) -> None:
    pair = surrogate.get(name)
    x = torch.randn(16, requires_grad=True)
    pair(x).sum().backward()  # tables are made by the first call
    there, y = frames(lambda: pair(x))
    back, _ = frames(lambda: y.backward(torch.ones_like(y)))
    assert len(there) <= forward, there
    assert 0 < len(back) <= backward, back
