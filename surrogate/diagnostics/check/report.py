"""What a self-check found: rows, and the tables that they print as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from surrogate.core.messages import aligned

Verdict = Literal["right", "refuses", "n/a", "WRONG", "error"]
VERDICTS: tuple[Verdict, ...] = ("right", "refuses", "n/a", "WRONG", "error")
BAD: tuple[Verdict, ...] = ("WRONG", "error")


@dataclass(frozen=True)
class Row:
    """One cell of the matrix: a mode in a dtype.

    Verdicts: "right"; "refuses", an error that says why; "n/a", nothing to compare or no such
    hardware; "WRONG", another result without any error; "error", an error that explains nothing.
    """

    mode: str
    dtype: torch.dtype
    verdict: Verdict
    error: float | None = None  # the largest, as a fraction of the largest expected number
    note: str = ""

    def __str__(self) -> str:
        return self.verdict if self.error is None else f"{self.verdict} {self.error:.0e}"


@dataclass(frozen=True)
class Report:
    """The rows of one pair or module; `str(report)` is a table of modes and dtypes."""

    subject: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether no row is WRONG or an error; a refusal is honest."""
        return not self.bad

    @property
    def bad(self) -> tuple[Row, ...]:
        """The rows that are WRONG or an error."""
        return tuple(row for row in self.rows if row.verdict in BAD)

    def raise_if_wrong(self) -> None:
        """Raise AssertionError with the table unless the report is ok."""
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        dtypes = list(dict.fromkeys(row.dtype for row in self.rows))
        modes = list(dict.fromkeys(row.mode for row in self.rows))
        cells = {(row.mode, row.dtype): str(row) for row in self.rows}
        lines = [["", *map(short, dtypes)]]
        lines += [[mode, *(cells.get((mode, dtype), "") for dtype in dtypes)] for mode in modes]
        notes: dict[str, dict[str, None]] = {}
        for row in self.rows:
            if row.note:
                notes.setdefault(f"{row.verdict}: {row.note}", {})[row.mode] = None
        reasons = [f"{note} ({', '.join(modes)})" for note, modes in notes.items()]
        return "\n".join([self.subject, "", aligned(lines), *([""] if reasons else []), *reasons])


def short(dtype: torch.dtype) -> str:
    """float32 rather than torch.float32."""
    return str(dtype).removeprefix("torch.")


def count(rows: Iterable[Row]) -> str:
    """How many rows there are of each verdict: '120 right, 3 refuses, …'."""
    found = Counter(row.verdict for row in rows)
    return ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS)


def markdown(reports: Sequence[Report]) -> str:
    """The matrix of modes and subjects, and under it every cell that is not plainly right.

    A cell holds the worst verdict of its dtypes; a right one the largest error of each.
    """
    rows = [row for report in reports for row in report.rows]
    dtypes = list(dict.fromkeys(row.dtype for row in rows))
    modes = list(dict.fromkeys(row.mode for row in rows))
    header = ["mode", *VERDICTS, *(f"largest error, {short(dtype)}" for dtype in dtypes)]
    summary = [header]
    for mode in modes:
        found = [row for row in rows if row.mode == mode]
        counts = Counter(row.verdict for row in found)
        errors = [
            max((r.error for r in found if r.dtype == dtype and r.error is not None), default=None)
            for dtype in dtypes
        ]
        figures = ["" if error is None else f"{error:.0e}" for error in errors]
        summary.append([mode, *(str(counts[verdict]) for verdict in VERDICTS), *figures])
    matrix = [[report.subject, *(_worst(report, mode) for mode in modes)] for report in reports]
    return "\n\n".join(
        [
            f"{count(rows)}.",
            markdown_table(summary),
            markdown_table([["", *modes], *matrix]),
            _notes(reports),
        ]
    )


def _worst(report: Report, mode: str) -> str:
    found = (row.verdict for row in report.rows if row.mode == mode)
    return max(found, key=VERDICTS.index, default="")


def _notes(reports: Sequence[Report]) -> str:
    """A line for each reason, with the modes and the subjects that it is given for."""
    given: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for report in reports:
        for row in report.rows:
            if row.verdict != "right":
                modes, subjects = given.setdefault(f"**{row.verdict}**: {row.note}", ({}, {}))
                modes[row.mode] = subjects[report.subject] = None
    return "\n".join(
        f"- {reason} ({', '.join(modes)}; {_some(list(subjects), len(reports))})"
        for reason, (modes, subjects) in given.items()
    )


def _some(subjects: Sequence[str], of: int) -> str:
    return "all" if len(subjects) == of else ", ".join(subjects)


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first line its header."""
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body])
