from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _fresh_state() -> Iterator[None]:
    """The same random numbers for each test, and no compiled code of another one."""
    torch.manual_seed(0)
    yield
    torch._dynamo.reset()
