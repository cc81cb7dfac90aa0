"""Two figures of audits: over training, and by layer and step length at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.analysis.audit.files import Audited
from experiments.analysis.audit.tables import Quantity, bound, by_act, epochs_of, over_seeds, total
from experiments.analysis.report.figures import line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = "osd^vPX*"
KNOWN = 0.25  # the largest standard error of a layer's share that is drawn


def draw(found: Sequence[Audited], folder: Path) -> list[Path]:
    """Draws audit.png and audit_layers.png."""
    import matplotlib  # only here: the table does not need it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    groups = by_act(found)
    # Lines may lie on each other: each is thinner than the one below it, its marks smaller.
    looks = {
        act: {
            **line_styles(list(groups), "")[act],
            "marker": MARKS[place % len(MARKS)],
            "markersize": 4 + 5.5 * (1 - place / len(groups)),
            "markeredgecolor": "white",
            "markeredgewidth": 0.6,
            "linewidth": 1.2 + 2.8 * (1 - place / len(groups)),
        }
        for place, act in enumerate(groups)
    }
    paths = []
    for name, panels in {
        "audit": OVER_TRAINING,
        "audit_layers": (true_by_layer, kept_by_layer, line_search),
    }.items():
        columns = 2 if len(panels) == 4 else 3
        rows = -(-len(panels) // columns)
        size = (4.2 * columns, 3.2 * rows + 0.5)
        drawing, axes = pyplot.subplots(rows, columns, figsize=size, layout="constrained")
        for panel, draw_panel in zip(axes.flat, panels, strict=True):
            draw_panel(panel, groups, looks)
            panel.grid(linewidth=0.4, alpha=0.4)
            panel.spines[["top", "right"]].set_visible(False)
        lines, labels = axes.flat[0].get_legend_handles_labels()
        drawing.legend(
            lines, labels, loc="outside lower center", ncols=min(len(labels), 6), frameon=False
        )
        paths.append(folder / f"{name}.png")
        drawing.savefig(paths[-1], dpi=120)
        pyplot.close(drawing)
    return paths


Groups = Mapping[str, Sequence[Audited]]
Looks = Mapping[str, Mapping[str, Any]]


class OverTraining:
    """A panel of a quantity by epoch: mean over seeds, and a standard deviation each side."""

    def __init__(
        self, title: str, quantity: Quantity, limits: tuple[float, float] | None = None
    ) -> None:
        self.title = title
        self.quantity = quantity
        self.limits = limits

    def __call__(self, axes: Axes, groups: Groups, looks: Looks) -> None:
        from matplotlib.ticker import MaxNLocator

        if self.limits is not None:
            axes.axhline(1, color="black", linewidth=0.8, linestyle="dotted")
            axes.set_ylim(*self.limits)
        for act, found in groups.items():
            epochs, low, middle, high = [], [], [], []
            for epoch in epochs_of(found):
                values = over_seeds(found, self.quantity, epoch)
                if values and all(map(math.isfinite, values)):
                    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                    mean = float(np.mean(values))
                    epochs.append(epoch)
                    low.append(mean - spread)
                    middle.append(mean)
                    high.append(mean + spread)
            axes.plot(epochs, middle, label=act, **looks[act])
            axes.fill_between(epochs, low, high, color=looks[act]["color"], alpha=0.15, linewidth=0)
        axes.set_title(self.title, fontsize=10, loc="left")
        axes.set_xlabel("epochs trained")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


COSINES, SHARES = (-1.05, 1.05), (-0.5, 1.5)

OVER_TRAINING = (
    OverTraining("cosine with the true gradient", total("cosine"), COSINES),
    OverTraining("cosine with the smoothed one is at least", bound, COSINES),
    OverTraining("share of the promised slope that is kept", total("kept"), SHARES),
    OverTraining("signal to noise between batches", total("signal_to_noise")),
)


def last(found: Audited) -> int:
    return max(found.epochs)


def true_by_layer(axes: Axes, groups: Groups, looks: Looks) -> None:
    """Where the true gradient is 0 there is no cosine, and no mark."""
    for act, found in groups.items():
        by_seed = np.array([each.column("cosine", last(each), "layer") for each in found])
        places = range(1, by_seed.shape[1] + 1)
        axes.plot(places, by_seed.mean(0), label=act, **looks[act])
    axes.set_ylim(*COSINES)
    layered(axes, "cosine with the true gradient, at the end")


def kept_by_layer(axes: Axes, groups: Groups, looks: Looks) -> None:
    """Layers of which too little is known are left out."""
    axes.axhline(1, color="black", linewidth=0.8, linestyle="dotted")
    for act, found in groups.items():
        values = np.array([each.column("kept", last(each), "layer") for each in found])
        errors = np.array([each.column("kept_error", last(each), "layer") for each in found])
        error = np.sqrt((errors**2).sum(0)) / len(found)
        places = np.flatnonzero(error <= KNOWN)
        axes.errorbar(
            places + 1,
            values.mean(0)[places],
            error[places],
            elinewidth=0.8,
            **looks[act],
        )
    axes.set_ylim(*SHARES)
    layered(axes, "share of the promised slope that is kept")


def layered(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel("layer, from the input on")


def line_search(axes: Axes, groups: Groups, looks: Looks) -> None:
    axes.axhline(1, color="black", linewidth=0.8, linestyle="dotted")
    axes.axhline(0, color="black", linewidth=0.8)
    for act, found in groups.items():
        shares: dict[float, list[float]] = {}
        for each in found:
            for length, promised, fell, _ in each.of_epoch("steps", last(each)):
                if promised and fell is not None:
                    shares.setdefault(length, []).append(fell / promised)
        means = [float(np.mean(values)) for values in shares.values()]
        axes.plot([*shares], means, **looks[act])
    axes.set_xscale("log")
    axes.set_ylim(bottom=-1)
    axes.set_title("fall of the loss / what is promised", fontsize=10, loc="left")
    axes.set_xlabel("length of the step")
