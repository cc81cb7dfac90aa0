"""What a run is, where it is kept, and how it is read back.

A run is (experiment, activation, seed, config). It lives in
`<runs>/<experiment>/<activation>/seed<k>/`, or in `seed<k>-<digest>/` where another config was
there first, so that runs are never overwritten or mixed:

    identity.json   what makes the run this run and no other; locked while it is being trained
    config.yaml     its settings, to be given to `--config` again
    metrics.csv     the losses (and accuracies), a row per epoch
    layers.csv      how each activation site is doing, a row per epoch and site
    probe.npz       with --probe: where its activations are sampled, and what they report
    result.json     how it ended; absent as long as it has not
    checkpoints/    last.ckpt, to resume from; previous.ckpt, the one before, until the run has
                    finished; best.ckpt, if the best epoch is what counts
    log.txt, events.out.tfevents.*
"""

from __future__ import annotations

import csv
import errno
import fcntl
import hashlib
import io
import json
import math
import os
import platform
import re
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

import surrogate
from experiments.experiment import EXPERIMENTS
from experiments.files import (
    LARGEST_JSON,
    LARGEST_TABLE,
    FileError,
    below,
    plain_json,
    read_bytes,
    read_text,
)

# The columns that every metrics.csv has.
METRICS: tuple[str, ...] = ("epoch", "loss/train", "loss/val", "loss/test", "seconds")
LONGEST_NAME = 80
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
    "message": ((str, type(None)), "text or null"),
    "best_epoch": ((int, type(None)), "an integer or null"),
    "images_per_second": _NUMBER,
    "seconds": _NUMBER,
}

Row = dict[str, float]


class RunError(Exception):
    """A run's directory or file is not what it should be."""


class HeldError(RunError):
    """Another process is training this run."""


@dataclass(frozen=True)
class Run:
    """What is run. Two runs are the same run if all of these are equal.

    Args:
        experiment: name of the experiment.
        act: the activation as it is named to people.
        text: the pair that the name stands for, as text.
        source: digest of the user's files that the activation comes from, if any.
        seed: seed of weights, data order and randomness.
        config: every other setting that can change the result.
    """

    experiment: str
    act: str
    text: str
    source: str | None
    seed: int
    config: Mapping[str, Any]

    @property
    def identity(self) -> dict[str, Any]:
        return asdict(self)

    def find(self, root: Path) -> Path | None:
        """The directory of this run, if it was ever started."""
        for directory in self._candidates(root):
            if read_json(directory / "identity.json") == self.identity:
                require_no_links(directory)
                return directory
        return None

    @property
    def digest(self) -> str:
        """Of its identity: tells any two runs apart."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def wait_for(self, root: Path, seconds: float = 300.0) -> Path:
        """The directory of this run, once another process has created it."""
        end = time.monotonic() + seconds
        while (directory := self.find(root)) is None:
            if time.monotonic() > end:
                raise RunError(
                    f"no other process has created a directory for this run in {root}: those that "
                    "train together must share it"
                )
            time.sleep(0.1)
        return directory

    def create(self, root: Path, config_yaml: str) -> Path:
        """A new directory for this run, which appears all at once or not at all.

        Where another process was first with this same run, it is that one's.
        """
        parent = self._candidates(root)[0].parent
        parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            new.chmod(0o755)
            (new / "config.yaml").write_text(config_yaml)
            write_json(new / "identity.json", self.identity)
            directory = parent
            for directory in self._candidates(root):
                try:
                    return new.rename(directory)
                except OSError as error:
                    if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        raise
                if read_json(directory / "identity.json") == self.identity:
                    return directory
            raise RunError(f"{directory} exists and is not this run: move it away")
        finally:
            shutil.rmtree(new, ignore_errors=True)  # nothing is there once it is renamed

    def _candidates(self, root: Path) -> list[Path]:
        """Where this run may be: under its plain name, or the one with its digest."""
        folder = root / self.experiment / folder_name(self.act)
        return [folder / f"seed{self.seed}", folder / f"seed{self.seed}-{self.digest[:8]}"]


def require_no_links(directory: Path) -> None:
    """Raises RunError if a run's directory has links in it: what is written would go elsewhere.

    Nor may it have pipes and the like, on which a run would wait.
    """
    for path in (directory, *directory.rglob("*")):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:  # replaced by who is training it
            continue
        if stat.S_ISLNK(mode):
            raise RunError(f"{path} is a link; a run has none: put what it leads to in its place")
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RunError(f"{path} is not an ordinary file; a run has no other: delete it")


@contextmanager
def held(directory: Path, wait: bool = True) -> Iterator[None]:
    """Keeps other processes from training the run in a directory.

    The system lets go of it when the process ends, however it ends. Where another process has it:
    waits, or raises `HeldError`.
    """
    with (directory / "identity.json").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise HeldError(f"another process is training the run in {directory}") from None
        yield


def folder_name(act: str) -> str:
    """A readable name for a folder: catalogue names as they are, any other text made safe.

    What is not a plain name ends in a digest of the whole text, so no two texts share a folder.

    >>> folder_name("cantor2")
    'cantor2'
    >>> folder_name("Staircase(step=0.5) / Blurred(width=0.3)")
    'Staircase_step=0.5_Blurred_width=0.3-f42e59c2'
    """
    if re.fullmatch(r"[A-Za-z]\w*", act, re.ASCII) and len(act) <= LONGEST_NAME:
        return act
    readable = re.sub(r"[^A-Za-z0-9=.,+]+", "_", act)[:LONGEST_NAME].strip("_.")
    return f"{readable}-{hashlib.sha256(act.encode()).hexdigest()[:8]}"


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
    if result.get("experiment", EXPERIMENTS[0]) not in EXPERIMENTS:
        return f"experiment must be one of {', '.join(EXPERIMENTS)}"
    if result["status"] not in ENDS:
        return f"status must be one of {', '.join(ENDS)}"
    if "\n" in result["act"] or "\t" in result["act"] or not result["act"]:
        return "act must be one line"
    return None


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


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by their dotted names, as on the command line.

    >>> flat({"seed": 0, "model": {"channels": 16}})
    {'seed': 0, 'model.channels': 16}
    """
    names: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            names |= {f"{name}.{inner}": each for inner, each in flat(value).items()}
        else:
            names[name] = value
    return names


def read_json(path: Path) -> Any:
    """What a JSON file holds; None if there is no such file."""
    try:
        return plain_json(read_bytes(path, LARGEST_JSON))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FileError as error:
        raise RunError(f"{path} is damaged: {error}") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON that any reader takes: losses that are not finite become null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }
    write(path, json.dumps(finite, indent=2, allow_nan=False) + "\n")


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


def write(path: Path, text: str) -> None:
    """Replaces a file in one step: a reader, or a crash, sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # it may be left over, or a link to elsewhere
    with new.open("x", encoding="utf-8") as file:
        file.write(text)
    os.replace(new, path)


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import lightning  # seconds to import

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "lightning": lightning.__version__,
        "surrogate": surrogate.__version__,
    }


def commit() -> str | None:
    """The git commit of the project, with `-dirty` where files differ from it; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
