"""The command: reads the runs, prints their numbers and draws the figures."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.analysis.probe.runs import (
    NUMBERS,
    Probed,
    by_act,
    mean_and_deviation,
    over_epochs,
    over_rates,
    over_seeds,
    rates,
    read,
)
from experiments.analysis.report.table import aligned

FIGURES = ("where", "animation", "moves", "gradient")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 1 if a run was left out, 2 if there was none."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.probe",
        description="Where activations are sampled, whether that moves, and the derivatives there.",
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("runs", type=Path, nargs="+", help="made with --probe true: folders, or FILE.jsonl")
    option("-o", "--output", type=Path, required=True, metavar="DIR", help="for the figures")
    option("--act", nargs="+", metavar="NAME", help="these activations only, in this order")
    option("--figures", nargs="+", choices=FIGURES, default=FIGURES, help="which (all)")
    given = parser.parse_args(arguments)
    runs, problems = read(given.runs)
    if given.act:
        groups = by_act(runs)
        problems += [f"no run of {act}" for act in given.act if act not in groups]
        runs = [run for act in given.act for run in groups.get(act, [])]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not runs:
        return 2
    print(aligned([*table(runs)], right=range(1, 99)))
    print()
    print(aligned([*moves(runs)], right=range(1, 99)))
    from experiments.analysis.probe import figures

    try:
        given.output.mkdir(parents=True, exist_ok=True)
        for name in given.figures:
            print(getattr(figures, name)(runs, given.output))
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 1 if problems else 0


def table(runs: Sequence[Probed]) -> Iterator[list[str]]:
    """The numbers of the last epoch: a line for each activation and learning rate."""
    yield ["activation", "lr", "n", *(number.title for number in NUMBERS.values())]
    for act, own in by_act(runs).items():
        for lr in rates(own):
            group = [run for run in own if run.lr == lr]
            cells = [
                mean_and_deviation([run.number(name) for run in group], number.form)
                for name, number in NUMBERS.items()
            ]
            yield [act, f"{lr:g}", str(len(group)), *cells]


def moves(runs: Sequence[Probed]) -> Iterator[list[str]]:
    """What densities of x have in common: a line for each activation."""
    yield ["activation", "first and last epoch", "two seeds", "extreme learning rates"]
    for act, own in by_act(runs).items():
        values = (over_epochs(own), over_seeds(own), over_rates(own))
        yield [act, *(mean_and_deviation(each, ".0%") for each in values)]
