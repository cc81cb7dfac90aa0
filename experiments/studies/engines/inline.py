"""Carries out runs in this process, one after another; Lightning may add processes to each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.runs.carry_out import carry_out
from experiments.runs.run import Run
from experiments.studies.engines.base import Ended, Orders
from experiments.tasks.data import Images


class Inline:
    """An engine whose one worker is the caller.

    Args:
        data: what the runs train on.
        orders: what they have to know; threads are left as they are.
        terminal: whether there is a progress bar.
        first: whether this process, of those that train together, is the one that writes.
    """

    slots = 1

    def __init__(self, data: Images[Any], orders: Orders, terminal: bool, first: bool = True):
        self.data = data
        self.orders = orders
        self.terminal = terminal
        self.first = first
        self.given: list[tuple[Run, Path]] = []

    def start(self, run: Run, directory: Path) -> None:
        self.given.append((run, directory))

    def wait(self, seconds: float) -> list[Ended]:
        ended = []
        while self.given:
            run, directory = self.given.pop(0)
            result = carry_out(
                run,
                directory,
                self.data,
                self.orders.command,
                progress_bar=self.terminal,
                first=self.first,
                checkpoint_every=self.orders.checkpoint_every,
                logger=self.orders.logger,
            )
            ended.append(Ended(run, result))
        return ended

    def close(self) -> None:
        self.given.clear()
