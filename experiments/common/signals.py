"""SIGTERM and Ctrl-C: the command stops where the same command can go on."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

STOPPING = (signal.SIGINT, signal.SIGTERM)
STARTED_BY = "EXPERIMENTS_STARTED_BY"


class Stopped(BaseException):
    """A signal stopped the command, as Ctrl-C's KeyboardInterrupt does."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = signal.Signals(number)

    @property
    def code(self) -> int:
        """The exit code: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal

    def __str__(self) -> str:
        ctrl_c = self.signal is signal.SIGINT
        return "interrupted" if ctrl_c else f"stopped by {self.signal.name}"


class StopRequest:
    """Within it the first signal is noted, to be obeyed when the work can be left.

    A second Ctrl-C interrupts at once. In other threads than the main one nothing is noted.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in STOPPING}
        self.listen()
        return self

    def listen(self) -> None:
        """Takes the signals, also from whoever has taken them meanwhile."""
        for number in self._before:
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.number = self.number or number

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self.number and not isinstance(error, Stopped):
            raise Stopped(self.number) from error


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM raises `Stopped`, as Ctrl-C raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def end_together(first: bool) -> None:
    """Ends this process, unless it is the first one, soon after the one that started it has ended.

    Killed, that one cannot tell it to. Which one it is, is in the environment, since it may be gone
    before anybody asks.
    """
    parent = int(os.environ.get(STARTED_BY, os.getppid()))
    os.environ[STARTED_BY] = str(os.getpid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if not first:
        threading.Thread(target=watch, daemon=True).start()
