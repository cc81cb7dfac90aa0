"""The figures of a report: loss curves, and for studies the ranking and the learning rates."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.report.statistics import (
    Group,
    Standing,
    comparable,
    differing_settings,
    experiment_of,
    groups,
    several_rates,
    standings,
)
from experiments.runs.records import Record
from experiments.training.metrics import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Okabe and Ito's colours, told apart with any colour vision; black is kept for the baseline.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#999999")
DASHES = ("solid", "dashed", "dotted", "dashdot")
NAME = 0.21  # inches that the name of a line takes


def draw(found: Sequence[Record], folder: Path, baseline: str) -> list[Path]:
    """Draws the loss curves to loss.png and loss.svg, the same bytes for the same runs."""
    names = {record.result["act"] for record in found}
    with figure(folder, "loss", height=room(len(names))) as (axes, paths):
        curves(axes, found, baseline)
    return paths


def draw_study(
    found: Sequence[Record], folder: Path, baseline: str, metric: str = "test_loss"
) -> list[Path]:
    """Draws the figures of a study: loss, rank and, of several learning rates, learning_rate."""
    results = [record.result for record in found]
    ranked = standings(results, baseline, metric)
    every = groups(results, metric)
    rows = {id(record.result): record.rows for record in found}
    paths: list[Path] = []
    with figure(folder, "loss", height=room(len(ranked))) as (axes, files):
        bands(axes, [standing.group for standing in ranked], rows, baseline)
    paths += files
    with figure(folder, "rank", height=1.5 + 0.35 * len(ranked)) as (axes, files):
        ranking(axes, ranked, baseline)
    paths += files
    if several_rates(every):
        with figure(folder, "learning_rate", height=room(len(ranked))) as (axes, files):
            sensitivity(axes, ranked, baseline)
        paths += files
    return paths


def room(names: int) -> float:
    """The height of a figure that has so many names beside its lines."""
    return max(5.0, 1 + NAME * names)


@contextmanager
def figure(folder: Path, name: str, height: float = 5) -> Iterator[tuple[Axes, list[Path]]]:
    """Axes to draw on, and the files they are saved to: the same bytes for the same drawing."""
    import matplotlib  # only here: the table does not need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    paths = [folder / f"{name}.png", folder / f"{name}.svg"]
    settings: dict[Any, Any] = {
        "svg.hashsalt": "surrogate",
        "svg.fonttype": "none",
        "text.parse_math": False,  # a name with $ is no formula
    }
    with pyplot.rc_context(settings):
        drawing, axes = pyplot.subplots(figsize=(8, height), layout="constrained")
        try:
            yield axes, paths
            for path in paths:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                drawing.savefig(path, dpi=150, metadata=metadata)
        finally:
            pyplot.close(drawing)


def curves(axes: Axes, found: Sequence[Record], baseline: str = "linear") -> None:
    """Draws the test loss of each run by epoch, on a log scale, each named at its end.

    Runs of one activation share a colour; the baseline is black.
    """
    styles = line_styles([record.result["act"] for record in found if record.rows], baseline)
    ends: dict[str, tuple[float, float]] = {}
    for record in found:
        rows = [row for row in record.rows if row["loss/test"] > 0]
        if not rows:
            continue
        epochs = [row["epoch"] for row in rows]
        losses = [row["loss/test"] for row in rows]
        act = record.result["act"]
        marker = "o" if len(epochs) < 20 else None
        axes.plot(epochs, losses, marker=marker, markersize=3, linewidth=1.5, **styles[act])
        ends.setdefault(act, (epochs[-1], losses[-1]))
    over_epochs(axes, ends, styles, unit([record.result for record in found]))


def bands(
    axes: Axes, chosen: Sequence[Group], rows: Mapping[int, Sequence[Row]], baseline: str
) -> None:
    """Draws the test loss over the seeds of each group: geometric mean, and a deviation each side.

    An epoch counts the seeds that got there; of a group that lost some, its name says how many.
    """
    names = [
        f"{name}  ({len(group.sample.values)} of {len(group.results)})"
        if len(group.sample.values) < len(group.results)
        else name
        for name, group in zip(labels(chosen), chosen, strict=True)
    ]
    styles = line_styles([group.act for group in chosen], baseline)
    lines, ends = {}, {}
    for name, group in zip(names, chosen, strict=True):
        logs: dict[float, list[float]] = {}
        for result in group.results:
            for row in rows[id(result)]:
                if row["loss/test"] > 0:
                    logs.setdefault(row["epoch"], []).append(math.log(row["loss/test"]))
        if not logs:
            continue
        epochs = sorted(logs)
        means = np.array([np.mean(logs[epoch]) for epoch in epochs])
        spans = np.array([np.std(each, ddof=1) if len(each := logs[e]) > 1 else 0 for e in epochs])
        style = styles[group.act]
        marker = "o" if len(epochs) < 20 else None
        axes.plot(epochs, np.exp(means), marker=marker, markersize=3, linewidth=1.5, **style)
        low, high = np.exp(means - spans), np.exp(means + spans)
        axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
        lines[name] = style
        ends[name] = (epochs[-1], float(np.exp(means[-1])))
    every = [result for group in chosen for result in group.results]
    over_epochs(axes, ends, lines, unit(every))
    axes.set_title("mean over seeds ± standard deviation, of the logarithm", fontsize=9, loc="left")


def ranking(axes: Axes, ranked: Sequence[Standing], baseline: str) -> None:
    """Draws the metric of each activation, the best on top: its seeds, their mean, and what is new.

    A filled mark is one that is better or worse than the baseline, or the same; an open one leaves
    that open. The line through it is the interval of the difference to the baseline, of which 0 is
    put at the baseline's mean.
    """
    chosen = [standing.group for standing in ranked]
    styles = line_styles([group.act for group in chosen], baseline)
    zeros = {comparable(each): each.sample.mean for each in chosen if each.act == baseline}
    names = []
    for place, (name, standing) in enumerate(zip(labels(chosen), ranked, strict=True)):
        group, difference = standing.group, standing.difference
        colour = styles[group.act]["color"]
        values, average = list(group.sample.values.values()), group.sample.mean
        names.append(f"{name}  ({len(values)} of {len(group.results)})")
        axes.plot(values, [place] * len(values), "|", color=colour, alpha=0.6, markersize=9)
        judgement = difference and difference.judgement
        if difference and judgement:
            average = zeros[comparable(group)] + difference.mean
            ends = [zeros[comparable(group)] + limit for limit in judgement.interval]
            axes.plot(ends, [place, place], color=colour, linewidth=1.5)
        unknown = difference and (judgement is None or judgement.word == "open")
        face = "white" if unknown else colour
        axes.plot([average], [place], "o", color=colour, markerfacecolor=face, markersize=6)
        if group.act == baseline and values:
            axes.axvline(average, color="black", linewidth=0.8, linestyle="dotted")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(readable(ranked[0].group.metric))
    low, high = axes.get_xlim()
    if not ranked[0].group.higher_is_better and not 0 < high < 3 * low:
        axes.set_xscale("log")
        plain_labels(axes.xaxis, within_a_decade="1235")
    axes.grid(axis="x", which="both", linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(
        f"seeds, mean, interval of the difference to {baseline} (filled: better, worse or same)",
        fontsize=9,
        loc="left",
    )


def sensitivity(axes: Axes, ranked: Sequence[Standing], baseline: str) -> None:
    """Draws the mean of the metric over learning rates, a line for each activation.

    A cross on the upper edge is a learning rate with which a run did not finish.
    """
    chosen = [standing.group for standing in ranked]
    styles = line_styles([group.act for group in chosen], baseline)
    rates = set()
    for name, standing in zip(labels(chosen), ranked, strict=True):
        style = styles[standing.group.act]
        own = sorted([standing.group, *standing.others], key=lambda group: group.lr)
        rates |= {group.lr for group in own}
        done = [group for group in own if group.sample.values]
        axes.errorbar(
            [group.lr for group in done],
            [group.sample.mean for group in done],
            [group.sample.deviation or 0 for group in done],
            marker="o",
            markersize=4,
            linewidth=1.5,
            capsize=2,
            label=name,
            **style,
        )
        lost = [group.lr for group in own if len(group.sample.values) < len(group.results)]
        edge = axes.get_xaxis_transform()
        axes.plot(lost, [0.99] * len(lost), "x", transform=edge, color=style["color"])
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.set_xticks(sorted(rates), [f"{rate:g}" for rate in sorted(rates)])
    if not chosen[0].higher_is_better:
        axes.set_yscale("log")
        plain_labels(axes.yaxis)
    axes.set_xlabel("learning rate")
    axes.set_ylabel(f"{readable(chosen[0].metric)}, mean ± standard deviation")
    axes.grid(which="both", linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("runs that finished (× at the top: where some did not)", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))


def readable(metric: str) -> str:
    return metric.replace("_", " ")


def labels(found: Sequence[Group]) -> list[str]:
    """A name for each group: its activation, and the settings in which those of it differ."""
    names = []
    for group in found:
        own = [each for each in found if each.act == group.act]
        differing = differing_settings(own)
        settings = (f"{key}={group.settings[key]}" for key in differing if key in group.settings)
        names.append(" ".join([group.act, *settings]))
    return names


def line_styles(acts: Sequence[str], baseline: str) -> dict[str, dict[str, Any]]:
    """A colour and dash for each activation; black is the baseline's."""
    others = [act for act in dict.fromkeys(acts) if act != baseline]
    return {
        act: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % 4]}
        for i, act in enumerate(others)
    } | {baseline: {"color": "black", "linestyle": "solid"}}


