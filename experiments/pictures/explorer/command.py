"""The command that writes the Explorer's page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.pictures.explorer.page import page
from experiments.runs.records import records


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.explorer", allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, required=True, help="explorer.html")
    parser.add_argument(
        "--runs", type=Path, help="whose loss curves are shown: a folder, or FILE.jsonl"
    )
    given = parser.parse_args(arguments)
    found, problems = records(given.runs) if given.runs else ([], [])
    if given.runs and not found and not problems:
        problems = [f"no finished run in {given.runs}"]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        return 2
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(page(found), encoding="utf-8")
    print(given.output)
    return 0
