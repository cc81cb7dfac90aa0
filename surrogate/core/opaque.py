"""What torch.compile sees of a report; imported while something is compiled, as it brings in the
compiler, which takes a second."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from surrogate.core.report import Report
from surrogate.core.torch_private import nonstrict_trace


@nonstrict_trace
def opaque_report(*inputs: Any) -> Tensor:
    return Report.apply(*inputs)
