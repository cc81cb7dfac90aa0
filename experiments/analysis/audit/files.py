"""What is kept of a run's audits: written, read back.

audit.csv   what `surrogate.audit` has in its rows, for each epoch
audit.json  the settings, what made it, and for each epoch the loss and the line search
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
from experiments.common.files import read_json, write, write_json
from surrogate.diagnostics.audit import Audit, Row
from surrogate.diagnostics.audit.smoothing import Estimate

Cells = dict[str, str | float]

FILES = ("audit.csv", "audit.json")
DIGITS = 4  # that are kept of a number
TEXTS = ("kind", "name")


@dataclass(frozen=True)
class Audited:
    """The audits of a run.

    Args:
        directory: of the run.
        record: what audit.json says.
        rows: of audit.csv, with numbers as numbers.
    """

    directory: Path
    record: Mapping[str, Any]
    rows: Sequence[Cells]

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
    """The audits in a directory; None if there are none.

    Raises:
        RunError: a file is damaged.
    """
    path = directory / "audit.csv"
    record = read_json(directory / "audit.json")
    if record is None:
        return None
    try:
        with path.open(newline="") as file:
            rows = [
                {name: text if name in TEXTS else float(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]
        found = Audited(directory, record, rows)
        for epoch in found.epochs:
            if len(found.column("cosine", epoch)) != 1:
                raise ValueError(f"there is not one total of epoch {epoch}")
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from None
    return found
