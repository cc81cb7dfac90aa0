"""Copies of runs that are small enough to be committed: without checkpoints, events and logs."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from experiments.common.files import read_json
from experiments.runs.records import records

KEPT = ("result.json", "metrics.csv", "config.yaml")
SAME = ("act", "seed", "config")  # of a run that may be copied over an earlier copy


def compact(folder: Path, target: Path, layers: bool = False, probe: bool = False) -> int:
    """Copies result, losses and config of every run that has ended; returns the exit code.

    Args:
        folder: the runs.
        target: where the copies go.
        layers: whether layers.csv is copied too: it is larger than all the others.
        probe: whether probe.npz is, which is larger still.
    """
    found, problems = records(folder)
    copies = [target / record.directory.relative_to(folder) for record in found]
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not found:
        print(f"error: no finished run in {folder}", file=sys.stderr)
        return 2
    for record, copy in zip(found, copies, strict=True):
        there = read_json(copy / "result.json")
        if there and any(there.get(name) != record.result[name] for name in SAME):
            print(f"error: {copy} is of another run: move it away", file=sys.stderr)
            return 2
    for record, copy in zip(found, copies, strict=True):
        copy.mkdir(parents=True, exist_ok=True)
        for name in (*KEPT, *["layers.csv"] * layers, *["probe.npz"] * probe):
            if (record.directory / name).exists():
                shutil.copyfile(record.directory / name, copy / name)
    print(f"{len(found)} runs in {target}")
    return 1 if problems else 0
