"""The table of a study, a line for each activation, as text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.analysis.report.inference import FEWEST
from experiments.analysis.report.statistics import (
    PILOT,
    Result,
    Standing,
    by_rate,
    differing_settings,
    groups,
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
        differing = differing_settings([each.group for each in found])
        columns = {
            "activation": [each.group.act for each in found],
            "learning rate": [rate(each) if rates else "" for each in found],
            "runs": [str(len(each.group.sample.values)) for each in found],
            f"{metric.replace('_', ' ')}: mean ± sd": [mean_and_deviation(each) for each in found],
            "values": [few(each) for each in found],
            f"− {baseline}": [mean_difference(each) for each in found],
            "interval": [interval(each) for each in found],
            "verdict": [verdict(each) or "–" for each in found],
            "not finished": [losses(each) or "–" for each in found],
            "settings": [
                " ".join(f"{key}={own[key]}" for key in differing if key in own)
                for own in (each.group.settings for each in found)
            ],
        }
        header = tuple(
            name
            for index, (name, cells) in enumerate(columns.items())
            if index in (0, 2, 3) or any(cell not in ("–", "") for cell in cells)
        )
        texts = {"activation", "values", "verdict", "not finished", "settings"}
        numbers = frozenset(i for i, column in enumerate(header) if column not in texts)
        rows = tuple(zip(*(columns[name] for name in header), strict=True))
        return cls(header, rows, numbers, tuple(explanations(found, baseline)))

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
    """What did not finish: "1 of 6 diverged, 2 of 6 failed; at 0.003: 5 of 6 diverged"."""
    parts = []
    for group in (standing.group, *sorted(standing.others, key=lambda each: each.lr)):
        ends = [end for end in sorted(group.counts) if end != "finished"]
        counts = ", ".join(f"{group.counts[end]} of {len(group.results)} {end}" for end in ends)
        if counts:
            parts.append(counts if group is standing.group else f"at {group.lr:g}: {counts}")
    return "; ".join(parts)


def rate(standing: Standing) -> str:
    return formatted(standing.group.lr, "g") + " (edge)" * standing.edge


def mean_and_deviation(standing: Standing) -> str:
    sample = standing.group.sample
    deviation = sample.deviation
    mean = f"{sample.mean:.5f}" if sample.values else "–"
    return mean + ("" if deviation is None else f" ± {deviation:.5f}")


def few(standing: Standing) -> str:
    """The single values, of so few that nothing is judged."""
    values = standing.group.sample.values.values()
    return " ".join(f"{value:.5f}" for value in values) if 1 < len(values) < FEWEST else "–"


def mean_difference(standing: Standing) -> str:
    return signed(standing.difference.mean) if standing.difference else "–"


def interval(standing: Standing) -> str:
    """The interval of the difference, with its confidence, as text."""
    if standing.difference is None or (judgement := standing.difference.judgement) is None:
        return "–"
    low, high = judgement.interval
    return f"{signed(low)} … {signed(high)} ({100 * (1 - judgement.level):.4g} %)"


def signed(value: float) -> str:
    return f"{value:+.5f}".replace("-", "−")


def verdict(standing: Standing) -> str:
    """better, worse, same or open; empty where nothing is judged."""
    judgement = standing.difference and standing.difference.judgement
    return judgement.word if judgement else ""


def explanations(found: Sequence[Standing], baseline: str) -> list[str]:
    notes = []
    if any(each.others for each in found):
        notes.append(
            "Each activation has the learning rate with which most of its runs finished and, among "
            "those, the validation images came out best."
        )
    parted = [each.group.act for each in found if each.group.lr in {o.lr for o in each.others}]
    if parted:
        notes.append(f"Seeds that chose the learning rate are left out of: {', '.join(parted)}.")
    if any(each.edge for each in found):
        notes.append("(edge): the lowest or highest rate of the grid; the best may lie beyond it.")
    differences = [(each.group.act, each.difference) for each in found if each.difference]
    if any(each.enough for _, each in differences):
        notes.append(
            f"The difference to {baseline} is taken seed by seed. Its interval is Student's t, at "
            "the confidence in brackets, which Holm's method sets so that at most 5 % of such "
            "tables have a false better or worse. Better, worse: the interval leaves out 0. Same: "
            f"the 90 % interval is within ± 2 % of the mean of {baseline} (two one-sided tests at "
            "5 %). Open: neither."
        )
    if any(len(each.values) < FEWEST for _, each in differences):
        notes.append(f"With fewer than {FEWEST} seeds there is no interval and no verdict.")
    if any(not each.fresh for _, each in differences):
        notes.append(
            "There is no verdict where the seeds that would judge a learning rate chose it. The "
            f"first {PILOT} seeds choose and the others judge if these are {FEWEST} or more."
        )
    lost = [
        f"{act} {len(each.values)} of {each.seeds}"
        for act, each in differences
        if len(each.values) < each.seeds
    ]
    if lost:
        notes.append(f"Differences are of the seeds at which both finished: {', '.join(lost)}.")
    return notes


def as_cell(value: Any) -> Any:
    """A value for CSV: text that a spreadsheet would take for a formula gets an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_csv(results: Sequence[Result], baseline: str, metric: str) -> str:
    """All groups, at every learning rate, with all digits."""
    found = groups(results, metric)
    ranked = standings(results, baseline, metric)
    chosen = {id(result): each for each in ranked for result in each.group.results}
    settings = ["optimizer.lr", *differing_settings(found)]
    text = io.StringIO()
    columns = ["activation", *settings, *ENDS, "metric", "mean", "standard_deviation", "chosen"]
    columns += ["difference", "seeds", "low", "high", "confidence", "verdict"]
    file = csv.DictWriter(text, columns, lineterminator="\n")
    file.writeheader()
    for group in sorted(found, key=lambda each: (each.act, str(each.settings))):
        line = {"activation": as_cell(group.act), "metric": metric, "chosen": "no"}
        line |= {name: as_cell(group.settings.get(name)) for name in settings}
        line |= {end: group.counts[end] for end in ENDS}
        if group.sample.values:
            line |= {"mean": group.sample.mean, "standard_deviation": group.sample.deviation}
        standing = next((chosen[id(each)] for each in group.results if id(each) in chosen), None)
        if standing:
            line |= {"chosen": "yes", "verdict": verdict(standing)}
            if difference := standing.difference:
                line |= {"difference": difference.mean, "seeds": len(difference.values)}
                if judgement := difference.judgement:
                    low, high = judgement.interval
                    line |= {"low": low, "high": high, "confidence": 1 - judgement.level}
        file.writerow(line)
    return text.getvalue()
