"""The figures of `python -m experiments.probe`: each takes runs and a folder, returns its file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import surrogate
from experiments.analysis.probe.runs import Probed, by_act, middle_rate, rates
from experiments.analysis.report.figures import COLOURS
from surrogate.diagnostics.plot import FUNCTION
from surrogate.training.recording import Distribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

SITES = 5  # columns of where.png
ROWS = 6  # activations of a figure
SEEDS = 4  # lines of a panel
DURATION = 800  # milliseconds for each epoch of the animation
PALETTE = 128  # colours of a picture, which make it half as large
FAINT = 0.25
RARE = 1e-3  # of the most frequent magnitude: what is rarer is not looked for


def where(runs: Sequence[Probed], folder: Path) -> Path:
    """Density of the pre-activations under the function, by site, a line for each epoch."""
    chosen = representatives(runs)
    with panels(folder / "where.png", len(chosen), len(sites(chosen[0]))) as (figure, grid):
        for row, run in zip(grid, chosen, strict=True):
            for axes, site in zip(row, sites(run), strict=False):
                of_site(axes, run, site, run.recording.epochs)
        captions(grid, chosen)
        legend(figure)
        figure.suptitle(f"Where σ is sampled: density of x under σ(x); {origin(chosen)}")
    return folder / "where.png"


def animation(runs: Sequence[Probed], folder: Path) -> Path:
    """The same, a frame for each epoch; the epochs before it are faint."""
    chosen = representatives(runs)
    frames = []
    for epoch in max((run.recording.epochs for run in chosen), key=len):
        with drawing(len(chosen), len(sites(chosen[0])), dpi=80) as (figure, grid):
            for row, run in zip(grid, chosen, strict=True):
                seen = [each for each in run.recording.epochs if each <= epoch]
                for axes, site in zip(row, sites(run), strict=False):
                    of_site(axes, run, site, seen, current=epoch)
            captions(grid, chosen)
            figure.suptitle(f"Where σ is sampled, epoch {epoch}; {origin(chosen)}")
            frames.append(picture(figure))
    path = folder / "where.gif"
    first, *others = frames
    first.save(path, save_all=True, append_images=others, duration=DURATION, loop=0)
    return path


def moves(runs: Sequence[Probed], folder: Path) -> Path:
    """Density of the pre-activations over all sites: columns are learning rates, lines seeds."""
    groups = dict(list(by_act(runs).items())[:ROWS])
    known = rates(runs)
    with panels(folder / "moves.png", len(groups), len(known)) as (figure, grid):
        for row, (act, own) in zip(grid, groups.items(), strict=True):
            span = spread([run.over_sites("input", epoch) for run in own
                           for epoch in (run.first, run.last)])  # fmt: skip
            for axes, lr in zip(row, known, strict=True):
                for i, run in enumerate([each for each in own if each.lr == lr][:SEEDS]):
                    style = {"color": COLOURS[i], "label": f"seed {run.seed}, last epoch"}
                    line(axes, run.over_sites("input", run.last), **style)
                    style = {"color": COLOURS[i], "linestyle": "dotted", "linewidth": 1.0}
                    line(axes, run.over_sites("input", run.first), **style,
                         label=f"seed {run.seed}, first epoch")  # fmt: skip
                axes.set_xlim(*span)
                axes.set_ylim(bottom=0)
            row[0].set_ylabel(f"{act}\ndensity", fontsize=10)
        for axes, lr in zip(grid[0], known, strict=True):
            axes.set_title(f"learning rate {lr:g}", fontsize=10)
        for axes in grid[-1]:
            axes.set_xlabel("x, of all sites", fontsize=10)
        legend(figure)
        figure.suptitle("Does it move? Pre-activations by learning rate, seed and epoch")
    return folder / "moves.png"


GRADIENTS = {
    "gradient_out": "upstream: ∂L/∂σ(x)",
    "derivative": "reported derivative",
    "gradient_in": "passed on: ∂L/∂x",
}


def gradient(runs: Sequence[Probed], folder: Path) -> Path:
    """What comes from upstream, what is reported, what is passed on: a line for each epoch."""
    chosen = representatives(runs)
    with panels(folder / "gradient.png", len(chosen), 3) as (figure, grid):
        for row, run in zip(grid, chosen, strict=True):
            lr = [each for each in runs if each.act == run.act and each.lr == run.lr]
            for axes, quantity in zip(row, GRADIENTS, strict=True):
                draw = bars if quantity == "derivative" else magnitudes
                zero = "none"
                for epoch, colour in zip(run.recording.epochs, colours(run), strict=True):
                    own = [each for each in lr if epoch in each.recording.epochs]
                    found = sum_of([each.over_sites(quantity, epoch) for each in own])
                    draw(axes, found, color=colour, label=f"epoch {epoch}")
                    zero = f"{found.share('zero'):.1%} are 0" if found.seen else "none"
                axes.set_ylim(0, 1.3 * axes.dataLim.ymax if axes.has_data() else 1)
                corner = {"transform": axes.transAxes, "va": "top", "fontsize": 9.5}
                axes.text(0.03, 0.96, zero, **corner)
            row[0].set_ylabel(f"{run.act}\nshare of points", fontsize=10)
        drawn = [axes for axes in grid[:, [0, 2]].flat if axes.lines]
        if drawn:
            lows, highs = zip(*(axes.get_xlim() for axes in drawn), strict=True)
            for axes in grid[:, [0, 2]].flat:
                axes.set_xlim(min(lows), max(highs))
        for axes, title in zip(grid[0], GRADIENTS.values(), strict=True):
            axes.set_title(title, fontsize=10)
        for axes, quantity in zip(grid[-1], GRADIENTS, strict=True):
            signed = quantity == "derivative"
            axes.set_xlabel("value" if signed else "log₁₀ of its size", fontsize=10)
        legend(figure)
        figure.suptitle(f"Gradients at the sampled points; {origin(chosen, seeds=True)}")
    return folder / "gradient.png"


# Panels and what they show.


def of_site(
    axes: Axes, run: Probed, site: str, epochs: Sequence[int], current: int | None = None
) -> None:
    """The function's curve, and below it the density of its inputs at the epochs."""
    every = [run.recording.record(site, epoch) for epoch in run.recording.epochs]
    low, high = spread([record.distributions["input"] for record in every])
    value = curve(every[-1].pair, low, high)
    if value is not None:
        axes.plot(np.linspace(low, high, len(value)), value, color=FUNCTION, linewidth=1.2,
                  label="σ(x)", zorder=3)  # fmt: skip
    below: Any = axes.twinx()
    highest = 0.0
    for epoch, colour in zip(run.recording.epochs, colours(run), strict=True):
        found = run.recording.record(site, epoch).distributions["input"]
        highest = max(highest, float(found.density().max(initial=0)))
        if epoch in epochs:
            faint = current is not None and epoch != current
            line(below, found, color=colour, alpha=FAINT if faint else 1, label=f"epoch {epoch}")
            if epoch == current:
                centres = (found.edges[1:] + found.edges[:-1]) / 2
                below.fill_between(centres, found.density(), color=colour, alpha=0.3, linewidth=0)
    below.set_ylim(0, 1.6 * highest or 1)
    below.set_yticks([])
    below.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(low, high)


