"""The command: reads the runs below a folder, prints their table and writes the files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.analysis.report.compact import compact
from experiments.analysis.report.figures import draw, draw_study
from experiments.analysis.report.statistics import score
from experiments.analysis.report.study import StudyTable, as_csv, is_study
from experiments.analysis.report.table import rank, table
from experiments.common.errors import RunError
from experiments.common.files import write
from experiments.runs.records import records, unfinished
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
    option("folder", type=Path, help="the runs of an experiment: runs/autoencoder")
    option("-o", "--output", type=Path, help="folder for the files (default: the runs' folder)")
    option("--baseline", default="linear", help="activation to compare with; none for none")
    option("--metric", help="of result.json, to compare by (default: the experiment's)")
    option("--compact", type=Path, metavar="DIR", help="copy what results need to be kept, to DIR")
    option("--layers", action="store_true", help="with --compact: keep layers.csv too")
    option("--probe", action="store_true", help="with --compact: keep probe.npz too")
    given = parser.parse_args(arguments)
    try:
        if given.compact:
            return compact(given.folder, given.compact, given.layers, given.probe)
        return report(given.folder, given.output or given.folder, given.baseline, given.metric)
    except (OSError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def report(folder: Path, output: Path, baseline: str, metric: str | None = None) -> int:
    found, problems = records(folder)
    results = [record.result for record in found]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(f"error: no finished run in {folder}", file=sys.stderr)
        return 2
    metric = metric or score(results)
    if not any(metric in result for result in results):
        known = sorted({name for each in results for name in each if name.startswith("test_")})
        print(f"error: no run has the metric {metric}, only {', '.join(known)}", file=sys.stderr)
        return 2
    acts = {result["act"] for result in results}
    if baseline not in ("none", *acts):
        hint = did_you_mean(baseline, acts)
        print(f"no run of the baseline {baseline}: nothing to compare with{hint}", file=sys.stderr)
    if left := unfinished(folder):
        verb = "run has not ended and is" if left == 1 else "runs have not ended and are"
        print(f"{left} {verb} left out", file=sys.stderr)
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
        found.sort(key=lambda each: (*rank(each.result), str(each.directory)))
        print(table([record.result for record in found], baseline))
        output.mkdir(parents=True, exist_ok=True)
        paths = draw(found, output, baseline)
    for path in paths:
        print(path)
    return 1 if problems else 0
