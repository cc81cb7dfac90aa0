"""Runs that have ended, as they are read back from their directories."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from experiments.common.errors import RunError, UsageError
from experiments.common.files import below, flat, read_json
from experiments.tasks.experiment import BUILT_IN, Measured, named
from experiments.training.metrics import Row, read_metrics

ENDS = ("finished", "diverged", "failed")

_NUMBER = ((int, float, type(None)), "a number or null")
_TEXT = ((str,), "text")
# The types in a result.json, and what they are in words; without the first ones it is none.
NEEDED: dict[str, tuple[tuple[type, ...], str]] = {
    "act": _TEXT,
    "seed": ((int,), "an integer"),
    "status": _TEXT,
    "test_loss": _NUMBER,
    "epochs": ((int,), "an integer"),
    "config": ((dict,), "an object"),
}
KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "experiment": _TEXT,
    "measured": ((dict,), "an object"),
    "message": ((str, type(None)), "text or null"),
    "best_epoch": ((int, type(None)), "an integer or null"),
    "images_per_second": _NUMBER,
    "seconds": _NUMBER,
}


@dataclass(frozen=True)
class Record:
    """A run that has ended, as it is read back from its directory."""

    directory: Path
    result: dict[str, Any]
    rows: list[Row]


def read(directory: Path) -> Record:
    """The record in a run's directory."""
    result = read_json(directory / "result.json")
    require_result(directory, result)
    return Record(directory, result, read_metrics(directory / "metrics.csv"))


def require_result(directory: Path, result: Any) -> None:
    """Raises RunError if what a directory's result.json holds is no result of a run."""
    if problem := wrong_with(result):
        raise RunError(f"{directory / 'result.json'} is not a run's result: {problem}")


def wrong_with(result: Any) -> str | None:
    """Why this is no result of a run; None if it is one."""
    if not isinstance(result, dict):
        return "it is no object"
    if missing := [name for name in NEEDED if name not in result]:
        return f"it has no {missing[0]}"
    for name, value in result.items():
        kind, words = NEEDED.get(name) or KINDS.get(name) or (None, "")
        if kind is None and name.startswith(("test_", "val_")):
            kind, words = _NUMBER
        if kind is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            return f"{name} must be {words}"
    if not isinstance(flat(result["config"]).get("optimizer.lr", 0.0), (int, float)):
        return "config.optimizer.lr must be a number"
    if not result.get("experiment", BUILT_IN[0]).isidentifier():
        return "experiment must be a name"
    try:
        measured(result)
    except (KeyError, TypeError, ValueError, UsageError) as error:
        return f"measured: {error}"
    if result["status"] not in ENDS:
        return f"status must be one of {', '.join(ENDS)}"
    if "\n" in result["act"] or "\t" in result["act"] or not result["act"]:
        return "act must be one line"
    return None


def measured(result: Mapping[str, Any]) -> Measured:
    """What is measured in the experiment of a result, which need not be registered here."""
    if "measured" not in result:
        return named(result.get("experiment", BUILT_IN[0]))
    stored = dict(result["measured"])
    texts = [*stored["metrics"], stored["unit"], stored["best_by"]]
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise ValueError("its names must be text")
    return Measured(**{**stored, "metrics": tuple(stored["metrics"])})


def as_stored(measured: Measured) -> dict[str, Any]:
    """What is measured, for result.json: it can be read where the experiment is not known."""
    return {field.name: getattr(measured, field.name) for field in fields(Measured)}


def records(folder: Path) -> tuple[list[Record], list[str]]:
    """All runs below a folder that have ended, and what is wrong with those that are damaged."""
    found, problems = [], []
    for path in below(folder, "result.json"):
        try:
            found.append(read(path.parent))
        except (RunError, OSError) as error:
            if os.path.lexists(path):  # or else it has just gone, as the run is tried again
                problems.append(str(error))
    return found, problems


def unfinished(folder: Path) -> int:
    """How many runs below a folder have been started and have not ended."""
    started = [path.parent for path in below(folder, "identity.json")]
    return sum(
        not (each / "result.json").exists() and not each.name.startswith(".")  # left by a kill
        for each in started
    )
