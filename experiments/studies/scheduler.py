"""Carries out a list of jobs by an engine: what has ended is skipped, what was lost tried again.

Each run is held, so that another process with the same run in its list leaves it to this one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.common.errors import HeldError, RunError
from experiments.common.files import read_json, write_json
from experiments.runs.records import described, require_result
from experiments.runs.run import held
from experiments.studies.engines.base import Ended, Engine, reason
from experiments.studies.plan import Job
from experiments.tasks.experiment import named
from experiments.training.metrics import read_metrics

ATTEMPTS = 4  # workers that a run may lose
PATIENCE = 0.5  # seconds between looks at what others do


@dataclass
class State:
    """Where a job stands.

    Args:
        job: which one.
        status: waiting, running, elsewhere (another process has the run), or how its run ended.
        result: of its run, once that has ended.
        directory: of its run, once there is one.
        lost: how many workers the run has lost.
        note: what happened last, if it was not its end.
        by_other_code: whether the code that computes its pair has changed since it ended.
        hold: keeps other processes from the run while it is running.
    """

    job: Job
    status: str = "waiting"
    result: Mapping[str, Any] | None = None
    directory: Path | None = None
    lost: int = 0
    note: str = ""
    by_other_code: bool = False
    hold: ExitStack = field(default_factory=ExitStack)

    @property
    def ended(self) -> bool:
        return self.result is not None

    def end(self, result: Mapping[str, Any]) -> None:
        self.result = result
        self.status = result["status"]
        self.hold.close()


Show = Callable[[State | None], None]


def earlier_result(directory: Path | None) -> dict[str, Any] | None:
    """How the run in a directory ended, if it has.

    One that failed is tried again: its cause may be gone.
    """
    result = directory and read_json(directory / "result.json")
    if directory is None or result is None:
        return None
    require_result(directory, result)
    return result if result["status"] != "failed" else None


def look_up(jobs: Sequence[Job], root: Path, again: bool) -> list[State]:
    """The jobs, with the results of those that have ended before.

    Args:
        jobs: what is to be done.
        root: the folder of all runs.
        again: whether results of a pair that other code computed do not count.
    """
    states = []
    for job in jobs:
        state = State(job, directory=job.run.find(root))
        if result := earlier_result(state.directory):
            state.end(result)
        elif state.directory is None and not again:
            other = job.run.find_of_other_code(root)
            if result := earlier_result(other):
                state.directory, state.by_other_code = other, True
                state.end(result)
        states.append(state)
    return states


def carry_out_all(
    states: Sequence[State],
    root: Path,
    engine: Engine,
    command: str,
    show: Show,
    wait_for_others: bool = True,
) -> None:
    """Carries out all that has not ended.

    Args:
        states: the jobs; they are changed.
        root: the folder of all runs.
        engine: what carries them out.
        command: the study's command, for the record.
        show: called with each job that something has happened to, and now and then with None.
        wait_for_others: whether a run that another process is training is taken up later; else that
            is an error, for processes that train together must all do the same runs.
    """
    waiting = deque(state for state in states if not state.ended)
    running: dict[str, State] = {}
    try:
        while waiting or running:
            for _ in range(len(waiting)):
                if len(running) >= engine.slots:
                    break
                state = waiting.popleft()
                before = state.status
                begin(state, root, command)
                if state.status == "running" and state.directory is not None:
                    running[state.job.run.digest] = state
                    engine.start(state.job.run, state.directory)
                    continue
                if state.status == "elsewhere" and not wait_for_others:
                    raise HeldError(f"another process is training the run in {state.directory}")
                if state.status != before:
                    show(state)
                if state.status == "elsewhere":
                    waiting.append(state)
            show(None)
            if not running:
                time.sleep(PATIENCE if waiting else 0)
                continue
            for ended in engine.wait(PATIENCE):
                state = running.pop(ended.run.digest)
                take(ended, state, command)
                show(state)
                if not state.ended:
                    waiting.appendleft(state)
    finally:
        for state in states:
            state.hold.close()


def begin(state: State, root: Path, command: str) -> None:
    """Takes hold of a run, unless another process has it or it has ended meanwhile."""
    run = state.job.run
    try:
        directory = run.find(root) or run.create(root, state.job.config_yaml)
        state.directory = directory
        state.hold.enter_context(held(directory, wait=False))
        if result := earlier_result(directory):
            state.end(result)
        else:
            state.status = "running"
            # Of an attempt that failed: a run that is being trained has no result.
            (directory / "result.json").unlink(missing_ok=True)
    except HeldError:
        state.status, state.note = "elsewhere", "another process is training it; waiting for it"
    except (OSError, RunError) as error:
        state.end(failure(state, reason(error), command))


def take(ended: Ended, state: State, command: str) -> None:
    """Takes note of a run that left its worker: it has ended, or has to be tried again."""
    state.lost += ended.lost
    if ended.result is not None:
        state.end(ended.result)
    elif ended.lost and state.lost < ATTEMPTS:
        state.status, state.note = "waiting", f"{ended.reason}; it is tried again"
        state.hold.close()
    else:
        times = f", {state.lost} times" if ended.lost else ""
        state.end(failure(state, ended.reason + times, command))


def failure(state: State, message: str, command: str) -> dict[str, Any]:
    """The result of a run whose worker could not write one; written if it can be now."""
    run, directory = state.job.run, state.directory
    rows = []
    with suppress(RunError, OSError):
        rows = read_metrics(directory / "metrics.csv") if directory else []
    result = {
        **described(run),
        "status": "failed",
        "message": message,
        **dict.fromkeys(named(run.experiment).figures),
        "best_epoch": None,
        "epochs": len(rows),
        "seconds": sum(row["seconds"] for row in rows),
        "images_per_second": None,
        "command": command,
        "config": run.config,
    }
    if directory:
        with suppress(OSError):
            with (directory / "log.txt").open("a") as log:
                log.write(f"failed: {message}\n")
            write_json(directory / "result.json", result)
    return result
