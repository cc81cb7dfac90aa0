"""The suite of what one waits for before anything runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from experiments.benchmark.measure import Work, in_turn
from experiments.benchmark.settings import Settings
from experiments.benchmark.table import Table


def startup(settings: Settings) -> Iterator[Table]:
    """Each in a process of its own: `import surrogate` beside `import torch`, and the commands."""
    works: dict[str, Work] = {
        "import torch": _process("-c", "import torch"),
        "import surrogate": _process("-c", "import surrogate"),
        "--list-acts": _process("-m", "experiments.autoencoder", "--list-acts"),
        "--help": _process("-m", "experiments.autoencoder", "--help"),
    }
    rows = in_turn(works, "import torch", rounds=3 if settings.quick else 7)
    torch_ms = rows[0].milliseconds
    more = [f"{row.milliseconds - torch_ms:+.0f}" for row in rows]
    yield Table("start-up", "import torch", rows, None, {"ms more": more})


def _process(*arguments: str) -> Work:
    return lambda: subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
