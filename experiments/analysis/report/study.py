"""The table of a study, a line for each activation, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.analysis.report.statistics import (
    FEW,
    Group,
    Result,
    Standing,
    by_rate,
    differing_settings,
    groups,
    higher_is_better,
    score,
    several_rates,
    standings,
)
from experiments.analysis.report.table import aligned, formatted, table
from experiments.runs.records import ENDS

LATEX = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": "$-$", "–": "--", "…": r"\ldots{}",
})  # fmt: skip

# An activation's name may come from a stranger's file: no part of it is markup.
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in "\\`*[]|"} | {
    "&": "&amp;", "<": "&lt;", ">": "&gt;",
})  # fmt: skip
FORMULA = ("=", "+", "-", "@")  # what a spreadsheet takes a cell for that begins so


def summary(results: Sequence[Result], baseline: str, metric: str | None = None) -> str:
    """The table that fits the results: of single runs, or over seeds and learning rates."""
    metric = metric or score(results)
    if not is_study(results) and metric == score(results):
        return table(results, baseline)
    return StudyTable.of(results, baseline, metric).text()


def is_study(results: Sequence[Result]) -> bool:
    """Whether an activation has several seeds or learning rates."""
    found = groups(results, "test_loss")
    return any(len(group.results) > 1 for group in found) or len(by_rate(found)) < len(found)


@dataclass(frozen=True)
class StudyTable:
    """Cells of text, and what has to be said below them.

    Args:
        header: names of the columns.
        rows: the cells.
        numbers: the columns that are aligned at the right.
        notes: lines below the table.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int]
    notes: tuple[str, ...]

    @classmethod
    def of(cls, results: Sequence[Result], baseline: str, metric: str) -> StudyTable:
        """The activations, each at its best learning rate, the best first."""
        found = standings(results, baseline, metric)
        rates = several_rates(groups(results, metric))
        unfinished = any(losses(each) for each in found)
        differing = differing_settings([each.group for each in found])
        name = metric.replace("_", " ")
        header = ["activation", "runs", f"{name}: mean ± sd"]
        header[1:1] = ["learning rate"] * rates
        compared = baseline != "none"
        header += [f"− {baseline}", "95 % interval", "settled"] * compared
        header += ["not finished"] * unfinished + ["settings"] * bool(differing)
        rows = []
        for each in found:
            group = each.group
            row = [group.act, str(len(group.values)), mean_and_deviation(group)]
            row[1:1] = [formatted(group.lr, "g")] * rates
            if compared:
                row += difference_cells(each, metric)
            if unfinished:
                row.append(losses(each) or "–")
            if differing:
                settings = group.settings
                row.append(
                    " ".join(f"{key}={settings[key]}" for key in differing if key in settings)
                )
            rows.append(tuple(row))
        texts = {"activation", "settled", "not finished", "settings"}
        numbers = frozenset(i for i, column in enumerate(header) if column not in texts)
        notes = list(explanations(found, baseline, rates))
        return cls(tuple(header), tuple(rows), numbers, tuple(notes))

    def text(self) -> str:
        """Aligned columns."""
        return "\n".join([aligned([self.header, *self.rows], self.numbers), *self.notes])

    def markdown(self) -> str:
        rule = ["--:" if column in self.numbers else "---" for column in range(len(self.header))]
        lines = [self.header, rule, *self.rows]
        cells = [" | ".join(cell.translate(MARKDOWN) for cell in line) for line in lines]
        return "\n".join([*(f"| {line} |" for line in cells), "", *self.notes]) + "\n"

    def latex(self) -> str:
        """A tabular, with the rules of booktabs."""
        columns = "".join(
            "r" if column in self.numbers else "l" for column in range(len(self.header))
        )
        header, *rows = (
            " & ".join(cell.translate(LATEX) for cell in line) + r" \\"
            for line in (self.header, *self.rows)
        )
        notes = [f"% {note}" for note in self.notes]
        start, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        lines = [*notes, start, r"\toprule", header, r"\midrule", *rows, r"\bottomrule", end]
        return "\n".join(lines) + "\n"


def losses(standing: Standing) -> str:
    """What did not finish: "1 diverged, 2 failed; at 0.003: 5 diverged"."""
    parts = []
    for group in (standing.group, *sorted(standing.others, key=lambda each: each.lr)):
        ends = [end for end in sorted(group.counts) if end != "finished"]
        counts = ", ".join(f"{group.counts[end]} {end}" for end in ends)
        if counts:
            parts.append(counts if group is standing.group else f"at {group.lr:g}: {counts}")
    return "; ".join(parts)


def mean_and_deviation(group: Group) -> str:
    if math.isnan(group.mean):
        return "–"
    deviation = group.deviation
    return f"{group.mean:.5f}" + ("" if deviation is None else f" ± {deviation:.5f}")


def difference_cells(standing: Standing, metric: str) -> list[str]:
    """The mean difference, its interval, and the word for what it says."""
    difference = standing.difference
    if difference is None:
        return ["–", "–", "–"]
    if difference.interval is None:
        return [signed(difference.mean), "–", "–"]
    low, high = difference.interval
    return [signed(difference.mean), f"{signed(low)} … {signed(high)}", verdict(standing, metric)]


def signed(value: float) -> str:
    return f"{value:+.5f}".replace("-", "−")


def verdict(standing: Standing, metric: str) -> str:
    """better, worse or open, with a star where the interval is rough; empty without an interval."""
    difference = standing.difference
    if difference is None or difference.interval is None:
        return ""
    word = "open"
    if difference.settled:
        word = "better" if (difference.mean > 0) == higher_is_better(metric) else "worse"
    return word + "*" * difference.rough


def explanations(found: Sequence[Standing], baseline: str, rates: bool) -> list[str]:
    notes = []
    if rates:
        notes.append(
            "Each activation has the learning rate with which most of its runs finished and, among "
            "those, the validation images came out best."
        )
    differences = [each.difference for each in found if each.difference is not None]
    if any(each.interval for each in differences):
        notes.append(
            f"The difference to {baseline} is taken seed by seed; it is settled (better, worse) "
            "where the bootstrap interval leaves out 0, else open."
        )
    if any(each.rough for each in differences):
        notes.append(f"* rough: fewer than {FEW} seeds.")
    return notes


def as_cell(value: Any) -> Any:
    """A value for CSV: text that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_csv(results: Sequence[Result], baseline: str, metric: str) -> str:
    """All groups, at every learning rate, with all digits."""
    found = groups(results, metric)
    chosen = {id(each.group.results[0]): each for each in standings(results, baseline, metric)}
    settings = ["optimizer.lr", *differing_settings(found)]
    text = io.StringIO()
    columns = ["activation", *settings, *ENDS, "metric", "mean", "standard_deviation"]
    columns += ["chosen", "difference", "low", "high", "settled"]
    file = csv.DictWriter(text, columns, lineterminator="\n")
    file.writeheader()
    for group in sorted(found, key=lambda each: (each.act, str(each.settings))):
        line = {"activation": as_cell(group.act), "metric": metric, "chosen": "no"}
        line |= {name: as_cell(group.settings.get(name)) for name in settings}
        line |= {end: group.counts[end] for end in ENDS}
        if group.values:
            line |= {"mean": group.mean, "standard_deviation": group.deviation}
        if standing := chosen.get(id(group.results[0])):
            line |= {"chosen": "yes", "settled": verdict(standing, metric).removesuffix("*")}
            if difference := standing.difference:
                low, high = difference.interval or (None, None)
                line |= {"difference": difference.mean, "low": low, "high": high}
        file.writerow(line)
    return text.getvalue()
