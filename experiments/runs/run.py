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
    log.txt
    events.out.tfevents.*; or with another --logger: csv/, wandb/, mlflow.db
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.common.errors import HeldError, RunError
from experiments.common.files import read_json, write_json

LONGEST_NAME = 80


@dataclass(frozen=True)
class Run:
    """What is run. Two runs are the same run if all of these are equal.

    Args:
        experiment: name of the experiment.
        act: the activation as it is named to people.
        text: the pair that the name stands for, as text.
        code: digest of the code that computes the pair.
        seed: seed of weights, data order and randomness.
        config: every other setting that can change the result.
    """

    experiment: str
    act: str
    text: str
    code: str
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

    def find_of_other_code(self, root: Path) -> Path | None:
        """The directory of a run that differs in nothing but the code of its pair."""
        for path in sorted(self._folder(root).glob(f"seed{self.seed}*/identity.json")):
            stored = read_json(path)
            if isinstance(stored, dict) and without_code(stored) == without_code(self.identity):
                require_no_links(path.parent)
                return path.parent
        return None

    @property
    def digest(self) -> str:
        """The SHA-256 of the identity, which no two runs share."""
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

    def _folder(self, root: Path) -> Path:
        return root / self.experiment / folder_name(self.act)

    def _candidates(self, root: Path) -> list[Path]:
        """Where this run may be: under its plain name, or the one with its digest."""
        folder = self._folder(root)
        return [folder / f"seed{self.seed}", folder / f"seed{self.seed}-{self.digest[:8]}"]


def without_code(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity but for the code; version 0.1 wrote a digest of the user's files as `source`."""
    return {name: value for name, value in identity.items() if name not in ("code", "source")}


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
