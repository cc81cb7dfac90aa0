"""Runs side by side: the table of their losses, and their curves.

    python -m experiments.report runs/autoencoder

The table is the one that the experiment's command ends with; the figure is loss.png and loss.svg.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import Record, flat, records

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart with any colour vision; black is kept for the baseline.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#999999")
DASHES = ("solid", "dashed", "dotted", "dashdot")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 1 if a result was damaged, 2 if there was none."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.report",
        description="Prints the table of an experiment's runs and draws loss.png and loss.svg.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="the runs of an experiment: runs/autoencoder")
    parser.add_argument("-o", "--output", type=Path, help="folder for the figure (default: folder)")
    parser.add_argument("--baseline", default="linear", help="activation to compare with")
    given = parser.parse_args(arguments)
    try:
        return report(given.folder, given.output or given.folder, given.baseline)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def report(folder: Path, output: Path, baseline: str) -> int:
    found, problems = records(folder)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(f"error: no finished run in {folder}", file=sys.stderr)
        return 2
    found.sort(key=lambda record: (record.result["test_loss"] or math.inf, str(record.directory)))
    print(table([record.result for record in found], baseline))
    output.mkdir(parents=True, exist_ok=True)
    for path in draw(found, output, baseline):
        print(path)
    return 1 if problems else 0


def table(results: Sequence[Mapping[str, Any]], baseline: str) -> str:
    """The results as aligned text; the ratio is to the baseline of the same seed and settings.

    Where settings differ between the runs, a column says those that do. The baseline is never
    annealed, so that setting is no difference from it.
    """
    settings = [flat({"seed": result["seed"], **result["config"]}) for result in results]
    differing = [
        name
        for name in dict.fromkeys(name for each in settings for name in each)
        if len({str(each.get(name)) for each in settings}) > 1
    ]
    comparable = [
        str({name: value for name, value in each.items() if not name.startswith("anneal.")})
        for each in settings
    ]
    reference = {
        each: result["test_loss"]
        for result, each in zip(results, comparable, strict=True)
        if result["act"] == baseline
    }
    ratio = f"/ {baseline}" if baseline != "none" else "/ –"
    header = ["activation", "test loss", ratio, "best epoch", "epochs", "images/s", "status"]
    lines = [header + ["settings"] * bool(differing)]
    for result, each, key in zip(results, settings, comparable, strict=True):
        loss, base = result["test_loss"], reference.get(key)
        numbers = [
            formatted(loss, ".5f"),
            formatted(loss / base if loss is not None and base else None, ".3f"),
            formatted(result["best_epoch"], "d"),
            formatted(result["epochs"], "d"),
            formatted(result["images_per_second"], ",.0f"),
        ]
        line = [result["act"], *numbers, result["status"]]
        if differing:
            line.append(" ".join(f"{name}={each[name]}" for name in differing if name in each))
        lines.append(line)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 1 <= column <= 5 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def formatted(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def draw(found: Sequence[Record], folder: Path, baseline: str) -> list[Path]:
    """Draws the loss curves to loss.png and loss.svg, the same bytes for the same runs."""
    import matplotlib  # only here: the table does not need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    paths = [folder / "loss.png", folder / "loss.svg"]
    with pyplot.rc_context({"svg.hashsalt": "surrogate", "svg.fonttype": "none"}):
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        curves(axes, found, baseline)
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            figure.savefig(path, dpi=150, metadata=metadata)
        pyplot.close(figure)
    return paths


def curves(axes: Axes, found: Sequence[Record], baseline: str = "linear") -> None:
    """Draws the test loss of each run by epoch, on a log scale, each named at its end.

    Runs of one activation share a colour; the baseline is black.
    """
    from matplotlib.ticker import MaxNLocator

    acts = list(dict.fromkeys(record.result["act"] for record in found if record.rows))
    others = [act for act in acts if act != baseline]
    styles: dict[str, dict[str, Any]] = {
        act: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % 4]}
        for i, act in enumerate(others)
    } | {baseline: {"color": "black", "linestyle": "solid"}}
    ends: dict[str, tuple[float, float]] = {}
    for record in found:
        if not record.rows:
            continue
        epochs = [row["epoch"] for row in record.rows]
        losses = [row["loss/test"] for row in record.rows]
        act = record.result["act"]
        marker = "o" if len(epochs) < 20 else None
        axes.plot(epochs, losses, marker=marker, markersize=3, linewidth=1.5, **styles[act])
        ends.setdefault(act, (epochs[-1], losses[-1]))
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("test loss (mean squared error)")
    axes.grid(which="both", linewidth=0.4, alpha=0.4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    low, high = (math.log(limit) for limit in axes.get_ylim())
    within_a_decade = high - low < math.log(10)

    def labelled(loss: float, position: float | None = None) -> str:
        return f"{loss:g}" if within_a_decade or f"{loss:e}"[0] in "125" else ""

    axes.yaxis.set_major_formatter(labelled)
    axes.yaxis.set_minor_formatter(labelled)
    places = spread([math.log(loss) for _, loss in ends.values()], (high - low) / 24)
    for (act, end), place in zip(ends.items(), places, strict=True):
        axes.annotate(
            act,
            end,
            (1.02, (place - low) / (high - low)),
            textcoords="axes fraction",
            verticalalignment="center",
            color=styles[act]["color"],
            fontsize=9,
            arrowprops={"arrowstyle": "-", "linewidth": 0.5, "color": styles[act]["color"]},
        )


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


def first(group: Sequence[int], places: Sequence[float], gap: float) -> float:
    """The lowest place of a group that is spread around its mean."""
    return sum(places[index] for index in group) / len(group) - gap * (len(group) - 1) / 2


if __name__ == "__main__":
    sys.exit(main())
