"""The derivative of a blurred function: one lie that fits any function, however jagged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from surrogate.core.kernels import KERNELS, Kernel
from surrogate.core.messages import require_choice, require_number
from surrogate.core.numbers import Number, varies
from surrogate.core.tables import constant_table, look_up
from surrogate.derivatives.base import Pointwise, derivatives
from surrogate.derivatives.differences import difference, mean_slope, slope_far_out
from surrogate.derivatives.shapes import OfFunction, unbound
from surrogate.functions.base import Elementwise, Function, divisible

__all__ = ["Blurred"]

LAYERS = 64  # boxes that stand for a kernel where nothing is known of the function
MOST_WIDTHS = 2**13  # of a table: narrower kernels could fall between its nodes
MOST_NODES = 2**16
CELLS_PER_WIDTH = 4096  # of the fine grid that a table is made from
MOST_CELLS = 2**20


@derivatives.register
@dataclass(frozen=True, repr=False)
class Blurred(OfFunction, Pointwise):
    """slope(x) = (F ∗ k)'(x): the derivative of the function, smoothed by a kernel of area 1.

    Kernels and their width: "gaussian" (standard deviation), "box" (full width), "triangle" (half
    the base), "logistic" (scale). With the box it is [F(x + width/2) − F(x − width/2)] / width.

    How it is computed:

    * in closed form, for functions that have one (rectifiers, steps at zero, sin);
    * for the box, by the difference above;
    * by a table, for our functions that repeat or are straight far out, unless the kernel is
      narrower than 1/8192 of the period, or of the part that is not straight: within 1e-3 of the
      slope's maximum at widths from 0.05 up, and in one look-up at any depth or resolution;
    * else by a stack of 64 boxes in place of the kernel, each by its difference: within
      k(0) / 96 times the variation of F below the kernel, for any function at all. This
      evaluates F 128 times for each slope; a `Function` that states its `period` or where it is
      `straight_outside` gets a table instead, if its numbers and the width are fixed.

    At ±inf it is the limit, or, where the function repeats and there is none, the mean slope.

    Args:
        function: F; the pair's own function if it is not given.
        width: of the kernel, in units of x; 1e-30 to 1e30.
        kernel: "gaussian", "box", "triangle" or "logistic".

    Source: the note that this project began with ("providing a blurred vision of it helps
    significantly"). For the unit step it gives the surrogate gradients of spiking networks (Neftci
    et al. 2019, arXiv 1901.09948).
    """

    function: Elementwise | None = None
    width: Number = 1.0
    kernel: str = "gaussian"

    def __post_init__(self) -> None:
        require_number(self, "width", least=1e-30, most=1e30, may_vary=True)
        require_choice(self, "kernel", KERNELS)
        self.require_function()

    def slope(self, x: Tensor) -> Tensor:
        function, kernel = self.function, KERNELS[self.kernel](self.width)
        if function is None:
            raise unbound(self)
        slope = partial(self._slope, function, kernel)
        return slope_far_out(slope, function, x, kernel.reach * self.width)

    def _slope(self, function: Elementwise, kernel: Kernel, x: Tensor) -> Tensor:
        closed = getattr(function, "blurred_slope", lambda x, kernel: None)(x, kernel)
        if closed is not None:
            return closed
        if self.kernel == "box":
            return difference(function, x, self.width / 2) / self.width
        if isinstance(function, Function) and not varies(self) and _has_table(function, kernel):
            return self._from_table(function, kernel, x)
        return _from_layers(function, kernel, x)

    def _from_table(self, function: Function, kernel: Kernel, x: Tensor) -> Tensor:
        """Linear interpolation between the nodes of `_slope_table`."""
        start, length = _extent(function, kernel)
        slopes, rises = _slope_table(x.dtype, x.device, self)
        last = len(slopes) - 1
        if function.period:
            turns = divisible(x, length) / length
            part = turns - turns.detach().floor()
        else:
            part = (x - start).clamp(0, length) / length
        place = part * last
        node = place.detach().to(torch.int32).clamp(0, last)
        return look_up(slopes, node) + look_up(rises, node) * (place - node)


def _has_table(function: Function, kernel: Kernel) -> bool:
    """Whether a few thousand widths tell all."""
    if not (function.period or function.straight_outside):
        return False
    _, length = _extent(function, kernel)
    return length <= MOST_WIDTHS * kernel.width


def _from_layers(function: Elementwise, kernel: Kernel, x: Tensor) -> Tensor:
    """The kernel cut into layers of equal height; each layer is a box."""
    radii = [kernel.width * kernel.radius((i + 0.5) / LAYERS) for i in range(LAYERS)]
    height = 0.5 / sum(radii)  # so that the area is 1
    slope = torch.zeros_like(x)
    for radius in radii:
        slope = slope + height * difference(function, x, radius)
    return slope


def _extent(function: Function, kernel: Kernel) -> tuple[float, float]:
    """Start and length of the interval that tells all: one period, or up to the straight parts."""
    if function.period:
        return 0.0, function.period
    assert function.straight_outside is not None
    low, high = function.straight_outside
    margin = kernel.reach * kernel.width
    return low - margin, high - low + 2 * margin


@constant_table
def _slope_table(blurred: Blurred) -> np.ndarray:
    """Slopes at evenly spaced nodes over the extent, both ends included, and rises to the next.

    F is sampled on a fine grid of cells of size δ; within a cell its rise is taken to be even, so
    (F ∗ k)' is the rises convolved with the kernel. For a jump of height J somewhere in a cell the
    error is at most J · δ/2 · max|k'|; for a smooth F it is of second order in δ.
    """
    function, kernel = blurred.function, KERNELS[blurred.kernel](blurred.width)
    assert isinstance(function, Function)
    start, length = _extent(function, kernel)
    wanted = length / kernel.width * kernel.nodes_per_width
    nodes = min(max(math.ceil(wanted), 256), MOST_NODES)
    finer = length / kernel.width * CELLS_PER_WIDTH / nodes
    per_node = max(1, min(math.ceil(finer), MOST_CELLS // nodes))
    cells = nodes * per_node
    cell = length / cells
    if kernel.reach * kernel.width > MOST_CELLS * cell:
        # Thousands of periods below the kernel: nothing is left but the mean.
        mean = float(mean_slope(torch.float64, torch.device("cpu"), function))
        return np.stack([np.full(2, mean), np.zeros(2)])

    reach = math.ceil(kernel.reach * kernel.width / cell)
    edges = start + cell * np.arange(-reach, cells + reach + 1)
    with torch.no_grad():
        rises = np.diff(function(torch.from_numpy(edges)).numpy())
        # Distances from a node to the middles of the cells within reach, left to right.
        distances = cell * (np.arange(-reach, reach) + 0.5)
        weights = kernel.density(torch.from_numpy(distances)).numpy()
    weights /= weights.sum() * cell
    size = 1 << (len(rises) + len(weights)).bit_length()
    full = np.fft.irfft(np.fft.rfft(rises, size) * np.fft.rfft(weights, size), size)
    slopes = full[len(weights) - 1 : len(weights) + cells : per_node]
    return np.stack([slopes, np.append(np.diff(slopes), 0.0)])
