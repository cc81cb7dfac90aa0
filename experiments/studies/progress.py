"""Says how far a study is: its plan, a live table or a line for each run that ends, and the end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from experiments.common.files import printable
from experiments.studies.scheduler import Show, State

if TYPE_CHECKING:
    from rich.table import Table

LAST_LINES = 5  # of the log of a run that failed
SHOWN = ("finished", "running", "elsewhere", "diverged", "failed", "waiting")


def seconds_left(states: Sequence[State], slots: int) -> float | None:
    """The mean time of the runs that have finished, times those to come; None as long as none has.

    Runs of one activation are like each other, so its own mean is taken where there is one.
    """
    times: dict[str, list[float]] = {}
    for state in states:
        finished = state.result if state.status == "finished" else None
        if finished and finished.get("seconds") is not None:  # a file may be without
            times.setdefault(state.job.run.act, []).append(finished["seconds"])
    if not times:
        return None
    everything = [seconds for each in times.values() for seconds in each]
    left = [times.get(state.job.run.act, everything) for state in states if not state.ended]
    return sum(sum(each) / len(each) for each in left) / max(1, min(slots, len(left)))


def duration(seconds: float) -> str:
    """
    >>> duration(59.6), duration(90), duration(3 * 3600 + 240)
    ('1 min', '1.5 min', '3 h 4 min')
    """
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f}".removesuffix(".0") + " min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def time_left(states: Sequence[State], slots: int) -> str:
    left = seconds_left(states, slots)
    return "" if left is None or all(state.ended for state in states) else f"{duration(left)} left"


@contextmanager
def progress(states: Sequence[State], slots: int, terminal: bool) -> Iterator[Show]:
    """What to call with each job that something has happened to, and now and then with None."""
    if not terminal:
        yield lambda state: print_line(states, slots, state)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(live_table(states, slots), console=console, auto_refresh=False) as live:
        shown = 0.0

        def show(state: State | None) -> None:
            nonlocal shown
            if state is not None or time.monotonic() > shown + 1:
                shown = time.monotonic()
                live.update(live_table(states, slots), refresh=True)

        yield show
        live.update(live_table(states, slots), refresh=True)


def print_line(states: Sequence[State], slots: int, state: State | None) -> None:
    if state is None:
        return
    done = sum(each.ended for each in states)
    if state.result is None:
        parts = [f"{state.job.name}: {state.note}"]
    elif state.status == "finished":
        parts = [f"{state.job.name}: finished in {duration(state.result['seconds'])}"]
    else:
        parts = [f"{state.job.name}: {state.status}: {first_line(state.result['message'])}"]
    if left := time_left(states, slots):
        parts.append(left)
    print(f"[{done}/{len(states)}]", ", ".join(parts), file=sys.stderr, flush=True)


def first_line(text: str | None) -> str:
    return (text or "").partition("\n")[0]


def live_table(states: Sequence[State], slots: int) -> Table:
    """A row for each activation, its runs counted by where they stand."""
    from rich.table import Table

    done = sum(state.ended for state in states)
    title = f"{done} of {len(states)} runs have ended"
    if left := time_left(states, slots):
        title += f", {left}"
    table = Table(title=title, title_justify="left", title_style="bold", box=None)
    table.add_column("activation")
    shown = [each for each in SHOWN if any(state.status == each for state in states)]
    for status in shown:
        table.add_column(status, justify="right")
    table.add_column("now")
    for act in dict.fromkeys(state.job.run.act for state in states):
        own = [state for state in states if state.job.run.act == act]
        counts = (sum(state.status == status for state in own) for status in shown)
        table.add_row(
            act,
            *(str(count or "–") for count in counts),
            "; ".join(epoch(state) for state in own if state.status == "running"),
        )
    return table


def epoch(state: State) -> str:
    """How far a run is that is being trained."""
    lines = 0
    if state.directory is not None:
        try:
            lines = (state.directory / "metrics.csv").read_text().count("\n") - 1
        except OSError:
            lines = 0
    epochs = state.job.run.config["trainer"]["max_epochs"]
    return f"seed {state.job.run.seed}: {max(0, lines)}/{epochs}"


def print_plan(states: Sequence[State], slots: int) -> None:
    """The runs, those that are done, and how long the others may take."""
    for state in states:
        if state.ended:
            status = f"{state.status} before"
        else:
            status = "to go on" if state.directory else "to run"
        print(f"{status:<17}{state.job.name}")
    left = sum(not state.ended for state in states)
    estimate = seconds_left(states, slots)
    text = (
        "no run has finished yet to estimate the time from"
        if estimate is None
        else f"about {duration(estimate)}, with {slots} at a time, by those that finished"
    )
    print(f"{len(states)} runs, {left} left{f': {text}' if left else ''}")


def print_end(states: Sequence[State], folder: Path, logger: str) -> None:
    """What went wrong, and how to see the curves of the runs in a folder."""
    for state in states:
        if state.status not in ("failed", "diverged") or state.result is None:
            continue
        print(f"\n{state.job.name} {state.status}: {state.result.get('message')}")
        if state.status == "failed" and state.directory is not None:
            path = state.directory / "log.txt"
            print(f"  the last lines of {path}:")
            for line in last_lines(path):
                print(f"  | {line}")
    if lost := sum(state.lost for state in states):
        print(f"\nLost and replaced: {lost} worker{'s' if lost > 1 else ''}")
    print(how_to_see(folder, logger))


def last_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return [printable(line) for line in lines]
    except OSError as error:
        return [f"{error.strerror}"]


def how_to_see(folder: Path, logger: str) -> str:
    """How to look at the curves; in TensorBoard overlaid, an activation in one colour."""
    runs = f"{shlex.quote(str(folder))}/*/*"
    if logger == "csv":
        return f"\nCurves: {runs}/csv/metrics.csv"
    if logger == "wandb":
        return f"\nCurves: wandb sync {runs}/wandb/offline-run-*"
    if logger == "mlflow":
        return f"\nCurves: mlflow ui --backend-store-uri sqlite:///…, of {runs}/mlflow.db"
    colour = quote("regex:^([^/]+)/", safe="")
    return (
        f"\nCurves: tensorboard --logdir {shlex.quote(str(folder))}\n"
        f"        http://localhost:6006/?tagFilter=%5Eloss&smoothing=0"
        f"&runColorGroup={colour}#timeseries"
    )