def curve(pair: str, low: float, high: float) -> np.ndarray | None:
    """The function of a pair on an interval; None if its text does not read back."""
    try:
        function = surrogate.get(pair).eval()
    except (ValueError, TypeError):
        return None
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        return function(torch.linspace(low, high, 801, dtype=torch.float64)).numpy()


def line(axes: Axes, found: Distribution, **style: Any) -> None:
    centres = (found.edges[1:] + found.edges[:-1]) / 2
    axes.plot(centres, found.density(), **{"linewidth": 1.2, **style})


def magnitudes(axes: Axes, found: Distribution, **style: Any) -> None:
    """Shares of log₁₀|value|, in quarters of a decade; those of 0 are left out."""
    half = len(found.edges) // 2
    size = found.counts[half + 1 : -1] + found.counts[half - 1 : 0 : -1]
    within = (size > RARE * size.max(initial=0)).nonzero()[0]
    if len(within):
        logs = np.log10(found.edges[half:])
        axes.plot((logs[1:] + logs[:-1]) / 2, size / found.seen, linewidth=1.2, **style)
        widen(axes, float(logs[within[0]]) - 0.5, float(logs[within[-1]]) + 0.5)


def bars(axes: Axes, found: Distribution, **style: Any) -> None:
    """Shares of values, by bin."""
    if found.finite:
        axes.stairs(found.counts[1:-1] / found.seen, found.edges, linewidth=1.2, **style)
        widen(axes, min(found.quantile(0.001), -0.1) - 0.2, max(found.quantile(0.999), 1.1) + 0.2)


