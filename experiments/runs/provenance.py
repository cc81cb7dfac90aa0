"""Where a result comes from: versions of packages, and the commit of the project."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import numpy
import torch

import surrogate


def versions() -> dict[str, str]:
    """The versions that a result depends on."""
    import lightning  # seconds to import

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "lightning": lightning.__version__,
        "surrogate": surrogate.__version__,
    }


def commit() -> str | None:
    """The git commit of the project, with `-dirty` where files differ from it; None without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        described = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
