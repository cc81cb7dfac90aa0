"""The pictures of an atlas: rows of maps, one for each unit, with a colour scale for each row."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from experiments.analysis.report.figures import COLOURS
from experiments.pictures.atlas.network import Network, Parameter, State, Unit
from surrogate.diagnostics.plot import DOWN, UP

# Blue below 0, white at 0, red above: told apart with any colour vision.
MAP = "RdBu_r"
MOST = 8  # units of a layer that are drawn
BRIGHT = 0.95  # the part of the numbers that the colours tell apart

# In inches, as are all places: so the maps of an animation stay where they are.
CELL, GAP, LEFT, RIGHT, ABOVE, BELOW, LINES, NARROWEST = 1.6, 0.32, 0.5, 0.45, 0.6, 0.5, 2.2, 5.5
LETTERS = 12  # of a heading, per inch


@dataclass(frozen=True)
class Row:
    """Maps that share a colour scale.

    Args:
        formula: the title of the row.
        maps: by title, the numbers at each point of the plane.
        scale: rows with the same scale share the colours too.
        flat: by title, where nothing moves the unit; hatched.
    """

    formula: str
    maps: Mapping[str, Tensor]
    scale: str
    flat: Mapping[str, Tensor] | None = None


def state_rows(network: Network, points: Tensor, mark_flat: bool = False) -> list[Row]:
    """A row for each layer's x and one for its a."""
    rows = []
    with torch.no_grad():
        states = network.states(points)
    for index, state in enumerate(states):
        for name in State._fields:
            units = [Unit(name, index, place) for place in range(getattr(state, name).shape[1])]
            shown = units[:MOST]
            rows.append(
                Row(
                    formula(network, name, index) + cut(units),
                    {title(unit): unit.of(states) for unit in shown},
                    f"{name}{index}",
                    {title(unit): network.is_flat(points, unit) for unit in shown}
                    if mark_flat
                    else None,
                )
            )
    return rows


def derivative_rows(
    network: Network, points: Tensor, parameter: Parameter, units: Sequence[Unit]
) -> list[Row]:
    """Units, their true derivatives for a parameter, and the reported ones.

    Where these depend on the upstream gradient g of a unit, they are shown for g = 1, for which a
    step of training lowers it, and for g = −1, for which one raises it; both divided by g.
    """
    with torch.no_grad():
        states = network.states(points)
    unit, shown = units[0], units[:MOST]
    symbol = rf"\partial {unit.name}^{{({unit.layer})}}/\partial {mathematical(parameter)}"

    def slopes(owner: Network, words: str, g: float = 1.0) -> Row:
        maps = {title(unit): owner.derivative(points, parameter, unit, g) for unit in shown}
        return Row(f"${symbol}$, {words}", maps, "slope")

    if network.upstream_dependent:
        reported = [slopes(network, UP), slopes(network, DOWN, -1.0)]
    else:
        reported = [slopes(network, "reported")]
    return [
        Row(
            formula(network, unit.name, unit.layer) + cut(units),
            {title(unit): unit.of(states) for unit in shown},
            "value",
        ),
        slopes(network.truthful(), "true"),
        *reported,
    ]


def formula(network: Network, name: str, layer: int) -> str:
    """What a row shows: x⁽¹⁾ = A₁a⁽⁰⁾ + b₁, or a⁽¹⁾ = σ₁(x⁽¹⁾)."""
    if name == "a":
        act = network.layers[layer].act
        return rf"$a^{{({layer})}} = \sigma_{layer}(x^{{({layer})}})$,  $\sigma_{layer}$ = {act}"
    before = f"a^{{({layer - 1})}}" if layer else "(x, t)" if network.coordinates else "x"
    return rf"$x^{{({layer})}} = A_{layer}\, {before} + b_{layer}$"


def cut(units: Sequence[Unit]) -> str:
    """What is said where not all units are shown."""
    return f"  (units 0 to {MOST - 1} of {len(units)})" if len(units) > MOST else ""


def title(unit: Unit) -> str:
    return rf"${unit.name}^{{({unit.layer})}}_{{{unit.place}}}$"


def mathematical(parameter: Parameter) -> str:
    place = ",".join(map(str, parameter.place))
    return rf"{parameter.name}_{parameter.layer}[{place}]"


def limits(pictures: Sequence[Sequence[Row]]) -> dict[str, float]:
    """For each scale the magnitude of the deepest colours, the same in all pictures."""
    found: dict[str, float] = {}
    for row in (row for rows in pictures for row in rows):
        numbers = torch.stack(list(row.maps.values())).abs().numpy()
        finite = numbers[np.isfinite(numbers)]
        bright = float(np.quantile(finite, BRIGHT)) if len(finite) else 0.0
        # What is 0 nearly everywhere still has a colour elsewhere.
        top = bright or float(finite.max(initial=0.0))
        found[row.scale] = max(found.get(row.scale, 0.0), top)
    return {scale: limit or 1.0 for scale, limit in found.items()}


