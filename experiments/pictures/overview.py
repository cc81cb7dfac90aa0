"""What a fake derivative is, in one picture: four pairs, and how networks of them learn.

    python -m experiments.overview docs/results/autoencoder.jsonl -o docs/images

On the left the function of each pair with its true and its reported derivative, on the right the
loss curves of the runs. The README shows the result, overview.png.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes

import surrogate
from experiments.analysis.report import curves as loss_curves
from experiments.runs.records import records
from surrogate.diagnostics.plot import curves, draw, sample

PAIRS = ("cantor2", "staircase_blurred", "heaviside_blurred", "relu_blurred")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.overview", allow_abbrev=False)
    parser.add_argument("runs", type=Path, help="of an experiment: runs/autoencoder")
    parser.add_argument("-o", "--output", type=Path, default=Path(), help="folder for overview.png")
    given = parser.parse_args(arguments)
    found, problems = records(given.runs)
    for problem in problems or [f"no finished run in {given.runs}"] * (not found):
        print(f"error: {problem}", file=sys.stderr)
    if problems or not found:
        return 2

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure = pyplot.figure(figsize=(12, 5), layout="constrained")
    halves = figure.add_gridspec(1, 2, width_ratios=(1.15, 1))
    left, right = figure.add_subfigure(halves[0]), figure.add_subfigure(halves[1])
    panels = left.subplots(2, 2, sharex=True)
    for panel, name in zip(panels.flat, PAIRS, strict=True):
        draw_pair(panel, name)
    left.suptitle("what is computed, and what is reported as its derivative", fontsize=11)
    for panel in panels[-1]:
        panel.set_xlabel("x", fontsize=9)
    lines, labels = panels[0, 0].get_legend_handles_labels()
    left.legend(lines, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    axes = right.subplots()
    loss_curves(axes, found)
    axes.set_title("Fashion-MNIST autoencoder, by its activation", fontsize=11)
    given.output.mkdir(parents=True, exist_ok=True)
    figure.savefig(given.output / "overview.png", dpi=150)
    pyplot.close(figure)
    print(given.output / "overview.png")
    return 0


def draw_pair(axes: Axes, name: str) -> None:
    """The function of a pair, its true derivative and its reported one, from −1.5 to 1.5."""
    pair = surrogate.get(name)
    draw(axes, curves(pair, sample(-1.5, 1.5)))
    axes.set_title(f"{name}\n{pair}", fontsize=9, loc="left")
    axes.tick_params(labelsize=8)
