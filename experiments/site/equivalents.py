"""The table of all equivalents, as a document.

python -m experiments.equivalents -o docs/equivalents.md
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from surrogate.diagnostics.check.report import markdown_table
from surrogate.equivalents.base import Package, entry, equivalent, names, packages

INTRODUCTION = """# Equivalents

What other packages offer, in terms of this one: `surrogate.equivalent("snntorch.atan", alpha=2)`
is the pair of function and derivative that the package documents, with its parameters, defaults
and tie rule. Where code and document differ, it is what the document says, and the last column
tells. The pair in the table is that of the defaults, and of the parameters that are given where
there are none; it is text that `surrogate.get` reads back. Written by
`python -m experiments.equivalents -o docs/equivalents.md`.
"""

# For parameters that have no default.
EXAMPLES: dict[str, Any] = {
    "bound": 0.0,
    "delta": 0.1,
    "max_val": 1.0,
    "max_value": 1.0,
    "min_val": -1.0,
    "min_value": -1.0,
    "quant_max": 127,
    "quant_min": -128,
    "rules": ("rectangular", "full_jam"),
    "scale": 0.125,
    "zero_point": 0,
}


def document() -> str:
    """The whole of it, in Markdown."""
    sections = [section(packages[name]) for name in sorted(packages)]
    return "\n".join([INTRODUCTION, *sections])


def section(package: Package) -> str:
    """A package: what is said of it, and the table of its names."""
    lines = [f"## {package.name}", "", package.about]
    if package.distribution is not None:
        lines += ["", f"Compared, by tests, with the code of {installed(package.distribution)}."]
    header = ["name and parameters", "pair", "function", "reported derivative", "notes"]
    rows = [row(name) for name in names() if name.split(".")[0] == package.name]
    escaped = [[cell.replace("|", "\\|") for cell in each] for each in rows]
    return "\n".join([*lines, "", markdown_table([header, *escaped])]) + "\n"


def installed(distribution: str) -> str:
    """The distribution with its version, if it is there."""
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return f"{distribution} (not installed here)"


def row(name: str) -> list[str]:
    parameters = list(inspect.signature(entry(name)).parameters.values())
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    pair = equivalent(name, **{parameter: EXAMPLES[parameter] for parameter in needed})
    function, derivative, notes = described(entry(name))
    called = f"{name.split('.')[1]}({', '.join(map(shown, parameters))})"
    return [f"`{called}`", f"`{pair}`", function, derivative, notes]


def shown(parameter: inspect.Parameter) -> str:
    """`alpha=2.0`; for a parameter without default, the example's value."""
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    given = parameter.default is not parameter.empty
    return f"{parameter.name}={(parameter.default if given else EXAMPLES[parameter.name])!r}"


def described(documented: Callable[..., object]) -> tuple[str, str, str]:
    """What the docstring says of the function, of the derivative, and besides."""
    first, *others = (inspect.getdoc(documented) or "").split("\n\n")
    function, derivative = " ".join(first.split()).split(". Reports ", 1)
    notes = [" ".join(other.split()) for other in others if not other.startswith(">>>")]
    return function, derivative.rstrip("."), " ".join(notes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.equivalents",
        description="Write the table of other packages' names in terms of this one.",
        allow_abbrev=False,
    )
    parser.add_argument("-o", "--output", type=Path, help="the file; printed if it is not given")
    given = parser.parse_args(arguments)
    text = document()
    if given.output is None:
        print(text)
    else:
        given.output.write_text(text, encoding="utf-8")
        print(f"{len(names())} names of {len(packages)} packages: {given.output}")
    return 0
