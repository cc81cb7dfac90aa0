"""What a run is, where it is kept, and how it is read back.

A run is (experiment, activation, seed, config). It lives in
`<runs>/<experiment>/<activation>/seed<k>/`, or in `seed<k>-<digest>/` where another config was
there first, so that runs are never overwritten or mixed:

    identity.json   what makes the run this run and no other
    config.yaml     its settings, to be given to `--config` again
    metrics.csv     the losses, a row per epoch
    result.json     how it ended; absent as long as it has not
    checkpoints/    last.ckpt, to resume from
    log.txt, events.out.tfevents.*
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

import surrogate

METRICS: tuple[str, ...] = ("epoch", "loss/train", "loss/val", "loss/test", "seconds")
LONGEST_NAME = 80

Row = dict[str, float]


class RunError(Exception):
    """A run's directory or file is not what it should be."""


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
                return directory
        return None

    def create(self, root: Path, config_yaml: str) -> Path:
        """A new directory for this run, which appears all at once or not at all."""
        parent = self._candidates(root)[0].parent
        parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            new.chmod(0o755)
            (new / "config.yaml").write_text(config_yaml)
            write_json(new / "identity.json", self.identity)
            plain, with_digest = self._candidates(root)
            directory = with_digest if plain.exists() else plain
            if directory.exists():
                raise RunError(f"{directory} exists and is not this run: move it away")
            return new.rename(directory)
        finally:
            shutil.rmtree(new, ignore_errors=True)  # nothing is there once it is renamed

    def _candidates(self, root: Path) -> list[Path]:
        """Where this run may be: under its plain name, or the one with its digest."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        folder = root / self.experiment / folder_name(self.act)
        return [folder / f"seed{self.seed}", folder / f"seed{self.seed}-{digest[:8]}"]


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
    needed = {"act", "seed", "status", "test_loss", "epochs", "config"}
    if not isinstance(result, dict) or not needed <= result.keys():
        raise RunError(f"{directory / 'result.json'} is not a run's result")
    return Record(directory, result, read_metrics(directory / "metrics.csv"))


def records(folder: Path) -> tuple[list[Record], list[str]]:
    """All runs below a folder that have ended, and what is wrong with those that are damaged."""
    found, problems = [], []
    for path in sorted(folder.rglob("result.json")):
        try:
            found.append(read(path.parent))
        except (RunError, OSError) as error:
            problems.append(str(error))
    return found, problems


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
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {error}") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON that any reader takes: losses that are not finite become null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }
    write(path, json.dumps(finite, indent=2, allow_nan=False) + "\n")


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Writes the losses of all epochs so far, digits enough to read back the same numbers."""
    text = io.StringIO()
    table = csv.DictWriter(text, METRICS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write(path, text.getvalue())


def read_metrics(path: Path) -> list[Row]:
    """The rows of a metrics.csv; none if the run ended before its first epoch did."""
    try:
        with path.open(newline="") as file:
            table = csv.DictReader(file)
            rows = [dict(row) for row in table]
            if tuple(table.fieldnames or ()) != METRICS:
                raise RunError(f"{path} does not have the columns {', '.join(METRICS)}")
            return [{name: float(row[name]) for name in METRICS} for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from None


def write(path: Path, text: str) -> None:
    """Replaces a file in one step: a reader, or a crash, sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
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
