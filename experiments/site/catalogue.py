"""Everything that there is, on one page: formulas, sources, and a small figure of each.

    python -m experiments.catalogue -o docs/catalogue.md

The figures go into the folder that is called as the page is: docs/catalogue/functions/ReLU.svg …
"""

from __future__ import annotations

import argparse
import inspect
import io
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

import surrogate
import surrogate.catalogue
from surrogate import SurrogateActivation
from surrogate.core.registry import Registry
from surrogate.derivatives.base import Derivative, derivatives
from surrogate.diagnostics.plot import POINTS, STYLES, Line, curves, draw, sample
from surrogate.functions.base import functions

REGISTRIES: dict[str, Registry[Any]] = {
    "functions": functions,
    "derivatives": derivatives,
    "pairs": surrogate.catalogue.catalogue,
}

# What a figure shows where the defaults show too little, or where there are none.
SHOWN = {
    "FakeQuantize": "FakeQuantize(quant_min=-2, quant_max=1)",
    "Threshold": "Threshold(threshold=1.0, replacement=-0.5)",
    "UniformQuantizer": "UniformQuantizer(bits=2)",
    "Blurred": "Staircase() / Blurred(width=0.3)",
    "Centralise": "Heaviside() / Centralise(derivative=Gaussian())",
    "ClipNorm": "Heaviside() / ClipNorm(limit=10.0, derivative=Gaussian())",
    "ClipValue": "Heaviside() / ClipValue(limit=0.5, derivative=Gaussian())",
    "DerivativeOf": "Staircase() / DerivativeOf(SoftStaircase())",
    "Directional": "ReLU() / Directional(Exact(), Constant())",
    "EWGS": "Staircase() / EWGS(delta=0.5)",
    "Exact": "SoftStaircase() / Exact()",
    "GradientNoise": "Heaviside() / GradientNoise(std=0.1)",
    "Noisy": "Heaviside() / Noisy(Gaussian(), std=0.1)",
    "Perturbed": "Staircase() / Perturbed(width=0.3)",
    "Split": "Heaviside() / Split(Constant(0.5), Gaussian())",
    "Towards": "Clamp() / Towards(low=0.0, high=1.0)",
}
# From where to where, if that is not −3 to 3.
ENDS = {
    **dict.fromkeys(("Cantor", "cantor", "cantor2"), (-0.5, 1.5)),
    **dict.fromkeys(("ReLU6", "relu6", "GeneralReLU", "general_relu"), (-3.0, 9.0)),
    **dict.fromkeys(("LightReLU", "light_relu"), (-10.0, 10.0)),
    **dict.fromkeys(("Sin", "sin", "Cosines"), (-8.0, 8.0)),
    **dict.fromkeys(("TriangleWave", "SquareWave", "SawtoothWave"), (-6.0, 6.0)),
    **dict.fromkeys(("Hardsigmoid", "hardsigmoid", "Hardswish", "hardswish"), (-5.0, 5.0)),
    **dict.fromkeys(("Sigmoid", "sigmoid", "LogSigmoid", "logsigmoid"), (-5.0, 5.0)),
    **dict.fromkeys(("perlin", "perlin4"), (-1.5, 1.5)),
    "perlin16": (-0.5, 0.5),
    **dict.fromkeys(("Polynomial", "UniformQuantizer", "SwishSign"), (-1.5, 1.5)),
    "MultiSpike": (-1.0, 5.0),
}
POINTS_OF_NOISE = 90  # fewer, so that each is seen
NOISY = ("Noisy", "Uniform", "Perturbed", "GradientNoise", "relu_noisy")

SETTINGS: Any = {
    "svg.hashsalt": "surrogate",
    "svg.fonttype": "none",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "axes.linewidth": 0.6,
}


@dataclass(frozen=True)
class Entry:
    """A registered thing, as the page has it."""

    kind: str
    name: str

    @property
    def factory(self) -> Callable[..., Any]:
        return REGISTRIES[self.kind][self.name]

    @property
    def pair(self) -> SurrogateActivation:
        """The pair that its figure shows."""
        text = SHOWN.get(self.name, self.name if self.kind == "pairs" else f"{self.name}()")
        if self.kind == "functions":
            text = f"{text} / Exact()"
        elif self.kind == "derivatives" and self.name not in SHOWN:
            text = f"Heaviside() / {text}"
        return surrogate.get(text).eval()

    @property
    def shows_function(self) -> bool:
        """Whether its figure shows the function: not for a derivative that is the same for all."""
        pair = self.pair
        return self.kind != "derivatives" or pair.derivative.bind(pair.function) != pair.derivative

    @property
    def points(self) -> Tensor:
        low, high = ENDS.get(self.name, (-3.0, 3.0))
        return sample(low, high, POINTS_OF_NOISE if self.name in NOISY else POINTS)

    @property
    def figure(self) -> str:
        return f"{self.kind}/{self.name}.svg"

    @property
    def anchor(self) -> str:
        return f"{self.kind}-{self.name}"

    @property
    def call(self) -> str:
        """`Cantor(depth=9, extend='repeat')`: how it is called, with the defaults."""
        parameters = inspect.signature(self.factory).parameters.values()
        arguments = (str(each.replace(annotation=each.empty)) for each in parameters)
        return f"{self.name}({', '.join(arguments)})"

    @property
    def family(self) -> str:
        """The module that it is from; named pairs have none."""
        return "" if self.kind == "pairs" else self.factory.__module__


def entries() -> Iterator[Entry]:
    """All that is registered."""
    for kind, registry in REGISTRIES.items():
        yield from (Entry(kind, name) for name in registry)


