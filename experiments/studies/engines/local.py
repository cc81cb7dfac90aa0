"""A process of this machine for each run, forked from one that has imported everything.

The imports take seconds, the fork milliseconds. Nothing else is shared: whatever kills a process,
the others do not notice.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

from experiments.common.signals import Stopped
from experiments.runs.run import Run
from experiments.studies.engines.base import Ended, Orders, reason, work
from experiments.tasks.data import Images
from experiments.tasks.experiment import BUILT_IN

PRELOADED = [
    "experiments.studies.engines.local",
    "experiments.runs.carry_out",
    *(f"experiments.tasks.{name}" for name in BUILT_IN),
]
PROJECT = Path(__file__).parents[3]
GRACE = 20.0  # seconds that all workers have to stop where they can go on


@dataclass
class Worker:
    """A process that carries out a run, and where it says how the run ended."""

    run: Run
    process: ForkServerProcess
    answer: Connection


class Local:
    """An engine of at most `workers` processes at a time."""

    def __init__(self, workers: int, data: Images[Any], orders: Orders) -> None:
        self.slots = workers
        self.orders = orders
        # As bytes: multiprocessing would put tensors into shared memory, which may be too small.
        self.data = pickle.dumps(data)
        self.workers: dict[Connection, Worker] = {}
        self.stillborn: list[Ended] = []
        self.context = get_context("forkserver")
        start_server(orders.threads)

    def start(self, run: Run, directory: Path) -> None:
        answer, theirs = self.context.Pipe()
        process = self.context.Process(
            target=child, args=(theirs, run, directory, self.data, self.orders)
        )
        try:
            with environment(self.orders.threads):  # for a server that has to be started again
                process.start()
        except (OSError, EOFError) as error:
            answer.close()
            self.stillborn.append(Ended(run, None, f"no process: {reason(error)}", lost=True))
        else:
            self.workers[answer] = Worker(run, process, answer)
        theirs.close()

    def wait(self, seconds: float) -> list[Ended]:
        ended, self.stillborn = self.stillborn, []
        ready = connection.wait(list(self.workers), timeout=0 if ended else seconds)
        ended += [self._ended(worker) for answer, worker in self.workers.items() if answer in ready]
        self.workers = {key: each for key, each in self.workers.items() if key not in ready}
        return ended

    def _ended(self, worker: Worker) -> Ended:
        try:
            result, error = worker.answer.recv()
            ended = Ended(worker.run, result, error)
        except (EOFError, OSError):  # it is dead
            worker.process.join(timeout=5)
            ended = Ended(worker.run, None, death(worker.process.exitcode), lost=True)
        worker.answer.close()
        worker.process.kill()  # it has nothing left to do
        worker.process.join()
        return ended

    def close(self) -> None:
        try:
            for worker in self.workers.values():
                worker.process.terminate()
            end = time.monotonic() + GRACE
            for worker in self.workers.values():
                worker.process.join(timeout=max(0.0, end - time.monotonic()))
        finally:  # also where a second Ctrl-C does not wait
            for worker in self.workers.values():
                worker.process.kill()
                worker.process.join()
                worker.answer.close()
            self.workers.clear()


def start_server(threads: int) -> None:
    """Starts the process that all others are forked from; it imports while we go on."""
    get_context("forkserver").set_forkserver_preload(PRELOADED)
    with environment(threads):
        ensure_running()


def death(code: int | None) -> str:
    """How a process ended, in words."""
    if code is not None and code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def child(answer: Connection, run: Run, directory: Path, data: bytes, orders: Orders) -> None:
    """What the process of a run does."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=end_with, args=(answer,), daemon=True).start()
    try:
        with (directory / "log.txt").open("ab") as file:
            for output in (1, 2):
                os.dup2(file.fileno(), output)
        answer.send((work(run, directory, data, orders), ""))
    except Stopped as stopped:  # it is lost, and can go on with another process
        signal.signal(stopped.signal, signal.SIG_DFL)
        os.kill(os.getpid(), stopped.signal)
    except BaseException as error:  # even a full disk is an answer
        answer.send((None, reason(error)))


def end_with(answer: Connection) -> None:
    """Ends this process with the study's own, which says nothing until it is gone."""
    try:
        answer.recv()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def environment(threads: int) -> Iterator[None]:
    """What the server of processes is started with, and each process has from it.

    Ctrl-C is not for them, nor SIGTERM for the server: the study's own process answers them.
    """
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    changed = {
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": path,
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # to look for a GPU must not make CUDA unfit to fork
    }
    before = {name: os.environ.get(name) for name in changed}
    resource_tracker.ensure_running()  # which, where it starts, lets both through again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    os.environ.update(changed)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
