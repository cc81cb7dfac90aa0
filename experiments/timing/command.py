"""The suite of the full command: an epoch of it, against a bare loop and the seeds' style."""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from experiments.timing.measure import timing
from experiments.timing.settings import Settings
from experiments.timing.table import Table
from experiments.training.fast import with_fast

EPOCHS = 2  # the last is measured: the first has what is done once, such as compiling


def command(settings: Settings) -> Iterator[Table]:
    """Each in a process of its own; an epoch ends with the validation and test images."""
    for channels, images in ((16, 3200),) if settings.quick else ((16, 9600), (32, 3200)):
        settings_of = {"command": {}, "command, fast": fast(channels)}
        ways: dict[str, Callable[[], float]] = {
            "bare loop": lambda c=channels, n=images: _loop("bare", c, n),
            **{
                name: lambda c=channels, n=images, given=given: _command(c, n, given)
                for name, given in settings_of.items()
            },
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
        given = [", ".join(f"{k} {v}" for k, v in settings_of.get(n, {}).items()) for n in ways]
        notes = {
            "images/s, with evaluation": rate,
            "× the seeds' style": speed,
            "settings": [each or "–" for each in given],
        }
        title = f"an epoch of the autoencoder, relu, {channels} channels, {images:,} images"
        yield Table(title, "bare loop", rows, None, notes)


def fast(channels: int) -> dict[str, str]:
    """What `--fast auto` decides on this machine for a run of many epochs."""
    trainer = {"max_epochs": 200, "accelerator": "cpu"}
    data = {"batch_size": 128}
    chosen = with_fast(
        {"fast": "auto", "model": {"channels": channels}, "data": data, "trainer": trainer}
    )
    return {
        "compile": str(chosen["compile"]).lower(),
        "channels_last": str(chosen["channels_last"]).lower(),
        "trainer.precision": chosen["trainer"]["precision"],
    }


def _loop(way: str, channels: int, images: int) -> float:
    words = (way, "--channels", str(channels), "--images", str(images), "--epochs", str(EPOCHS))
    return float(_output("experiments.timing.loops", *words).split()[-1])


def _command(channels: int, images: int, given: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        words = f"--act relu --baseline none --model.channels {channels} --data.limit {images}"
        epochs = f"--trainer.max_epochs {EPOCHS} --trainer.accelerator cpu"
        more = [word for name, value in given.items() for word in (f"--{name}", value)]
        _output("experiments.autoencoder", *words.split(), *epochs.split(), "--runs", folder, *more)
        (metrics,) = Path(folder).rglob("metrics.csv")
        with metrics.open(newline="") as file:
            return float(list(csv.DictReader(file))[-1]["seconds"])


def _output(module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words], check=True, capture_output=True, text=True
    )
    return done.stdout
