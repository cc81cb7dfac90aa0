"""Tables of timings: as text for people, as plain values for the JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.timing.measure import Timing


@dataclass(frozen=True)
class Table:
    """Timings with one reference.

    Args:
        title: what was timed.
        reference: what the ratios are to.
        rows: the timings.
        limit: the largest ratio that is aimed at, if there is one.
        notes: more columns, by name: a number or text for each row.
    """

    title: str
    reference: str
    rows: Sequence[Timing]
    limit: float | None = None
    notes: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        rows = [
            {**asdict(row), **{name: column[i] for name, column in self.notes.items()}}
            for i, row in enumerate(self.rows)
        ]
        return {
            "title": self.title,
            "reference": self.reference,
            "limit": self.limit,
            "rows": rows,
        }

    def __str__(self) -> str:
        head = ["", "ms", f"/ {self.reference}", "quartiles", *self.notes]
        lines = [head]
        for i, row in enumerate(self.rows):
            above = "  above the limit" if self.limit and row.ratio > self.limit else ""
            lines.append(
                [
                    row.name,
                    f"{row.milliseconds:.3f}",
                    f"{row.ratio:.2f}",
                    f"{row.low:.2f} to {row.high:.2f}{above}",
                    *(str(column[i]) for column in self.notes.values()),
                ]
            )
        limit = f" (limit: {self.limit:g})" if self.limit else ""
        return f"{self.title}{limit}\n{aligned(lines)}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns of text, the second and third to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in (1, 2) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
