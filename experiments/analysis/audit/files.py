"""Writes the audits of a run to its directory, reads them back, and publishes them.

audit.csv   what `surrogate.audit` has in its rows, for each epoch
audit.json  the settings, what made it, and for each epoch the loss and the line search

Both are "audit" and "rows" of a run's line where the audits of a study are published.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from experiments.common.errors import RunError
from experiments.common.files import FileError, write, write_json
from experiments.runs.published import Cells, Line, as_columns, as_rows, gather, write_lines
from experiments.runs.run import folder_name
from surrogate.diagnostics.audit import Audit, Row
from surrogate.diagnostics.audit.smoothing import Estimate

DIGITS = 4  # that are kept of a number
TEXTS = ("kind", "name")


@dataclass(frozen=True)
class Audited:
    """The audits of a run.

    Args:
        place: the directory of the run, or the file of the study.
        record: what audit.json says.
        rows: of audit.csv, with numbers as numbers.
        name: of the run; what is behind the last "/" tells those of an activation apart.
    """

    place: Path
    record: Mapping[str, Any]
    rows: Sequence[Cells]
    name: str = ""

    @property
    def act(self) -> str:
        return self.record["act"]

    @property
    def seed(self) -> int:
        return self.record["seed"]

    @property
    def epochs(self) -> list[int]:
        return [each["epoch"] for each in self.record["epochs"]]

    def column(self, name: str, epoch: int, kind: str = "total") -> list[float]:
        """Numbers of the rows of a kind, in their order."""
        rows = [row for row in self.rows if (row["epoch"], row["kind"]) == (epoch, kind)]
        return [figure(row, name) for row in rows]

    def of_epoch(self, name: str, epoch: int) -> Any:
        """What audit.json says of an epoch."""
        return next(each[name] for each in self.record["epochs"] if each["epoch"] == epoch)


def figure(row: Mapping[str, Any], name: str) -> float:
    """A number of a row, or one that follows from them: "ratio", "kept", "kept_error"."""
    if name == "ratio":
        return quotient(row["reported"], row["true"])
    if name.startswith("kept"):
        return quotient(row[name.replace("kept", "slope")], row["reported"])
    return row[name]


def quotient(value: float, divisor: float) -> float:
    return value / divisor if divisor else math.copysign(math.inf, value) if value else math.nan


def cells(epoch: int, row: Row) -> dict[str, Any]:
    """A row of audit.csv; the standard error of an estimate has a column of its own."""
    found: dict[str, Any] = {"epoch": epoch}
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Estimate):
            found[field.name] = rounded(value.value)
            found[f"{field.name}_error"] = rounded(value.error)
        else:
            found[field.name] = rounded(value) if isinstance(value, float) else value
    return found


def rounded(number: float) -> str:
    return f"{number:.{DIGITS}g}"


def of_audit(epoch: int, found: Audit) -> dict[str, Any]:
    """What audit.json says of an epoch; numbers that are not finite are null."""
    return {
        "epoch": epoch,
        "loss": finite(found.loss),
        "batches": found.batches,
        "evaluations": found.evaluations,
        "not_finite": found.not_finite,
        "bound": [finite(found.bound.value), finite(found.bound.error)],
        "steps": [
            [finite(number) for number in (step.length, step.promised, step.fell, step.fell_true)]
            for step in found.steps
        ],
    }


def finite(number: float) -> float | None:
    return float(rounded(number)) if math.isfinite(number) else None


def save(directory: Path, record: Mapping[str, Any], audits: Mapping[int, Audit]) -> None:
    """Writes both files, audit.json last: it says that there is an audit."""
    rows = [cells(epoch, row) for epoch, found in audits.items() for row in found.rows]
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write(directory / "audit.csv", text.getvalue())
    epochs = [of_audit(epoch, found) for epoch, found in audits.items()]
    write_json(directory / "audit.json", {**record, "epochs": epochs})


def audited(directory: Path) -> Audited | None:
    """The audits in the directory of a run; None if there are none.

    Raises:
        RunError: a file is damaged.
    """
    found, problems = audits(directory)
    if problems:
        raise RunError(problems[0])
    return found[0] if found else None


def audits(path: Path) -> tuple[list[Audited], list[str]]:
    """The audits of all runs in a place, and what is wrong with those that are damaged.

    Args:
        path: a folder with runs in or below it or with files of studies in it, or such a file.
    """
    return gather(path, "audit", {"audit.csv": "rows"}, of_line)


def of_line(place: Path, number: int | None, line: Line) -> Audited:
    """The audits in a line of a study's file, or in a directory.

    Raises:
        FileError: they are damaged.
    """
    rows = as_rows(line.get("rows"), ("epoch", "kind", "cosine"), TEXTS)
    found = Audited(place, line["audit"], rows, line["run"])
    try:
        if not isinstance(found.act, str) or not isinstance(found.seed, int):
            raise FileError("act must be text, and seed an integer")
        for epoch in found.epochs:
            if len(found.column("cosine", epoch)) != 1:
                raise FileError(f"there is not one total of epoch {epoch}")
    except (TypeError, KeyError) as error:
        raise FileError(repr(error)) from None
    return found


def publish(found: Sequence[Audited], path: Path) -> None:
    """Write the audits of a study to one file, a line for each run."""
    lines = []
    for each in found:
        folder = f"{each.record['experiment']}/{folder_name(each.act)}"
        line = {"run": f"{folder}/{each.name.split('/')[-1]}", "audit": each.record}
        lines.append(line | {"rows": as_columns(each.rows)})
    write_lines(path, lines)
