"""The derivative of a blurred function: one lie that fits any function, however jagged."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from surrogate.core.numbers import Limits
from surrogate.core.parts import varying_numbers
from surrogate.core.tables import constant_table, look_up
from surrogate.derivatives.base import (
    AnyFunction,
    Derivative,
    PairsFunction,
    Pointwise,
    require_elementwise,
)
from surrogate.derivatives.shapes import OfFunction, unbound
from surrogate.functions import kernels
from surrogate.functions.arithmetic import divisible, near_bends
from surrogate.functions.base import Elementwise, Function

LAYERS = 96  # boxes that stand for a kernel where nothing is known of the function
MOST_WIDTHS = 2**13  # of a table: narrower kernels could fall between its nodes
MOST_NODES = 2**16
CELLS_PER_WIDTH = 4096  # of the fine grid that a table is made from
MOST_CELLS = 2**20


class Blurred(OfFunction, Pointwise):
    """slope(x) = (F ∗ k)'(x): the derivative of the function, smoothed by a kernel of area 1.

    Kernels and their width: "gaussian" (standard deviation), "box" (full width), "triangle" (half
    the base), "logistic" (scale). With the box it is [F(x + width/2) − F(x − width/2)] / width.

    How it is computed is decided when a pair is made:

    * in closed form, for functions that have one (rectifiers, steps at zero, sin);
    * for the box, by the difference above;
    * by a table, for our functions that repeat or are straight far out, unless the kernel is
      narrower than 1/8192 of the period, or of the part that is not straight: within 1e-3 of the
      slope's maximum at widths from 0.05 up, and in one look-up at any depth or resolution;
    * else by a stack of 96 boxes in place of the kernel, each by its difference: within 1e-3 of
      the slope's maximum for smooth functions that the kernel does not flatten (waves of up to
      two radians per width), and within k(0) / 100 times the variation of F below the kernel for
      any function at all. This evaluates F 192 times for each slope; a `Function` that states its
      `period` or where it is `straight_outside` gets a table instead, if its numbers and the
      width are fixed.

    Args:
        function: F; the pair's own function if it is not given. It must be elementwise.
        width: of the kernel, in units of x; 1e-30 to 1e30.
        kernel: "gaussian", "box", "triangle" or "logistic".

    Source: the note that this project began with ("providing a blurred vision of it helps
    significantly"). For the unit step it gives the surrogate gradients of spiking networks (Neftci
    et al. 2019, arXiv 1901.09948).
    """

    function: PairsFunction = None
    width: Annotated[Any, Limits(least=1e-30, most=1e30)] = 1.0
    kernel: Literal["gaussian", "box", "triangle", "logistic"] = "gaussian"

    def bind(self, function: Elementwise) -> Derivative:
        given = function if self.function is None else self.function
        require_elementwise(given, "Blurred")
        kernel = kernels.KERNELS[self.kernel](self.width)
        if isinstance(given, Function) and type(given).blurred_slope is not Function.blurred_slope:
            return BlurredInClosedForm(given, kernel)
        if isinstance(kernel, kernels.Box):
            return BlurredByBox(given, kernel)
        if isinstance(given, Function) and not varying_numbers(given, kernel):
            by_table = BlurredByTable.of(given, kernel)
            if by_table is not None:
                return by_table
        return BlurredByLayers(given, kernel)

    def slope(self, x: Tensor) -> Tensor:
        if self.function is None:
            raise unbound(self)
        return self.bind(self.function).slope(x)


class BoundBlur(Pointwise, register=False):
    """A blur whose function is known, by one of the ways to compute it."""

    function: AnyFunction
    kernel: kernels.Kernel


class BlurredInClosedForm(BoundBlur, register=False):
    """By a formula of the function's own."""

    def slope(self, x: Tensor) -> Tensor:
        x = near_bends(self.function, x, self.kernel.reach * self.kernel.width)
        return self.function.blurred_slope(x, self.kernel)


class BlurredByBox(BoundBlur, register=False):
    """[F(x + width/2) − F(x − width/2)] / width."""

    def slope(self, x: Tensor) -> Tensor:
        function, width = self.function, self.kernel.width
        x = near_bends(function, x, width / 2)
        return (function(x + width / 2) - function(x - width / 2)) / width


