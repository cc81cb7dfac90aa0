"""Carries out a study: many activations, seeds and learning rates by one command.

    python -m experiments.compare --experiment autoencoder --acts linear relu cantor2 --seeds 5
    python -m experiments.compare --config configs/studies/first.yaml --dry-run

Runs that have finished are not repeated, and those that were cut off go on, so the same command
again does what is left. It ends with the table of `experiments.report`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments import cli
from experiments.engines.base import Engine, Orders
from experiments.engines.scheduler import State, carry_out_all, look_up
from experiments.experiment import EXPERIMENTS
from experiments.files import printable
from experiments.options import UsageError
from experiments.progress import duration, progress, seconds_left
from experiments.runs import commit
from experiments.study import ENGINES, Study, make_study, plan

LAST_LINES = 5  # of the log of a run that failed


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code.

    0: all runs finished; 1: some diverged or failed; 2: nothing was done, for the reason given;
    130, 143: stopped by Ctrl-C or SIGTERM, and the same command goes on from there.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    return cli.exit_code(lambda: command(arguments))


def make_parser() -> argparse.ArgumentParser:
    """The options of a study. All are None unless given: the study file may have them."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.compare",
        usage="python -m experiments.compare --experiment NAME --acts NAME [NAME …] [options]",
        description="Trains a network once per activation, learning rate and seed.",
        epilog="All other options are the experiment's own, for all runs: --model.channels 4 "
        "(python -m experiments.NAME --help lists them).",
        allow_abbrev=False,
        exit_on_error=False,
    )
    option = parser.add_argument
    option("--config", type=Path, help="YAML file of a study: keys as the options below")
    option("--experiment", metavar="NAME", help=f"one of: {', '.join(EXPERIMENTS)}")
    option("--acts", nargs="+", metavar="NAME", help="activations: names, or pairs as text")
    option("--seeds", nargs="+", metavar="N", help="how many, or which, if several are given")
    option("--lrs", nargs="+", metavar="LR", help="learning rates")
    option("--baseline", metavar="NAME", help="activation to compare with (linear); none for none")
    option("--metric", metavar="NAME", help="of result.json, to compare by (the experiment's own)")
    option("--settings", metavar="FILE", help="YAML file of the experiment's settings")
    option("--runs", metavar="DIR", help="where runs are kept (runs)")
    option("--workers", metavar="N", help="runs at a time (as many as cores)")
    option("--engine", metavar="NAME", help=f"{' or '.join(ENGINES)} (local)")
    option("--address", help="of a Ray cluster; without it one is started on this machine")
    option("--gpus", metavar="SHARE", help="of a GPU for each run, with Ray (0)")
    option("--import", action="append", type=Path, dest="files", metavar="FILE.py", default=[],
           help="a file that registers activations (repeatable)")  # fmt: skip
    option("--dry-run", action="store_true", help="list the runs and an estimate of the time")
    return parser


def command(arguments: Sequence[str]) -> int:
    try:
        given, rest = make_parser().parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    source = cli.import_files(given.files)
    study = make_study(vars(given), rest)
    states = look_up(plan(study, source), study.runs)
    if given.dry_run:
        print_plan(states, study)
        return 0
    words = shlex.join(["python", "-m", "experiments.compare", *arguments])
    files = tuple((str(path), path.read_bytes()) for path in given.files)
    terminal = sys.stderr.isatty()
    every = study.settings["checkpoint_every"]
    if earlier := sum(state.ended for state in states):
        print(f"{earlier} of {len(states)} runs were done before", file=sys.stderr)
    if earlier < len(states):
        engine = make_engine(study, states, Orders(words, files, 1, commit(), every))
        try:
            make_folder(study.runs)
            with progress(states, engine.slots, terminal) as show:
                carry_out_all(states, study.runs, engine, words, show)
        finally:
            engine.close()
    print_end(states, study)
    return 0 if all(state.status == "finished" for state in states) else 1


def make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot keep runs in {path}: {error.strerror or error}") from error


def make_engine(study: Study, states: Sequence[State], orders: Orders) -> Engine:
    if study.engine == "ray":
        from experiments.engines.ray import Ray

        return Ray(
            study.workers,
            cli.load_data(study.experiment, study.settings),
            orders,
            study.address,
            study.gpus,
        )
    from experiments.engines.local import Local, start_server

    workers, threads = shares(study, sum(not state.ended for state in states))
    start_server(threads)  # its imports take as long as what we do meanwhile
    data = cli.load_data(study.experiment, study.settings)
    cli.check_trainer(study.settings)
    return Local(workers, data, replace(orders, threads=threads))


def shares(study: Study, runs: int) -> tuple[int, int]:
    """Workers, and the threads of each: the cores are shared out, as more threads are slower."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = study.workers or max(1, min(cores or 1, runs))
    return workers, max(1, (cores or 1) // workers)


def print_plan(states: Sequence[State], study: Study) -> None:
    """The runs, those that are done, and how long the others may take."""
    for state in states:
        if state.ended:
            status = f"{state.status} before"
        else:
            status = "to go on" if state.directory else "to run"
        print(f"{status:<17}{state.job.name}")
    left = sum(not state.ended for state in states)
    workers, _ = shares(study, left)
    estimate = seconds_left(states, workers)
    text = (
        "no run has finished yet to estimate the time from"
        if estimate is None
        else f"about {duration(estimate)}, with {workers} at a time, by those that finished"
    )
    print(f"{len(states)} runs, {left} left{f': {text}' if left else ''}")


def print_end(states: Sequence[State], study: Study) -> None:
    """The table, then what went wrong."""
    from experiments.report import summary

    results: list[dict[str, Any]] = [dict(state.result) for state in states if state.result]
    print(summary(results, study.baseline, study.metric))
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
    print(cli.how_to_see(study.runs / study.experiment))


def last_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return [printable(line) for line in lines]
    except OSError as error:
        return [f"{error.strerror}"]


if __name__ == "__main__":
    sys.exit(main())
