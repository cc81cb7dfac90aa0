"""Carries out a run: trains it, keeps its log, and writes its result."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from experiments.common.files import write_json
from experiments.runs.provenance import commit, versions
from experiments.runs.records import described
from experiments.runs.run import Run
from experiments.tasks.data import Images
from experiments.training.checkpoints import PREVIOUS
from experiments.training.loop import train

log = logging.getLogger("experiments")


def carry_out(
    run: Run,
    directory: Path,
    data: Images[Any],
    command: str,
    progress_bar: bool,
    first: bool = True,
    checkpoint_every: float = 60.0,
    logger: str = "tensorboard",
) -> dict[str, Any]:
    """Trains from the start or from the last checkpoint; returns what result.json says.

    An activation that raises or diverges does not raise here: that is a result. Ctrl-C and SIGTERM
    do, and leave the run ready to be resumed. Of the processes that train together, only the first
    writes anything.
    """
    if not first:
        return train(run, directory, data, False, checkpoint_every, logger, first=False)
    with log_file(directory / "log.txt"):
        log.info("%s, seed %d, in %s", run.act, run.seed, directory)
        log.debug("%s", command)
        (directory / "result.json").unlink(missing_ok=True)  # of an attempt that failed
        outcome = train(run, directory, data, progress_bar, checkpoint_every, logger)
        result = {
            **described(run),
            **outcome,
            "threads": torch.get_num_threads(),
            "precision": run.config["trainer"]["precision"],
            "versions": versions(),
            "commit": commit(),
            "command": command,
            "config": run.config,
        }
        write_json(directory / "result.json", result)
        if result["status"] == "finished":
            (directory / "checkpoints" / PREVIOUS).unlink(missing_ok=True)
    return result


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Sends all that is logged to a file as well."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
