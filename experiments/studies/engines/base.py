"""What an engine is, and the work that each of its workers does."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from experiments.common.command import Source, import_source
from experiments.runs.run import Run

log = logging.getLogger("experiments")


@dataclass(frozen=True)
class Orders:
    """What a worker has to know besides its run.

    Args:
        command: the study's command, for the record.
        sources: the user's files that were run.
        threads: threads of one run.
        commit: of the project where the study was started.
        checkpoint_every: seconds between checkpoints within an epoch.
        logger: name of what the curves are logged by.
    """

    command: str
    sources: tuple[Source, ...]
    threads: int
    commit: str | None
    checkpoint_every: float = 60.0
    logger: str = "tensorboard"


@dataclass(frozen=True)
class Ended:
    """A run that is no longer with a worker.

    Args:
        run: which one.
        result: how it ended; None if it has no result.
        reason: why it has none.
        lost: whether its worker was lost, so that it can go on with another one.
    """

    run: Run
    result: Mapping[str, Any] | None
    reason: str = ""
    lost: bool = False


class Engine(Protocol):
    """Carries out runs beside each other. The caller holds their directories."""

    @property
    def slots(self) -> int:
        """Runs that can be with workers at the same time."""
        ...

    def start(self, run: Run, directory: Path) -> None:
        """Gives a run to a worker: it starts, or goes on from the checkpoint in its directory."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """The runs that have ended, as soon as there are any or the time is over."""
        ...

    def close(self) -> None:
        """Stops all that still runs; each run stays ready to be resumed."""
        ...


def work(run: Run, directory: Path, data: bytes, orders: Orders) -> dict[str, Any]:
    """Carries out a run in the process of a worker; returns its result.

    Args:
        run: which one.
        directory: where its files are.
        data: the pickled data. The user's files may define it, so they are run first.
        orders: all else.
    """
    import torch

    from experiments.runs.carry_out import carry_out

    log.setLevel(logging.DEBUG)
    log.propagate = False
    for source in orders.sources:
        import_source(source)
    torch.set_num_threads(orders.threads)
    return carry_out(
        run,
        directory,
        pickle.loads(data),
        orders.command,
        progress_bar=False,
        checkpoint_every=orders.checkpoint_every,
        logger=orders.logger,
    )


def reason(error: BaseException) -> str:
    """An error in one line, without the call stack."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
