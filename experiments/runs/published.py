"""Reads the results of runs from their directories or from a study's file, and writes that file.

A study is published as JSON Lines, `<study>.jsonl`: a line for each run, an object of its name and
of what is kept of it. Tables are objects of columns, for `pandas.DataFrame(line["curve"])`; in them
a number that is not finite is text, "nan", "inf" or "-inf".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from experiments.common.errors import RunError
from experiments.common.files import (
    LARGEST_TABLE,
    FileError,
    below,
    plain_json,
    read_bytes,
    read_columns,
    read_json,
    write,
)

SUFFIX = ".jsonl"
KINDS = ("result", "audit")  # a run's directory has the file of that name, and its line the key

Cells = dict[str, Any]  # a row of a table: numbers, and text in the columns that are for it
Line = Mapping[str, Any]
T = TypeVar("T")


def study_files(path: Path) -> list[Path]:
    """The files of studies in a place: the path itself, or those in the folder that it is."""
    if path.is_dir():
        return sorted(path.glob(f"*{SUFFIX}"))
    return [path] if path.suffix == SUFFIX else []


def study_in(folder: Path, name: str) -> Path:
    """Where a study is in a folder of studies: its file, or the folder of its runs."""
    file = folder / f"{name}{SUFFIX}"
    return file if file.exists() else folder / name


def gather(
    path: Path, kind: str, tables: Mapping[str, str], read: Callable[[Path, int | None, Line], T]
) -> tuple[list[T], list[str]]:
    """Read what is kept of runs, and say what is wrong with what can't be read.

    Args:
        path: a file of a study, or a folder that has such files in it, or runs in or below it.
        kind: "result" or "audit": what is wanted. Lines of the other kind are passed over.
        tables: what the files of tables in a run's directory are called in a line.
        read: makes of a line what is returned, or raises FileError. It gets the file and the number
            of the line; or a directory and None, with what the line of its run would be.
    """
    found: list[T] = []
    problems: list[str] = []
    for each in below(path, f"{kind}.json"):
        directory = each.parent
        try:
            line = line_of(directory, directory.relative_to(path), kind, tables)
            if line[kind] is not None or os.path.lexists(each):  # it goes as a run is tried again
                found.append(read(directory, None, line))
        except FileError as error:
            problems.append(f"{directory} is damaged: {error}")
        except (RunError, OSError) as error:
            problems.append(str(error))
    for file in study_files(path):
        names: set[str] = set()
        try:
            lines = read_bytes(file, LARGEST_TABLE).split(b"\n")
        except (FileError, OSError) as error:
            problems.append(f"{file} can't be read: {error}")
            continue
        for number, text in enumerate(lines, 1):
            if not text.strip():
                continue
            try:
                line = require_line(plain_json(text), names)
                if kind in line:
                    found.append(read(file, number, line))
            except FileError as error:
                problems.append(f"{file}:{number} is damaged: {error}")
    return found, problems


def line_of(directory: Path, name: Path, kind: str, tables: Mapping[str, str]) -> Line:
    """What a directory has of a run, as in the line of a study.

    Raises:
        RunError: a file is damaged.
    """
    columns = {key: read_columns(directory / file) for file, key in tables.items()}
    known = {key: table for key, table in columns.items() if table is not None}
    run = name.as_posix() if name.name else directory.name
    return {"run": run, kind: read_json(directory / f"{kind}.json"), **known}


def require_line(line: Any, names: set[str]) -> Line:
    """The line, if it is one, and of a run that is not among the names; else raises FileError."""
    if not isinstance(line, dict) or not isinstance(line.get("run"), str):
        raise FileError("it is no object with the name of a run")
    if not any(kind in line for kind in KINDS):
        raise FileError(f"it has neither {' nor '.join(KINDS)}")
    if line["run"] in names:
        raise FileError(f"there is another line of {line['run']}")
    names.add(line["run"])
    return line


def write_lines(path: Path, lines: Sequence[Line]) -> None:
    """Write the file of a study in one step, in the order of the runs' names.

    Raises:
        RunError: it has another name, two runs have one name, or it would be too large to be read.
    """
    if path.suffix != SUFFIX or path.is_dir():
        raise RunError(f"results are published in one file, such as {path.with_suffix(SUFFIX)}")
    names = [line["run"] for line in lines]
    if len({*names}) < len(names):
        raise RunError(f"two runs are named {max(names, key=names.count)}: publish one study alone")
    text = "".join(
        json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        for line in sorted(lines, key=lambda line: line["run"].split("/"))
    )
    if len(text.encode()) > LARGEST_TABLE:
        raise RunError(f"{path} would have more than {LARGEST_TABLE} bytes: leave out the layers")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, text)


def as_columns(rows: Sequence[Cells]) -> dict[str, list[Any]]:
    """Rows as a table of columns, with numbers that JSON does not have as text."""

    def plain(cell: Any) -> Any:
        return str(cell) if isinstance(cell, float) and not math.isfinite(cell) else cell

    return {name: [plain(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def as_rows(columns: Any, needed: Collection[str], texts: Collection[str] = ()) -> list[Cells]:
    """The rows of a table of columns, with numbers in all but those of texts.

    Raises:
        FileError: it is no such table, or one of the columns that are needed is missing.
    """
    if not isinstance(columns, dict) or not all(isinstance(c, list) for c in columns.values()):
        raise FileError("a table must be an object of lists")
    if columns and (missing := [name for name in needed if name not in columns]):
        raise FileError(f"a table has no column {missing[0]}")
    try:
        cells = [
            [str(cell) if name in texts else float(cell) for cell in column]
            for name, column in columns.items()
        ]
        return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
    except (TypeError, ValueError) as error:
        raise FileError(str(error)) from None
