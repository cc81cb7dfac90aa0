"""Our pair beside a package's own function: values, and gradients for both signs upstream."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from surrogate import SurrogateActivation

GRID = torch.arange(-192, 193, dtype=torch.float64) / 64
SINGLE = GRID.float()  # for packages that know nothing else


def gradients(function: Callable[[Tensor], Tensor], x: Tensor = GRID) -> tuple[Tensor, Tensor]:
    """The value, and the gradients for the upstream gradients 1.5 and −0.75 in two rows."""
    x = x.clone().requires_grad_()
    y = function(x)
    rows = [
        torch.autograd.grad(y, x, torch.full_like(y, upstream), retain_graph=True)[0]
        for upstream in (1.5, -0.75)
    ]
    return y.detach(), torch.stack(rows)


def assert_agree(
    ours: SurrogateActivation, theirs: Callable[[Tensor], Tensor], x: Tensor = GRID
) -> None:
    (y, reported), (their_y, their_gradient) = gradients(ours, x), gradients(theirs, x)
    single = x.dtype == torch.float32
    relative, absolute = (2e-5, 1e-6) if single else (1e-9, 1e-13)
    torch.testing.assert_close(y, their_y, rtol=relative, atol=absolute)
    torch.testing.assert_close(reported, their_gradient, rtol=relative, atol=absolute)
