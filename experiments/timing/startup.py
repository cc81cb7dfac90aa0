"""The suite of what one waits for before anything runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from experiments.timing.measure import Work, in_turn, timing
from experiments.timing.settings import Settings
from experiments.timing.table import Table

# Timed inside, as the noise of two processes is as large as their difference.
AFTER_TORCH = """
import time, torch
started = time.perf_counter()
import surrogate
print(time.perf_counter() - started)
"""


def startup(settings: Settings) -> Iterator[Table]:
    """Each in a process of its own: `import surrogate` beside `import torch`, and the commands."""
    rounds = 3 if settings.quick else 7
    works: dict[str, Work] = {
        "import torch": lambda: _output("-c", "import torch"),
        "--list-acts": lambda: _output("-m", "experiments.autoencoder", "--list-acts"),
        "--help": lambda: _output("-m", "experiments.autoencoder", "--help"),
    }
    rows = in_turn(works, "import torch", rounds)
    after = [float(_output("-c", AFTER_TORCH)) for _ in range(rounds)]
    torch_seconds = [1e-3 * rows[0].milliseconds] * rounds
    rows.insert(1, timing("import surrogate, after torch", after, torch_seconds))
    yield Table("start-up", "import torch", rows)


def _output(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return done.stdout