def draw(
    rows: Sequence[Row],
    extent: float,
    scales: Mapping[str, float],
    heading: str,
    lines: Lines | None = None,
) -> Figure:
    """The rows, one below another, and below them what goes on along lines."""
    columns = max(len(row.maps) for row in rows)
    width = max(LEFT + columns * (CELL + GAP) + RIGHT, NARROWEST)
    heading = textwrap.fill(heading, int(LETTERS * width))
    top = 0.15 + 0.22 * len(heading.splitlines())
    height = top + len(rows) * (ABOVE + CELL) + BELOW
    height += (0.4 + LINES + BELOW) if lines else 0.0
    figure = Figure(figsize=(width, height))
    figure.suptitle(heading, fontsize="medium", y=1 - 0.1 / height)

    def place(left: float, down: float, wide: float, high: float) -> Axes:
        """Axes at a place that is given in inches from the upper left corner."""
        return figure.add_axes(
            (left / width, 1 - (down + high) / height, wide / width, high / height)
        )

    for index, row in enumerate(rows):
        down = top + index * (ABOVE + CELL)
        figure.text(0.12 / width, 1 - (down + 0.3) / height, row.formula, fontsize="medium")
        left, last = LEFT, index == len(rows) - 1
        for name, numbers in row.maps.items():
            axes = place(left, down + ABOVE, CELL, CELL)
            draw_map(axes, numbers, extent, scales[row.scale])
            axes.set_title(name, fontsize="medium", pad=3)
            if row.flat and row.flat[name].any():
                hatch(axes, row.flat[name], extent)
            if lines and name == title(lines.unit):
                lines.mark(axes, extent)
            axes.set_xticks([-extent, 0, extent], None if last else [])
            axes.set_yticks([-extent, 0, extent], None if left == LEFT else [])
            axes.set_xlabel("$x_0$" if last else "", labelpad=0)
            axes.set_ylabel("$x_1$" if left == LEFT else "", labelpad=-4)
            left += CELL + GAP
        bar = place(left - GAP + 0.12, down + ABOVE, 0.1, CELL)
        limit = scales[row.scale]
        colours = ScalarMappable(Normalize(-limit, limit), MAP)
        figure.colorbar(colours, cax=bar, extend=extension(row, limit))
        bar.tick_params(labelsize="x-small", length=2)
    if lines:
        lines.draw(place(LEFT, height - BELOW - LINES, width - LEFT - RIGHT, LINES))
    return figure


def draw_map(axes: Axes, numbers: Tensor, extent: float, limit: float) -> None:
    """A map of the plane; NaN is grey."""
    side = math.isqrt(len(numbers))
    axes.set_facecolor("#BBBBBB")
    axes.imshow(
        numbers.reshape(side, side).numpy(),
        cmap=MAP,
        vmin=-limit,
        vmax=limit,
        origin="lower",
        extent=(-extent, extent, -extent, extent),
        interpolation="nearest",
    )
    axes.set_aspect("equal")
    axes.tick_params(labelsize="x-small", length=2)


def hatch(axes: Axes, where: Tensor, extent: float) -> None:
    """Hatches a part of the plane."""
    side = math.isqrt(len(where))
    places = extent * ((np.arange(side) + 0.5) * 2 / side - 1)
    mask = where.reshape(side, side).double().numpy()
    hatched = axes.contourf(places, places, mask, levels=[0.5, 1.5], colors="none", hatches=["///"])
    hatched.set_edgecolor("#00000070")
    hatched.set_linewidth(0)


def extension(row: Row, limit: float) -> str:
    """At which ends of the colour bar there are numbers beyond it."""
    numbers = torch.stack(list(row.maps.values()))
    above, below = bool((numbers > limit).any()), bool((numbers < -limit).any())
    return {(True, True): "both", (True, False): "max", (False, True): "min"}.get(
        (above, below), "neither"
    )


@dataclass(frozen=True)
class Lines:
    """A unit along lines through 0, at angles in degrees."""

    network: Network
    unit: Unit
    angles: Sequence[float]
    extent: float
    points: int = 801

    def along(self, angle: float) -> tuple[Tensor, Tensor]:
        """The place on the line, and the unit's value there."""
        place = self.extent * torch.linspace(-1, 1, self.points, dtype=torch.float64)
        direction = torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        with torch.no_grad():
            return place, self.unit.of(self.network.states(place[:, None] * direction.double()))

    def mark(self, axes: Axes, extent: float) -> None:
        """The lines on a map, in the colours of `draw`."""
        for index, angle in enumerate(self.angles):
            reach = extent * np.array([-1, 1])
            x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            axes.plot(reach * x, reach * y, color="white", linewidth=2.6)
            axes.plot(reach * x, reach * y, color=COLOURS[index % len(COLOURS)], linewidth=1.4)

    def draw(self, axes: Axes) -> None:
        """The unit along each line."""
        for index, angle in enumerate(self.angles):
            place, value = self.along(angle)
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(place.numpy(), value.numpy(), color=colour, label=f"{angle:g}°")
        axes.set_title(f"{title(self.unit)} along lines through 0", fontsize="medium", loc="left")
        axes.set_xlabel("distance from 0", fontsize="small")
        axes.tick_params(labelsize="small")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(linewidth=0.4, alpha=0.4)
        axes.margins(x=0)
        axes.legend(frameon=False, fontsize="small", ncols=2, title="angle to $x_0$")
