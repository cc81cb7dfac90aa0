"""What activations do to a distribution: three panels for each, and a page of all.

    python -m experiments.gallery -o gallery/
    python -m experiments.gallery --act gelu "Staircase() / Blurred(width=0.3)" -o gallery/ \\
        --input "uniform(-3, 3)"

On the left the distribution of the input, in the middle the function, its true derivative and what
is reported, on the right the distribution of the output.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

import surrogate
from experiments.common.command import exit_code, import_files
from experiments.common.errors import UsageError
from experiments.pictures.distributions import Distribution, distribution
from experiments.pictures.save import save
from experiments.runs.run import folder_name
from surrogate import SurrogateActivation
from surrogate.diagnostics.plot import STYLES, Line, curves, draw, sample

INPUT, OUTPUT = "#999999", "#0072B2"
BINS = 100
SEEN = (0.001, 0.999)  # the part of a distribution that is shown: tails can be long
TALL = 4  # times the height below which most bars are: what is taller is cut off, and labelled
COLUMNS = 7


class Histogram(NamedTuple):
    """Shares of the numbers in equal bins; mean and standard deviation of all that are finite."""

    shares: np.ndarray
    edges: np.ndarray
    mean: float
    deviation: float
    lost: float  # the share that is not finite

    @property
    def top(self) -> float:
        """The height up to which bars are drawn: a single value in its bin would flatten all."""
        heights = self.shares[self.shares > 0]
        most = TALL * float(np.quantile(heights, 0.9)) if len(heights) else 1.0
        return min(float(self.shares.max(initial=0)), most) or 1.0

    def __str__(self) -> str:
        lost = f", not finite {self.lost:.1%}" if self.lost else ""
        return f"mean {self.mean:z.2f}, standard deviation {self.deviation:.2f}{lost}"


def histogram(numbers: Tensor) -> Histogram:
    """The histogram of what is seen of the numbers."""
    every = numbers.detach().double().numpy()
    finite = every[np.isfinite(every)]
    if not len(finite):
        return Histogram(np.zeros(1), np.array([0.0, 1.0]), np.nan, np.nan, 1.0)
    low, high = np.quantile(finite, SEEN)
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(finite, BINS, (low, high))
    lost = 1 - len(finite) / len(every)
    return Histogram(counts / len(every), edges, float(finite.mean()), float(finite.std()), lost)


@dataclass(frozen=True)
class Exhibit:
    """A pair, and what it makes of an input."""

    name: str
    pair: SurrogateActivation
    input: Histogram
    output: Histogram
    lines: Mapping[str, Line]

    @property
    def title(self) -> str:
        return self.name if self.name == str(self.pair) else f"{self.name}: {self.pair}"


def exhibit(name: str, numbers: Tensor) -> Exhibit:
    """The activation of that name or text, in evaluation mode, and what it makes of the numbers.

    What a pair draws at random is the same each time.
    """
    pair = surrogate.get(name).eval().double()
    given = histogram(numbers)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with torch.no_grad():
            made = histogram(pair(numbers))
        lines = curves(pair, sample(float(given.edges[0]), float(given.edges[-1])))
    return Exhibit(name, pair, given, made, lines)


def panels(shown: Exhibit, given: Distribution) -> Figure:
    """The three panels of a pair."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.5, 1))
    draw_histogram(left, shown.input, INPUT)
    left.set_title(f"input: {given}", fontsize="medium")
    left.set_xlabel(f"x\n{shown.input}", fontsize="small")
    draw(middle, shown.lines)
    middle.set_title("what is computed, and what is reported", fontsize="medium")
    middle.set_xlabel("x", fontsize="small")
    middle.legend(
        frameon=False, fontsize="small", ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.12)
    )
    draw_histogram(right, shown.output, OUTPUT)
    right.set_title("output", fontsize="medium")
    right.set_xlabel(f"y\n{shown.output}", fontsize="small")
    for axes in (left, right):
        axes.set_ylabel("share of the numbers, in %", fontsize="small")
    for axes in (left, middle, right):
        axes.tick_params(labelsize="small")
    figure.suptitle(shown.title, fontsize="large", fontweight="bold")
    return figure


def draw_histogram(axes: Axes, shown: Histogram, colour: str) -> None:
    """Bars, the mean, and a standard deviation on each side; bars that are cut off say how high."""
    axes.stairs(100 * shown.shares, shown.edges, fill=True, color=colour, alpha=0.8)
    top = 100 * shown.top
    axes.set_ylim(0, 1.12 * top)
    axes.set_xlim(*_widened(shown.edges))
    if np.isfinite(shown.mean):
        ends = shown.mean - shown.deviation, shown.mean + shown.deviation
        axes.axvspan(*ends, color=colour, alpha=0.12, linewidth=0)
        axes.axvline(shown.mean, color="black", linewidth=1.0, linestyle="dashed")
    centre = (shown.edges[0] + shown.edges[-1]) / 2
    for left, right, share in zip(shown.edges, shown.edges[1:], 100 * shown.shares, strict=False):
        if share > top:
            outwards = left > centre
            axes.annotate(
                f"{share:.0f} %",
                (left if outwards else right, 1.1 * top),
                (-3 if outwards else 3, 0),
                textcoords="offset points",
                horizontalalignment="right" if outwards else "left",
                verticalalignment="top",
                fontsize="small",
            )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.4, alpha=0.4)


