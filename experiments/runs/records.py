"""Runs that have ended: read back from their directories or a study's file, and published there."""

from __future__ import annotations

import math
import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import read_array
from numpy.typing import NDArray

from experiments.common.errors import RunError, UsageError
from experiments.common.files import FileError, below, flat
from experiments.runs.published import Cells, Line, as_columns, as_rows, gather, write_lines
from experiments.runs.run import Run
from experiments.tasks.experiment import BUILT_IN, Measured, named
from experiments.training.metrics import METRICS, Row
from surrogate.training.recording import Recording

ENDS = ("finished", "diverged", "failed")
LAYERS = ("epoch", "site", "mean", "neurons", "dead", "gradient_out")  # that a layers.csv must have
LARGEST_RECORDING = 2**28  # bytes of a probe's arrays unpacked

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
    """A run that has ended, as it is read back.

    Args:
        place: its directory, or the file of its study.
        result: what its result.json says.
        rows: of its metrics.csv.
        layers: the rows of its layers.csv; None if that was not kept.
        name: of the run in its study: "autoencoder/relu/seed0".
        line: of the file of its study; None for a directory.
        probe: the file that has what its probe recorded; None if there is none.
    """

    place: Path
    result: dict[str, Any]
    rows: list[Row]
    layers: list[Cells] | None = None
    name: str = ""
    line: int | None = None
    probe: Path | None = None

    def recording(self) -> Recording:
        """What its probe recorded.

        Raises:
            ValueError: there is none, or the file is damaged.
            OSError: it can't be read.
        """
        if self.probe is None:
            raise ValueError(f"{self.place} has no recording of a probe")
        if self.line is None:
            return Recording.load(self.probe)
        return load_recording(self.probe, self.name)


def records(path: Path) -> tuple[list[Record], list[str]]:
    """All runs in a place that have ended, and what is wrong with those that are damaged.

    Args:
        path: a folder with runs in or below it or with files of studies in it, or such a file.
    """
    return gather(path, "result", {"metrics.csv": "curve", "layers.csv": "layers"}, of_line)


def of_line(place: Path, number: int | None, line: Line) -> Record:
    """The record in a line of a study's file, or in a directory.

    Raises:
        FileError: it is damaged.
    """
    if problem := wrong_with(line["result"]):
        raise FileError(f"it has no result of a run: {problem}")
    rows = as_rows(line.get("curve", {}), METRICS)
    if not all(math.isfinite(value) for row in rows for value in row.values()):
        raise FileError("its curve has a number that is not finite")
    layers = as_rows(line["layers"], LAYERS, ("site",)) if "layers" in line else None
    probe = place / "probe.npz" if number is None else place.with_suffix(".npz")
    kept = probe.exists() if number is None else "probe" in line
    return Record(place, line["result"], rows, layers, line["run"], number, probe if kept else None)


def publish(found: Sequence[Record], path: Path, layers: bool = False, probe: bool = False) -> None:
    """Write the file of a study, and with probes the file of their arrays beside it.

    Args:
        found: the runs.
        path: `<study>.jsonl`; the arrays are in `<study>.npz`, by the names of the runs.
        layers: whether the layers are kept too: they are larger than all the rest.
        probe: whether what was recorded by probes is, which is larger still.

    Raises:
        RunError: the file has runs that are not among these, and would be lost; or a recording is
            damaged.
    """
    new = [_settings(record) for record in found]
    if lost := [each.name for each in records(path)[0] if _settings(each) not in new]:
        raise RunError(f"{path} has runs that are not among these, {lost[0]} first: move it away")
    lines: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for record in found:
        line = {"run": record.name, "result": record.result, "curve": as_columns(record.rows)}
        if layers and record.layers is not None:
            line["layers"] = as_columns(record.layers)
        if probe and record.probe is not None:
            line["probe"] = True
            try:
                own = record.recording().to_arrays()
            except ValueError as error:
                raise RunError(str(error)) from None
            for name, array in own.items():
                if name.endswith(".counts"):  # in as few bytes as they need
                    array = array.astype(np.min_scalar_type(array.max(initial=0)))
                arrays[f"{record.name}/{name}"] = array
        lines.append(line)
    write_lines(path, lines)
    if arrays:
        new_file = path.with_name(f".{path.stem}.npz.new")
        new_file.unlink(missing_ok=True)  # it may be left over, or a link to elsewhere
        with new_file.open("xb") as file:
            np.savez_compressed(file, **dict(sorted(arrays.items())))  # type: ignore[arg-type]
        os.replace(new_file, path.with_suffix(".npz"))


def load_recording(path: Path, name: str) -> Recording:
    """What the probe of a run recorded, from the file of its study; nothing in it is executed.

    Raises:
        OSError: it can't be read.
        ValueError: it has no such recording, or one of more than 256 MB unpacked.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError("it is not an ordinary file")
        arrays: dict[str, NDArray[Any]] = {}
        with ZipFile(path) as packed:
            own = [part for part in packed.infolist() if part.filename.startswith(f"{name}/")]
            if (unpacked := sum(part.file_size for part in own)) > LARGEST_RECORDING:
                raise ValueError(f"{name} has {unpacked} bytes, more than {LARGEST_RECORDING}")
            for part in own:
                if part.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise ValueError(f"{part.filename} is compressed in an unknown way")
                array = part.filename.removeprefix(f"{name}/").removesuffix(".npy")
                with packed.open(part) as file:
                    arrays[array] = read_array(file, allow_pickle=False)
        return Recording.from_arrays(arrays)
    except (
        ValueError,
        AttributeError,
        EOFError,
        BadZipFile,
        MemoryError,
        RuntimeError,  # it is encrypted
        zlib.error,
    ) as error:
        raise ValueError(f"{path} has no recording of {name}: {error}") from error


def _settings(record: Record) -> tuple[Any, ...]:
    """What makes a run another one."""
    result = record.result
    return (result.get("experiment"), result["act"], result["seed"], result["config"])


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


def described(run: Run) -> dict[str, Any]:
    """What every result.json says of its run, however it ended.

    What is measured is part of it, so that the result can be read where the experiment is unknown.
    """
    experiment = named(run.experiment)
    return {
        "experiment": run.experiment,
        "measured": {field.name: getattr(experiment, field.name) for field in fields(Measured)},
        "act": run.act,
        "text": run.text,
        "seed": run.seed,
    }


def unfinished(folder: Path) -> int:
    """How many runs below a folder have been started and have not ended."""
    started = [path.parent for path in below(folder, "identity.json")]
    return sum(
        not (each / "result.json").exists() and not each.name.startswith(".")  # left by a kill
        for each in started
    )
