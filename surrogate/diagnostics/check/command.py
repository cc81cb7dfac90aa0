"""The command of the self-check.

    python -m surrogate.check cantor2 "ReLU() / Blurred(width=0.3)"
    python -m surrogate.check --all --no_compile --markdown correctness.md

The exit code is 0 if no cell is wrong or an error, 1 if one is, 2 for a command that can't be read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from surrogate.catalogue import names
from surrogate.diagnostics.check import check
from surrogate.diagnostics.check.report import Report, count, markdown
from surrogate.text import get


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m surrogate.check",
        description="Compare the derivative that pairs report in every mode with its definition.",
        allow_abbrev=False,
    )
    parser.add_argument("pairs", nargs="*", help="names of the catalogue, or Function / Derivative")
    parser.add_argument("--all", action="store_true", help="the whole catalogue")
    parser.add_argument("--no_compile", action="store_true", help="leave out the compiled modes")
    parser.add_argument("--markdown", type=Path, help="write the matrix to this file")
    given = parser.parse_args(arguments)
    texts = [*given.pairs, *(names() if given.all else [])]
    if not texts:
        parser.error("name a pair, or give --all")
    if given.markdown and not given.markdown.parent.is_dir():
        parser.error(f"--markdown: {given.markdown.parent} is not a folder")
    try:
        pairs = [get(text) for text in texts]
    except ValueError as error:
        parser.error(str(error))
    reports = []
    for text, pair in zip(texts, pairs, strict=True):
        report = check(pair, compiled=not given.no_compile)
        reports.append(Report(text, report.rows))
        print(_summary(reports[-1]) if given.all else f"{report}\n", flush=True)
    print(count(row for report in reports for row in report.rows))
    if given.markdown:
        given.markdown.write_text(markdown(reports) + "\n", encoding="utf-8")
    return 0 if all(report.ok for report in reports) else 1


def _summary(report: Report) -> str:
    """A line, and one for each cell that is not as it should be."""
    lines = [f"{report.subject}: {count(report.rows)}"]
    lines += [f"    {row.mode}, {row.dtype}: {row} {row.note}" for row in report.bad]
    return "\n".join(lines)
