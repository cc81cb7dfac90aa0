"""What a pair computes and what it reports, drawn: `pair.plot()`.

This module needs matplotlib, and nothing else imports it before something is to be drawn.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from surrogate.diagnostics.check.subject import backward
from surrogate.functions.base import Elementwise
from surrogate.pair import SurrogateActivation

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        'drawing needs matplotlib: pip install matplotlib, or the extra "plot" of this package '
        '(pip install "surrogate[plot]")',
        name=missing.name,
    ) from missing

# Okabe and Ito's colours, told apart with any colour vision.
FUNCTION, TRUE, REPORTED, REPORTED_DOWN = "#000000", "#56B4E9", "#D55E00", "#009E73"

# In the order in which they are drawn. What is reported is wide: the truth is seen on top of it.
UP, DOWN = "reported for g = 1", "reported for g = −1"
STYLES: dict[str, dict[str, Any]] = {
    "reported derivative": {"color": REPORTED, "linewidth": 2.0},
    UP: {"color": REPORTED, "linewidth": 2.0},
    DOWN: {"color": REPORTED_DOWN, "linewidth": 2.0, "dashes": (2, 0.8)},
    "function": {"color": FUNCTION, "linewidth": 1.2},
    "true derivative": {"color": TRUE, "linewidth": 1.3, "dashes": (3, 2.2)},
}
POINTS = 600
JUMP = 1 / 200  # of a line's height: the least jump that is drawn as a gap
HALVINGS = 60  # of an interval, until its ends are neighbours in float64


class Line(NamedTuple):
    """A line: y is NaN in its gaps. Noise, which jumps everywhere, is drawn as dots."""

    x: Tensor
    y: Tensor
    noise: bool = False


class Picture(Figure):
    """A figure that a notebook shows once, as it belongs to no window of pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=100, bbox_inches="tight")
        return file.getvalue()


def plot(
    pair: SurrogateActivation, axes: Axes | None = None, *, low: float = -3.0, high: float = 3.0
) -> Figure:
    """Draw the function, its true derivative and what is reported, from low to high.

    Jumps are gaps. What depends on the upstream gradient g is drawn for g = 1 and for g = −1,
    divided by g. The pair is drawn in the mode that it is in.

    Args:
        pair: what is drawn.
        axes: matplotlib's, to draw on; a new figure's if not given. That one is not pyplot's: a
            notebook shows it, and `.savefig(path)` saves it.
        low, high: the ends of the x axis.

    Raises:
        ModuleNotFoundError: matplotlib is missing; the message says what to install.
        TypeError: axes are no such thing.
        ValueError: low is not below high, or one of them is not finite.
    """
    if axes is not None and not isinstance(axes, Axes):
        raise TypeError(f"plot: axes must be matplotlib Axes, got {type(axes).__name__}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"plot: low must be below high, both finite, got {low!r} and {high!r}")
    legend: dict[str, Any] = {"frameon": False, "fontsize": "small"}
    if axes is not None:
        panel(axes, pair, low, high)
        axes.legend(**legend)
        return cast(Figure, axes.figure.figure)
    figure = Picture(figsize=(5.5, 3.7), layout="constrained")
    panel(figure.add_subplot(), pair, low, high)
    figure.legend(loc="outside lower center", ncols=4, **legend)
    return figure


def panel(axes: Axes, pair: SurrogateActivation, low: float, high: float) -> None:
    """Draws a pair on axes, but for the legend."""
    draw(axes, curves(pair, sample(low, high)))
    axes.set_xlim(low, high)
    axes.set_xlabel("x")
    axes.set_title(str(pair), fontsize="medium")


def draw(axes: Axes, lines: Mapping[str, Line]) -> None:
    """Draws lines of `curves` on axes."""
    axes.axhline(0, color="#BBBBBB", linewidth=0.6)
    for label, line in lines.items():
        style = STYLES[label]
        if line.noise:
            style = {"color": style["color"], "linestyle": "none", "marker": ".", "markersize": 2}
        axes.plot(line.x.numpy(), line.y.numpy(), label=label, solid_capstyle="butt", **style)
    axes.margins(x=0, y=0.08)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.4, alpha=0.4)


def sample(low: float, high: float, points: int = POINTS) -> Tensor:
    """The middles of even intervals: beside the ties, which lie at round numbers."""
    return low + (high - low) * (torch.arange(points, dtype=torch.float64) + 0.5) / points


def curves(pair: SurrogateActivation, x: Tensor) -> dict[str, Line]:
    """The function, its true derivative and what is reported, at x and around their jumps.

    What is reported is grad_input / g. Where it depends on the upstream gradient g, it is drawn for
    g = 1 and for g = −1. What looks at other elements too has no jumps to look for.
    """
    formulas: dict[str, Elementwise] = {"function": pair, "true derivative": slope(pair.function)}
    if not pair.derivative.linear:
        formulas |= {UP: slope(pair, 1.0), DOWN: slope(pair, -1.0)}
    else:
        formulas["reported derivative"] = slope(pair)
    truths = getattr(pair.function, "elementwise", True)
    reports = truths and pair.derivative.elementwise is not False
    with_gaps = {"function": truths, "true derivative": truths}
    x = as_taken_by(pair, x)
    return {
        label: line(formulas[label], x, with_gaps.get(label, reports))
        for label in STYLES
        if label in formulas
    }


def slope(function: Elementwise, upstream: float = 1.0) -> Elementwise:
    """x ↦ grad_input / g, for g = upstream, as `backward` gives it; 0 where x has no part in it."""

    def at(x: Tensor) -> Tensor:
        with torch.enable_grad():
            return backward(function, x, torch.full_like(x, upstream)) / upstream

    return at


def line(formula: Callable[[Tensor], Tensor], x: Tensor, with_gaps: bool = True) -> Line:
    """A formula's values at x; where it jumps between two of them, at both sides of the jump, with
    a gap between.

    A jump is what is still as high when the interval that it is in can't be halved any more.
    """
    with torch.no_grad():
        y = formula(x)
        seen = y[y.isfinite()]
        if not with_gaps or not len(seen):
            return Line(x.cpu(), y.cpu())
        least = JUMP * (seen.max() - seen.min())
        where = ((y[1:] - y[:-1]).abs() > least).nonzero()[:, 0]
        a, b, at_a, at_b = x[where], x[where + 1], y[where], y[where + 1]
        for _ in range(HALVINGS if len(where) else 0):
            middle = (a + b) / 2
            value = formula(middle)
            left = (value - at_a).abs() >= (at_b - value).abs()
            a, at_a = torch.where(left, a, middle), torch.where(left, at_a, value)
            b, at_b = torch.where(left, middle, b), torch.where(left, value, at_b)
    jumps = (at_b - at_a).abs() > least
    if 2 * jumps.sum() > len(x):
        return Line(x.cpu(), y.cpu(), noise=True)
    where, a, b, at_a, at_b = (each[jumps] for each in (where, a, b, at_a, at_b))
    place = torch.arange(len(x), device=x.device)
    order = torch.cat([place, where + 0.2, where + 0.4, where + 0.6]).argsort()
    xs = torch.cat([x, a, a, b])[order]
    ys = torch.cat([y, at_a, torch.full_like(at_a, torch.nan), at_b])[order]
    return Line(xs.cpu(), ys.cpu())


def as_taken_by(pair: SurrogateActivation, x: Tensor) -> Tensor:
    """x on the device of the pair, and in the dtype of a module that is its function."""
    x = x.to(next(pair.parameters(), x).device)
    if isinstance(pair.function, nn.Module):
        x = x.to(next(pair.function.parameters(), x).dtype)
    return x