def over_epochs(
    axes: Axes,
    ends: Mapping[str, tuple[float, float]],
    styles: Mapping[str, dict[str, Any]],
    loss: str,
) -> None:
    """Axes of a loss over epochs, on a log scale, and a name at the end of each line."""
    from matplotlib.ticker import MaxNLocator

    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"test loss ({loss})" if loss else "test loss")
    axes.grid(which="both", linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_labels(axes.yaxis)
    low, high = (math.log(limit) for limit in axes.get_ylim())
    drawing = axes.get_figure(root=True)
    assert drawing is not None
    gap = (high - low) * NAME / drawing.get_size_inches()[1]
    places = within(spread([math.log(loss) for _, loss in ends.values()], gap), gap, low, high)
    for (name, end), place in zip(ends.items(), places, strict=True):
        axes.annotate(
            name,
            end,
            (1.02, (place - low) / (high - low)),
            textcoords="axes fraction",
            verticalalignment="center",
            color=styles[name]["color"],
            fontsize=9,
            arrowprops={
                "arrowstyle": "-",
                "linewidth": 0.5,
                "color": styles[name]["color"],
                "relpos": (0, 0.5),  # to where the name begins
            },
        )


def unit(results: Sequence[Mapping[str, Any]]) -> str:
    """What the loss of the results is; empty if they are of several experiments."""
    experiment = experiment_of(results)
    return experiment.unit if experiment else ""


def plain_labels(axis: Axis, within_a_decade: str = "123456789") -> None:
    """Numbers such as 0.02 along a log scale: those that begin with 1, 2, 5, or others if few."""
    low, high = axis.get_view_interval()
    digits = within_a_decade if high < 10 * low else "125"

    def labelled(value: float, position: float | None = None) -> str:
        return f"{value:g}" if f"{value:e}"[0] in digits else ""

    axis.set_major_formatter(labelled)
    axis.set_minor_formatter(labelled)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Moves places apart to at least the gap, as little as may be, keeping their order.

    >>> spread([1.0, 1.0, 5.0], 2.0)
    [0.0, 2.0, 5.0]
    """
    groups: list[list[int]] = []  # neighbours that touch, centred on where they want to be
    for index in sorted(range(len(places)), key=lambda index: places[index]):
        groups.append([index])
        while len(groups) > 1 and first(groups[-1], places, gap) < (
            first(groups[-2], places, gap) + gap * len(groups[-2])
        ):
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = {
        index: first(group, places, gap) + gap * rank
        for group in groups
        for rank, index in enumerate(group)
    }
    return [moved[index] for index in range(len(places))]


def within(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves places that are a gap apart into the limits, the lower one first, keeping the gaps.

    >>> within([-1.0, 1.0, 6.0], 2.0, 0.0, 5.0)
    [0.0, 2.0, 5.0]
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for rank, index in enumerate(order):
        above = gap * (len(order) - 1 - rank)
        moved[index] = max(low + gap * rank, min(moved[index], high - above))
    return moved


def first(group: Sequence[int], places: Sequence[float], gap: float) -> float:
    """The lowest place of a group that is spread around its mean."""
    return sum(places[index] for index in group) / len(group) - gap * (len(group) - 1) / 2