class BlurredByLayers(BoundBlur, register=False):
    """The kernel cut into layers; each is a box.

    With r(u) the radius at which the kernel has fallen to u · k(0),

        (F ∗ k)'(x) = k(0) ∫ [F(x + r(u)) − F(x − r(u))] du,   u from 0 to 1.

    r is steep at both ends. With u = w³ (10 − 15w + 6w²) the integrand in w is smooth and flat
    there, so that even steps in w, at the middles of the layers, are accurate for a smooth F.
    """

    layers: ClassVar[tuple[tuple[float, float], ...]]

    def decide(self) -> None:
        self.keep(layers=_layers(type(self.kernel)))  # which torch.compile could not compute

    def slope(self, x: Tensor) -> Tensor:
        function, width = self.function, self.kernel.width
        x = near_bends(function, x, self.kernel.reach * width)
        slope = torch.zeros_like(x)
        for radius, weight in self.layers:
            slope = slope + weight * (function(x + radius * width) - function(x - radius * width))
        return slope / width


@lru_cache
def _layers(kernel: type[kernels.Kernel]) -> tuple[tuple[float, float], ...]:
    """Radius and weight of each layer for width 1; the area of all is 1."""
    w = (np.arange(LAYERS) + 0.5) / LAYERS
    levels, rises = w**3 * (10 - 15 * w + 6 * w**2), 30 * w**2 * (1 - w) ** 2
    radii = np.array([*map(kernel(1.0).radius, levels)])
    weights = rises / (2 * rises * radii).sum()
    return tuple(zip(radii.tolist(), weights.tolist(), strict=True))


class BlurredByTable(BoundBlur, register=False):
    """By linear interpolation between the nodes of a table over one period, or over the part that
    is not straight."""

    start: float
    length: float
    nodes: ClassVar[int]  # of the table, whose own length a compiler may make a symbol

    def decide(self) -> None:
        wanted = self.length / self.kernel.width * self.kernel.nodes_per_width
        self.keep(nodes=min(max(math.ceil(wanted), 256), MOST_NODES))

    @classmethod
    def of(cls, function: Function, kernel: kernels.Kernel) -> Self | None:
        """The blur, if there is such an interval and it is no longer than a few thousand widths."""
        if function.period:
            start, length = 0.0, function.period
        elif function.straight_outside:
            low, high = function.straight_outside
            margin = kernel.reach * kernel.width
            start, length = low - margin, high - low + 2 * margin
        else:
            return None
        wide_enough = length <= MOST_WIDTHS * kernel.width
        return cls(function, kernel, start, length) if wide_enough else None

    def slope(self, x: Tensor) -> Tensor:
        start, length = self.start, self.length
        slopes, rises = _slope_table(x.dtype, x.device, self)
        if self.function.period:
            turns = divisible(x, length) / length
            part = turns - turns.detach().floor()
        else:
            part = (x - start).clamp(0, length) / length
        place = part * self.nodes
        node = place.detach().to(torch.int32).clamp(0, self.nodes)
        return look_up(slopes, node) + look_up(rises, node) * (place - node)


@constant_table
def _slope_table(blurred: BlurredByTable) -> np.ndarray:
    """Slopes at evenly spaced nodes over the extent, both ends included, and rises to the next.

    F is sampled on a fine grid of cells of size δ; within a cell its rise is taken to be even, so
    (F ∗ k)' is the rises convolved with the kernel. For a jump of height J somewhere in a cell the
    error is at most J · δ/2 · max|k'|; for a smooth F it is of second order in δ.
    """
    function, kernel = blurred.function, blurred.kernel
    start, length, nodes = blurred.start, blurred.length, blurred.nodes
    finer = length / kernel.width * CELLS_PER_WIDTH / nodes
    per_node = max(1, min(math.ceil(finer), MOST_CELLS // nodes))
    cells = nodes * per_node
    cell = length / cells
    if kernel.reach * kernel.width > MOST_CELLS * cell:
        # Thousands of periods below the kernel: nothing is left but the mean slope.
        ends = function(torch.tensor([0.0, length], dtype=torch.float64))
        return np.stack([np.full(nodes + 1, float(ends.diff()) / length), np.zeros(nodes + 1)])

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