def widen(axes: Axes, low: float, high: float) -> None:
    """Make the panel reach from low to high, and further if it was asked to before."""
    if getattr(axes, "asked", False):
        low, high = min(low, axes.get_xlim()[0]), max(high, axes.get_xlim()[1])
    axes.asked = True  # type: ignore[attr-defined]
    axes.set_xlim(low, high)


def spread(found: Sequence[Distribution]) -> tuple[float, float]:
    """An interval with nearly all of the values."""
    whole = sum_of(found)
    low, high = whole.quantile(0.003), whole.quantile(0.997)
    if not low < high:
        low, high = (low - 1, high + 1) if np.isfinite(low) else (-1.0, 1.0)
    margin = 0.1 * (high - low)
    return low - margin, high + margin


def sum_of(found: Sequence[Distribution]) -> Distribution:
    first, *others = found
    return sum(others, first)


def sites(run: Probed) -> list[str]:
    """A few of the sites, from the first to the last."""
    known = run.recording.sites
    chosen = np.linspace(0, len(known) - 1, min(SITES, len(known))).round().astype(int)
    return [known[i] for i in chosen]


def representatives(runs: Sequence[Probed]) -> list[Probed]:
    """A run of each activation: of the middle learning rate, of the first seed."""
    groups = list(by_act(runs).values())[:ROWS]
    return [
        min((run for run in own if run.lr == middle_rate(own)), key=lambda run: run.seed)
        for own in groups
    ]


def origin(chosen: Sequence[Probed], seeds: bool = False) -> str:
    """The learning rate and the seed of what is shown."""
    known = ", ".join(f"{lr:g}" for lr in rates(chosen))
    return f"learning rate {known}, " + ("all seeds" if seeds else f"seed {chosen[0].seed}")


def colours(run: Probed) -> np.ndarray:
    """One for each epoch, the later the darker."""
    from matplotlib import colormaps

    return colormaps["viridis_r"](np.linspace(0.15, 1, len(run.recording.epochs)))


def captions(grid: Any, chosen: Sequence[Probed]) -> None:
    for row, run in zip(grid, chosen, strict=True):
        row[0].set_ylabel(f"{run.act}\nσ(x)", fontsize=10)
        for axes, site in zip(row, sites(run), strict=False):
            axes.set_title(site.removeprefix("network."), fontsize=9.5)
    for axes in grid[-1]:
        axes.set_xlabel("x", fontsize=10)


def legend(figure: Figure) -> None:
    """One for all panels: epochs in their order, whatever panel has them first."""
    lines: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    names = sorted(lines, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
    columns = 3 if any(len(name) > 10 for name in names) else 5  # as wide as the figure
    figure.legend(
        [lines[name] for name in names],
        names,
        loc="outside lower center",
        ncols=max(1, min(len(names), columns)),
        frameon=False,
        fontsize=9.5,
    )


def tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
    axes.grid(linewidth=0.4, alpha=0.4)


@contextmanager
def drawing(rows: int, columns: int, dpi: int = 110) -> Iterator[tuple[Figure, Any]]:
    """A figure of panels."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, grid = pyplot.subplots(
        rows,
        columns,
        figsize=(max(2.1 * columns, 6.5), 1.6 * rows + 1.2),
        dpi=dpi,
        squeeze=False,
        layout="constrained",
    )
    for axes in grid.flat:
        tidy(axes)
    try:
        yield figure, grid
    finally:
        pyplot.close(figure)


@contextmanager
def panels(path: Path, rows: int, columns: int) -> Iterator[tuple[Figure, Any]]:
    """A figure of panels that is saved at the end."""
    with drawing(rows, columns) as (figure, grid):
        yield figure, grid
        picture(figure).save(path, optimize=True)


def picture(figure: Figure) -> Image:
    """The figure as pixels of few colours."""
    from PIL.Image import fromarray

    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    return fromarray(pixels).convert("RGB").quantize(PALETTE)
