"""The command: reads runs, prints their table and writes the files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.analysis.report.figures import draw, draw_study
from experiments.analysis.report.statistics import score
from experiments.analysis.report.study import StudyTable, as_csv, is_study
from experiments.analysis.report.table import rank, table
from experiments.common.errors import RunError
from experiments.common.files import write
from experiments.runs.records import Record, publish, records, unfinished
from surrogate.core.messages import did_you_mean


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 1 if a result was damaged, 2 if there was none."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.report",
        description="Prints the table of an experiment's runs, and draws their curves; "
        "over several seeds and learning rates also verdicts.",
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("runs", type=Path, help="the runs: runs/autoencoder, or docs/results/claims.jsonl")
    option("-o", "--output", type=Path, metavar="DIR",
           help="folder for the files (that of the runs; claims/ beside claims.jsonl)")  # fmt: skip
    option("--baseline", default="linear", help="activation to compare with; none for none")
    option("--metric", help="of result.json, to compare by (default: the experiment's)")
    option("--publish", type=Path, metavar="FILE.jsonl",
           help="instead, keep settings, results and curves of the runs in a file")  # fmt: skip
    option("--layers", action="store_true", help="with --publish: keep layers.csv too")
    option("--probe", action="store_true", help="with --publish: keep probe.npz too, in FILE.npz")
    option("--compact", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.compact:
        parser.error("--compact DIR is now --publish FILE.jsonl: one file for a study")
    if (given.layers or given.probe) and not given.publish:
        parser.error("--layers and --probe say what --publish keeps")
    try:
        found, problems = records(given.runs)
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        if not found:
            raise RunError(f"no finished run in {given.runs}")
        if left := unfinished(given.runs):
            verb = "run has not ended and is" if left == 1 else "runs have not ended and are"
            print(f"{left} {verb} left out", file=sys.stderr)
        if given.publish:
            publish(found, given.publish, given.layers, given.probe)
            print(f"{len(found)} runs in {given.publish}")
        else:
            folder = given.runs.with_suffix("") if given.runs.is_file() else given.runs
            report(found, given.output or folder, given.baseline, given.metric)
    except (OSError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if problems else 0


def report(found: list[Record], output: Path, baseline: str, metric: str | None = None) -> None:
    """Print the table of runs, and write the files.

    Raises:
        RunError: no run has the metric.
    """
    results = [record.result for record in found]
    metric = metric or score(results)
    if not any(metric in result for result in results):
        known = sorted({name for each in results for name in each if name.startswith("test_")})
        raise RunError(f"no run has the metric {metric}, only {', '.join(known)}")
    acts = {result["act"] for result in results}
    if baseline not in ("none", *acts):
        hint = did_you_mean(baseline, acts)
        print(f"no run of the baseline {baseline}: nothing to compare with{hint}", file=sys.stderr)
    if is_study(results) or metric != score(results):
        text = StudyTable.of(results, baseline, metric)
        print(text.text())
        output.mkdir(parents=True, exist_ok=True)
        files = {
            "table.md": text.markdown(),
            "table.tex": text.latex(),
            "table.csv": as_csv(results, baseline, metric),
        }
        for name, content in files.items():
            write(output / name, content)
        paths = [output / name for name in files]
        paths += draw_study(found, output, baseline, metric)
    else:
        found = sorted(found, key=lambda each: (*rank(each.result), each.name))
        print(table([record.result for record in found], baseline))
        output.mkdir(parents=True, exist_ok=True)
        paths = draw(found, output, baseline)
    for path in paths:
        print(path)
