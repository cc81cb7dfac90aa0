"""Whether two directories of runs hold the same record, bit for bit, times apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.training import checkpoints

# Times, and what is told of them; the commands may name other folders.
TIMES = frozenset({"seconds", "training_seconds", "images_per_second"})
NAMED = frozenset({"command", "commit"})


def differences(found: Path, expected: Path) -> list[str]:
    """What the record of a run has otherwise than that of another: nothing, if all is the same."""
    return [
        *unequal(state(found), state(expected), "checkpoint"),
        *unequal(table(found / "metrics.csv"), table(expected / "metrics.csv"), "metrics.csv"),
        *unequal(table(found / "layers.csv"), table(expected / "layers.csv"), "layers.csv"),
        *unequal(events(found), events(expected), "events"),
        *unequal(result(found), result(expected), "result"),
    ]


def state(directory: Path) -> dict[str, Any]:
    """What of the checkpoint decides how a run goes on: weights, buffers, optimiser, callbacks."""
    content = checkpoints.read(directory / "checkpoints" / checkpoints.LAST)
    names = ("epoch", "global_step", "state_dict", "optimizer_states", "lr_schedulers", "callbacks")
    return {name: content[name] for name in names}


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as they are written."""
    header, *lines = path.read_text().splitlines()
    columns = header.split(",")
    return [dict(zip(columns, line.split(","), strict=True)) for line in lines]


def events(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves as TensorBoard shows them: step and value of each point."""
    read = EventAccumulator(str(directory), size_guidance={"scalars": 0}).Reload()
    return {
        tag: [(event.step, event.value) for event in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    }


def result(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "result.json").read_text())


def unequal(found: Any, expected: Any, where: str) -> Iterator[str]:
    """The places where two values differ."""
    if isinstance(expected, torch.Tensor):
        same = isinstance(found, torch.Tensor) and found.dtype == expected.dtype
        if not (same and torch.equal(found, expected)):
            yield where
    elif isinstance(expected, dict) and isinstance(found, dict):
        for name in {**expected, **found}:
            if name in TIMES or name in NAMED:
                continue
            if name not in found or name not in expected:
                yield f"{where}/{name} {'missing' if name in expected else 'added'}"
            else:
                yield from unequal(found[name], expected[name], f"{where}/{name}")
    elif isinstance(expected, list | tuple) and type(found) is type(expected):
        if len(found) != len(expected):
            yield f"{where}: {len(found)} instead of {len(expected)}"
        for index, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from unequal(one, other, f"{where}/{index}")
    elif found != expected and not (found != found and expected != expected):
        yield where
