"""The suite of the full command: an epoch of it, against a bare loop and the seeds' style."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.benchmark.measure import timing
from experiments.benchmark.settings import Settings
from experiments.benchmark.table import Table

EPOCHS = 2  # the last is measured: the first has what is done once, such as compiling


def command(settings: Settings) -> Iterator[Table]:
    """Each in a process of its own; an epoch ends with the validation and test images."""
    for channels, images in ((16, 3200),) if settings.quick else ((16, 12800), (32, 4800)):
        ways: dict[str, Callable[[], float]] = {
            "bare loop": lambda c=channels, n=images: _loop("bare", c, n),
            "command": lambda c=channels, n=images: _command(c, n),
            "command, fast": lambda c=channels, n=images: _command(c, n, *fast(c)),
            "seeds' style": lambda c=channels, n=images: _loop("seeds", c, n),
        }
        rounds = 1 if settings.quick else 3
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                seconds[name].append(way())
        rows = [timing(name, each, seconds["bare loop"]) for name, each in seconds.items()]
        rate = [f"{images / (1e-3 * row.milliseconds):,.0f}" for row in rows]
        slowest = rows[-1].milliseconds
        speed = [f"{slowest / row.milliseconds:.2f}" for row in rows]
        notes = {"images/s, with evaluation": rate, "× the seeds' style": speed}
        title = f"an epoch of the autoencoder, relu, {channels} channels, {images:,} images"
        yield Table(title, "bare loop", rows, None, notes)


def fast(channels: int) -> tuple[str, ...]:
    """What `--fast auto` decides for a run of many epochs on a machine with bfloat16."""
    compiled = ("--compile", "true")
    if channels < 32:
        return compiled
    return (*compiled, "--channels_last", "true", "--trainer.precision", "bf16-mixed")


def _loop(way: str, channels: int, images: int) -> float:
    words = (way, "--channels", str(channels), "--images", str(images), "--epochs", str(EPOCHS))
    return float(_output("experiments.benchmark.loops", *words).split()[-1])


def _command(channels: int, images: int, *more: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        words = f"--act relu --baseline none --model.channels {channels} --data.limit {images}"
        epochs = f"--trainer.max_epochs {EPOCHS} --trainer.accelerator cpu"
        _output("experiments.autoencoder", *words.split(), *epochs.split(), "--runs", folder, *more)
        (metrics,) = Path(folder).rglob("metrics.csv")
        with metrics.open(newline="") as file:
            return float(list(csv.DictReader(file))[-1]["seconds"])


def _output(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], check=True, capture_output=True, text=True
    )
    return done.stdout