def shown(entry: Entry) -> dict[str, Line]:
    """The lines of the figure by their labels; what is drawn at random is so from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lines = curves(entry.pair, entry.points)
    unwanted = {
        "function": not entry.shows_function,
        "true derivative": entry.kind == "derivatives",
    }
    return {
        label: line
        for label, line in lines.items()
        if not unwanted.get(label, entry.kind == "functions")
    }


def svg(lines: Mapping[str, Line]) -> str:
    """A small figure, the same text for the same lines."""
    figure = Figure(figsize=(3.0, 1.6))
    axes = figure.add_axes((0.1, 0.12, 0.86, 0.85))
    draw(axes, lines)
    axes.locator_params(axis="x", nbins=7)
    axes.locator_params(axis="y", nbins=4)
    axes.tick_params(width=0.6, length=2)
    return written(figure)


def legend() -> str:
    """The figure that says what the lines are."""
    figure = Figure(figsize=(7.4, 0.3))
    lines = [Line2D([], [], label=label, **style) for label, style in STYLES.items()]
    figure.legend(handles=lines, ncols=len(lines), loc="center", frameon=False)
    return written(figure)


def written(figure: Any) -> str:
    """The figure as SVG, with coordinates to a hundredth of a point."""
    file = io.StringIO()
    figure.savefig(
        file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
    )
    return re.sub(r" +\n", "\n", re.sub(r"(\.\d\d)\d+", r"\1", file.getvalue()))


def page(figures: str) -> str:
    """The page, in Markdown; `figures` is where they are, seen from it."""
    counted = {kind: len(registry) for kind, registry in REGISTRIES.items()}
    parts = [
        "# Catalogue",
        f"{counted['functions']} functions, {counted['derivatives']} derivatives and "
        f"{counted['pairs']} named pairs, each with its arguments and their defaults. Any function "
        "goes with any derivative. This page is written from the docstrings by "
        "`python -m experiments.catalogue -o docs/catalogue.md`.",
        f'<img src="{figures}/legend.svg" alt="The lines of the figures" width="740">',
        "In formulas x is the input, g the upstream gradient (`grad_output`), F the pair's "
        "function, s the logistic sigmoid. The figures show what is reported to x as a slope, "
        "`grad_input` / g; where it depends on g, for g = 1 and for g = −1.",
        "[Functions](#functions) · [Derivatives](#derivatives) · [Named pairs](#named-pairs)",
    ]
    intros = {
        "Functions": surrogate.functions.__doc__,
        "Derivatives": sys.modules[Derivative.__module__].__doc__,
        "Named pairs": surrogate.catalogue.__doc__,
    }
    for (title, intro), kind in zip(intros.items(), REGISTRIES, strict=True):
        listed = [entry for entry in entries() if entry.kind == kind]
        index = " ".join(f"[`{entry.name}`](#{entry.anchor})" for entry in listed)
        parts += [f"## {title}", rendered(intro), index]
        for family in dict.fromkeys(entry.family for entry in listed):
            if family:
                heading = family.rpartition(".")[2].capitalize()
                parts += [f"### {heading}", rendered(sys.modules[family].__doc__)]
            rows = [row(entry, figures) for entry in listed if entry.family == family]
            parts += ["<table>", *rows, "</table>"]
    return "\n\n".join(parts) + "\n"


def row(entry: Entry, figures: str) -> str:
    """An entry of the page: its figure, and what it says of itself."""
    lines = [f"**`{entry.call}`**"]
    if entry.kind == "pairs":
        lines.append(f"`{surrogate.get(entry.name)}`")
    lines.append(rendered(entry.factory.__doc__))
    if entry.kind == "derivatives" and entry.shows_function:
        lines.append(f"Shown: `{entry.pair}`")
    elif entry.name in SHOWN:
        pair = entry.pair
        part = pair.function if entry.kind == "functions" else pair.derivative
        alone = entry.kind == "functions" or pair.derivative.elementwise
        where = "" if alone else f", for a tensor of the {len(entry.points)} points of the figure"
        lines.append(f"Shown: `{part!r}`{where}")
    return "\n\n".join(
        [
            f'<tr id="{entry.anchor}">\n<td>'
            f'<img src="{figures}/{entry.figure}" alt="{entry.name}" width="300"></td>\n<td>',
            *lines,
            "</td>\n</tr>",
        ]
    )


def rendered(docstring: str | None) -> str:
    """A docstring as Markdown, which it nearly is.

    >>> print(rendered('''max(x, low).
    ...
    ...     Args:
    ...         low: the least value.
    ...
    ...     Source: nobody.
    ...     '''))
    max(x, low).
    <BLANKLINE>
    - `low`: the least value.
    <BLANKLINE>
    *Source:* nobody.
    """
    paragraphs = inspect.cleandoc(docstring or "").split("\n\n")
    for place, text in enumerate(paragraphs):
        head, _, body = text.partition("\n")
        if head in ("Args:", "Raises:"):
            listed = re.sub(r"^(\w[\w, ]*):", r"- `\1`:", textwrap.dedent(body), flags=re.MULTILINE)
            paragraphs[place] = listed if head == "Args:" else f"*Raises:*\n\n{listed}"
    return re.sub(r"^Source:", "*Source:*", "\n\n".join(paragraphs), flags=re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.catalogue", allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, required=True, help="docs/catalogue.md")
    output: Path = parser.parse_args(arguments).output
    figures = output.with_suffix("")

    with matplotlib.rc_context(SETTINGS):
        drawn = {entry.figure: svg(shown(entry)) for entry in entries()}
        drawn["legend.svg"] = legend()
    for name, text in drawn.items():
        (figures / name).parent.mkdir(parents=True, exist_ok=True)
        (figures / name).write_text(text, encoding="utf-8")
    output.write_text(page(figures.name), encoding="utf-8")
    print(output)
    return 0
