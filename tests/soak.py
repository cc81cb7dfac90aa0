"""Kills runs at random moments, and sees whether they end as if nothing had been.

    python -m tests.soak -o docs                 # all; goes on where it was cut off itself
    python -m tests.soak --variants plain --kills 3 --runs /tmp/soak

Of each variant a run is carried out undisturbed. Then the same command, in another folder, is
killed by SIGKILL at a random moment and given again, until it has ended; and once more in a new
folder, until there have been as many kills as are wanted. All that each leaves has to be the same,
bit for bit: weights, optimiser and states of the checkpoint, rows, and points of the curves. With
-o a record and a page are written to results/soak.json and reliability.md of that folder.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

from experiments.common.files import below, read_json, write, write_json
from experiments.common.signals import stopped_by_sigterm
from experiments.runs.provenance import commit, versions
from experiments.studies.engines.local import PROJECT, environment, start_server
from tests import soak_page
from tests.same import differences, events, table

STARTING = 0.2  # share of the kills that come before training (again) has begun
LONGEST = 300.0  # seconds that a life may take to begin, or those to end that a kill has left alone


@dataclass(frozen=True)
class Variant:
    """A command to kill.

    Args:
        name: of the variant.
        module: of the command, below `experiments`.
        options: of the command, without --runs.
        alone: whether it is one process, which can be forked from one that has imported all.
    """

    name: str
    module: str
    options: tuple[str, ...]
    alone: bool = True

    def kills(self, asked: int) -> int:
        """All of them for the plain run, a quarter for each of the others."""
        return asked if self.name == "plain" else asked // 4

    def words(self, runs: Path | str) -> list[str]:
        return [f"experiments.{self.module}", "--runs", str(runs), *self.options]


TINY = ("--config", "configs/smoke.yaml", "--checkpoint_every", "0.1", "--data.limit", "256")
ALONE = (*TINY, "--baseline", "none", "--trainer.max_epochs", "6")
ANNEAL = ("--anneal", "derivative.width: cosine(1, 0.1)")
CYCLE = ("--schedule.name", "one_cycle", "--trainer.gradient_clip_val", "0.1")
BOTH = ("--trainer.devices", "2", "--trainer.strategy", "ddp", "--trainer.accelerator", "cpu")
STUDY = ("--experiment", "autoencoder", "--config", *TINY[1:], "--trainer.max_epochs", "4")
VARIANTS = (
    Variant("plain", "autoencoder", (*ALONE, "--act", "gelu", *CYCLE)),
    Variant("stochastic", "autoencoder", (*ALONE, "--act", "rrelu")),
    Variant("annealed", "autoencoder", (*ALONE, "--act", "heaviside_blurred", *ANNEAL)),
    Variant("two processes", "autoencoder", (*ALONE, "--act", "rrelu", *BOTH), alone=False),
    Variant(
        "study",
        "compare",
        (*STUDY, "--act", "rrelu", "gelu", "--baseline", "none", "--seed", "0-1", "--workers", "2"),
        alone=False,
    ),
)


class Life:
    """One process that carries out a command, and those that it has started."""

    def __init__(self, variant: Variant, runs: Path, output: Path) -> None:
        words = variant.words(runs)
        if variant.alone:
            self.process = get_context("forkserver").Process(target=live, args=(words, output))
            with environment(threads=1):
                self.process.start()
            self.poll: Callable[[], int | None] = lambda: self.process.exitcode
            self.pid = self.process.pid or 0
        else:
            with output.open("ab") as file:
                started = subprocess.Popen(
                    [sys.executable, "-m", *words],
                    cwd=PROJECT,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            self.poll, self.pid = started.poll, started.pid
        self.alone, self.study = variant.alone, variant.module == "compare"

    def victims(self) -> dict[str, list[int]]:
        """What can be killed, by what it is."""
        if self.alone:
            return {"process": [self.pid]}
        parents = session(self.pid)
        first = [pid for pid, parent in parents.items() if parent == self.pid]
        if self.study:  # its workers are forked by a child of the command
            workers = sorted(pid for pid, parent in parents.items() if parent in first)
            return {"command": [self.pid]} | {
                f"worker {number + 1}": [pid] for number, pid in enumerate(workers)
            }
        named = {"first process": [self.pid], "all processes": [self.pid, *first]}
        return named | ({"second process": [min(first)]} if first else {})

    def end(self, within: float = math.inf) -> int | None:
        """Waits for all processes to have ended; returns the exit code."""
        deadline = time.monotonic() + within
        while self.poll() is None or (not self.alone and session(self.pid)):
            if time.monotonic() > deadline:
                raise RuntimeError("processes were left behind")
            time.sleep(0.02)
        return self.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leaves no process behind."""
        for pid in [self.pid] if self.alone and self.poll() is None else session(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def live(words: Sequence[str], output: Path) -> None:
    """What a forked process does."""
    import torch

    with output.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.chdir(PROJECT)
    torch.set_num_threads(1)
    sys.exit(import_module(words[0]).main(list(words[1:])))


def session(leader: int) -> dict[int, int]:
    """The living processes of a session, and the parent of each."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent, _, of = path.read_text().rpartition(")")[2].split()[:4]
            if int(of) == leader and state not in "ZX":
                found[int(path.parent.name)] = int(parent)
    return found


def begun(runs: Path) -> list[int]:
    """When each run has begun, or gone on with, its last epoch: layers.csv is written then."""
    return [path.stat().st_mtime_ns for path in below(runs, "layers.csv")]


def killed(life: Life, runs: Path, span: float, draw: random.Random) -> dict[str, Any] | None:
    """Kills something of a life at a random moment; None if it ended before."""
    before, started = begun(runs), time.monotonic()
    starting = draw.random() < STARTING
    moment = draw.uniform(0, (1 if life.alone else 10) if starting else span)
    while not starting and begun(runs) == before and life.poll() is None:
        if time.monotonic() > started + LONGEST:
            raise RuntimeError("a life does not begin")
        time.sleep(0.005)
    deadline = time.monotonic() + moment
    while time.monotonic() < deadline and life.poll() is None:
        time.sleep(0.002)
    victims = life.victims()
    name = draw.choice(sorted(victims))
    if life.poll() is not None:
        return None
    for pid in victims[name]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return {"victim": name, "while": "starting" if starting else "training"}


def reached(runs: Path) -> str:
    """From where a single run would go on; or how many runs of a study have ended."""
    from experiments.training.checkpoints import newest

    found = [path.parent for path in sorted(runs.glob("*/*/seed*/identity.json"))]
    if len(found) > 1:
        return f"{sum((each / 'result.json').exists() for each in found)} runs done"
    state = newest(found[0] / "checkpoints") if found else None
    if state is None:
        return "nothing kept"
    callbacks = state[1]["callbacks"]
    epochs, step = len(callbacks["Curves"]["rows"]), callbacks["LastCheckpoint"]["step"]
    return f"epoch {epochs}" + (f", step {step}" if step else "")


def soak(variant: Variant, kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kills a variant's runs so many times; goes on where it was cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    output, whole = folder / "output.txt", folder / "whole"
    with Life(variant, whole, output) as life:
        if life.end() != 0:
            raise RuntimeError(f"{variant.name} does not run:\n{output.read_text()[-2000:]}")
    directories = [path.parent.relative_to(whole) for path in whole.rglob("result.json")]
    seconds = [read_json(whole / each / "result.json")["seconds"] for each in directories]
    span = max(2.0, sum(seconds) / len(seconds) / 2)  # half a run
    record = read_json(folder / "record.json") or {
        "name": variant.name,
        "command": shlex.join(["python", "-m", *variant.words("DIR")]),
        "kills": [],
        "passes": 0,
        "differences": [],
        "rows": sum(len(table(whole / each / "metrics.csv")) for each in directories),
        "points": sum(map(len, (p for each in directories for p in events(whole / each).values()))),
    }
    while len(record["kills"]) < kills or (folder / "now").exists():
        runs = folder / "now"
        runs.mkdir(exist_ok=True)
        with Life(variant, runs, output) as life:
            while len(record["kills"]) < kills and life.poll() is None:
                # A life may end before its moment: the next one has another.
                turn = f"{len(record['kills'])} {record['passes']}"
                draw = random.Random(f"{seed} {variant.name} {turn}")
                kill = killed(life, runs, span, draw)
                if kill is None:
                    break
                if not kill["victim"].startswith("worker"):
                    life.end(within=LONGEST)
                record["kills"].append({**kill, "kept": reached(runs)})
                write_json(folder / "record.json", record)
            if life.end() != 0:
                continue
        record["passes"] += 1
        for each in directories:
            record["differences"] += differences(runs / each, whole / each)
        write_json(folder / "record.json", record)
        shutil.rmtree(runs)
    return record


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code is 1 if anything was not the same."""
    with stopped_by_sigterm():
        return command(sys.argv[1:] if arguments is None else arguments)


def command(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", allow_abbrev=False)
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--variants", nargs="+", choices=names, default=names)
    parser.add_argument(
        "--kills", type=int, default=20, help="of the plain run; a quarter for the others (20)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random moments (0)")
    parser.add_argument("--runs", type=Path, default=Path("runs/soak"), help="where runs are kept")
    parser.add_argument("-o", dest="docs", type=Path, help="folder of the record and the page")
    given = parser.parse_args(arguments)
    start_server(threads=1)
    found = []
    for variant in VARIANTS:
        if variant.name not in given.variants:
            continue
        folder = given.runs.resolve() / variant.name.replace(" ", "_")
        found.append(soak(variant, variant.kills(given.kills), given.seed, folder))
        print(soak_page.line(found[-1]), flush=True)
    if given.docs:
        record = {"seed": given.seed, "commit": commit(), "versions": versions(), "variants": found}
        (given.docs / "results").mkdir(parents=True, exist_ok=True)
        write_json(given.docs / "results" / "soak.json", record)
        write(given.docs / "reliability.md", soak_page.page(record))
    return int(any(each["differences"] for each in found))


if __name__ == "__main__":
    sys.exit(main())
