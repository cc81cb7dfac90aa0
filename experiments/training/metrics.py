"""metrics.csv: what was measured in each epoch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from experiments.common.errors import RunError
from experiments.common.files import LARGEST_TABLE, read_text, write

# The columns that every metrics.csv has.
METRICS: tuple[str, ...] = ("epoch", "loss/train", "loss/val", "loss/test", "seconds")

Row = dict[str, float]


def write_metrics(path: Path, rows: Sequence[Row], columns: Sequence[str] = METRICS) -> None:
    """Writes what was measured, digits enough to read back the same numbers."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue())


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.csv; none if the run ended before its first epoch did."""
    try:
        table = csv.DictReader(io.StringIO(read_text(path, LARGEST_TABLE), newline=""))
        columns = table.fieldnames or ()
        if not set(METRICS) <= set(columns):
            raise RunError(f"{path} does not have the columns {', '.join(METRICS)}")
        rows = [{name: float(row[name]) for name in columns} for row in table]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from None
    if not all(math.isfinite(value) for row in rows for value in row.values()):
        raise RunError(f"{path} is damaged: it has a number that is not finite")
    return rows