def _widened(edges: np.ndarray) -> tuple[float, float]:
    """Room on both sides, so that a bar at an end is seen."""
    margin = 0.04 * (edges[-1] - edges[0])
    return edges[0] - margin, edges[-1] + margin


def overview(exhibits: Sequence[Exhibit], given: Distribution) -> Figure:
    """All pairs on a page: the lines, and beside them the distribution of the output."""
    columns = min(COLUMNS, len(exhibits))
    rows = -(-len(exhibits) // columns)
    figure = Figure(figsize=(2.3 * columns, 1.75 * rows + 0.8), layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, shown in zip(cells, exhibits, strict=False):
        draw_cell(axes, shown)
    for axes in cells[len(exhibits) :]:
        axes.set_visible(False)
    labels = dict.fromkeys(label for shown in exhibits for label in shown.lines)
    handles = [Line2D([], [], label=label, **STYLES[label]) for label in STYLES if label in labels]
    figure.legend(
        handles=[*handles, Patch(color=OUTPUT, label="output"), Patch(color=INPUT, label="input")],
        ncols=min(7, columns + 1),
        loc="outside lower center",
        frameon=False,
        fontsize="small",
    )
    figure.suptitle(
        f"input {given}; in brackets mean ± standard deviation of the output", fontsize="medium"
    )
    return figure


def draw_cell(axes: Axes, shown: Exhibit) -> None:
    """The lines of a pair, the input's histogram along x, and the output's along y.

    Slopes that go further beyond the values than these reach are cut off.
    """
    draw(axes, shown.lines)
    values = shown.lines["function"].y
    values = values[values.isfinite()]
    if len(values):
        low, high = float(values.min()), float(values.max())
        height = max(high - low, 1.0)
        bottom, top = axes.get_ylim()
        axes.set_ylim(max(bottom, low - height), min(top, high + height))
    made, given = shown.output, shown.input
    beside = axes.inset_axes((1.02, 0.0, 0.16, 1.0), sharey=axes)
    beside.stairs(
        np.minimum(made.shares, made.top),
        made.edges,
        orientation="horizontal",
        fill=True,
        color=OUTPUT,
    )
    beside.set_axis_off()
    below = axes.inset_axes((0.0, -0.005, 1.0, 0.2), sharex=axes, zorder=-1)
    below.stairs(
        np.minimum(given.shares, given.top), given.edges, fill=True, color=INPUT, alpha=0.4
    )
    below.set_axis_off()
    axes.set_title(
        f"{shown.name} ({made.mean:z.2f} ± {made.deviation:.2f})", fontsize=9, loc="left", pad=3
    )
    axes.tick_params(labelsize=8, length=2, pad=2)
    axes.locator_params(axis="y", nbins=4)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    made = argparse.ArgumentParser(
        prog="python -m experiments.gallery",
        description="What activations do to a distribution, drawn.",
        allow_abbrev=False,
    )
    made.add_argument(
        "--act", nargs="+", metavar="TEXT", help="names or texts of pairs (the whole catalogue)"
    )
    made.add_argument(
        "--input", default="normal(0, 1)", help="the distribution of the input (normal(0, 1))"
    )
    made.add_argument("--samples", type=int, default=100_000, help="how many numbers (100000)")
    made.add_argument("--seed", type=int, default=0, help="of the numbers (0)")
    made.add_argument(
        "--import", nargs="+", default=[], type=Path, dest="files", help="files that register pairs"
    )
    made.add_argument("-o", "--output", type=Path, required=True, help="the folder of the pictures")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return exit_code(lambda: command(arguments), after_a_signal="")


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options, of which `input` is a distribution."""
    options = parser().parse_args(arguments)
    if options.samples < 1:
        raise UsageError(f"--samples must be at least 1, got {options.samples}")
    if options.seed < 0:
        raise UsageError(f"--seed must be at least 0, got {options.seed}")
    try:
        options.input = distribution(options.input)
    except ValueError as error:
        raise UsageError(f"--input: {error}") from error
    return options


def command(arguments: Sequence[str] | None) -> int:
    names = surrogate.names()
    options = read(arguments)
    given = options.input
    import_files(options.files)
    numbers = given.sample(options.samples, options.seed)
    exhibits = []
    for name in dict.fromkeys(options.act or names):
        try:
            surrogate.get(name)
        except Exception as error:  # a user's factory may raise anything
            raise UsageError(f"--act: {error}") from error
        exhibits.append(exhibit(name, numbers))
    pictures = {
        f"pairs/{folder_name(shown.name)}.png": panels(shown, given) for shown in exhibits
    } | {"overview.png": overview(exhibits, given)}
    for name, figure in pictures.items():
        save(figure, options.output / name)
    print(options.output / "pairs")
    print(options.output / "overview.png")
    return 0
