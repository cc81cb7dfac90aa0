"""A Ray task for each run, on this machine or on a cluster.

A node shares nothing with us: it is sent what the run's directory holds, carries the run out in a
folder of its own, and sends back what came of it, after epochs and at the end. So a run whose node
is removed goes on elsewhere. The data is put into the object store once.
"""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import experiments
import surrogate
from experiments.common.errors import UsageError
from experiments.common.files import write_json
from experiments.runs.run import Run
from experiments.studies.engines.base import Ended, Orders, reason, work
from experiments.tasks.data import Images

OBJECT_STORE = 500 * 2**20  # bytes: the data is 55 MB, checkpoints are less
PERIOD = 2.0  # seconds between a node's looks at whether its run has got on

CHECKPOINT = "checkpoints/last.ckpt"

Files = dict[str, bytes]


@dataclass(frozen=True)
class Task:
    """A run that is with Ray: its directory here, and what comes of it, as it comes."""

    run: Run
    directory: Path
    news: Any


class Ray:
    """An engine of Ray tasks.

    Args:
        workers: runs at the same time; None for as many as the cluster has cores.
        data: what they train on.
        orders: what they have to know; their threads follow from the cores and the workers.
        address: of a cluster; None starts Ray on this machine.
        gpus: share of a GPU for each run.
    """

    def __init__(
        self,
        workers: int | None,
        data: Images[Any],
        orders: Orders,
        address: str | None = None,
        gpus: float = 0.0,
    ) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            import ray.exceptions
        except ImportError as error:
            message = "--engine ray needs Ray: pip install '.[ray]' in the project's folder"
            raise UsageError(message) from error
        self.ray = ray
        if address is not None:
            check_address(address)
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if address is not None:
                # The nodes get this code: they need the packages that it uses, no more.
                packages = [
                    str(Path(str(each.__file__)).parent) for each in (surrogate, experiments)
                ]
                ray.init(address=address, runtime_env={"py_modules": packages}, **quiet)
            else:
                ray.init(include_dashboard=False, object_store_memory=OBJECT_STORE, **quiet)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(f"Ray does not start: {reason(error)}") from error
        self.workers = workers
        cores = self._cores()
        threads = max(1, min(min(cores), sum(cores) // (workers or sum(cores))))
        self.orders = replace(orders, threads=threads)
        self.data = ray.put(pickle.dumps(data))
        # A lost run is started again by us, from where it was, and not by Ray from the beginning.
        options = {"num_cpus": threads, "num_gpus": gpus, "max_retries": 0}
        self.task = ray.remote(num_returns="streaming", **options)(carry_out_there)
        self.tasks: list[Task] = []

    @property
    def slots(self) -> int:
        return self.workers or max(1, sum(self._cores()))

    def _cores(self) -> list[int]:
        """Of each node that is there now, and has any."""
        nodes = (node["Resources"] for node in self.ray.nodes() if node["Alive"])
        return [int(each["CPU"]) for each in nodes if each.get("CPU", 0) >= 1] or [1]

    def start(self, run: Run, directory: Path) -> None:
        news = self.task.remote(run, read_files(directory), self.data, self.orders)
        self.tasks.append(Task(run, directory, news))

    def wait(self, seconds: float) -> list[Ended]:
        waiting = {task.news: task for task in self.tasks}
        ready, _ = self.ray.wait(list(waiting), num_returns=1, timeout=seconds)
        ended = [end for news in ready if (end := self._take(waiting[news]))]
        runs = [end.run for end in ended]
        self.tasks = [task for task in self.tasks if task.run not in runs]
        return ended

    def _take(self, task: Task) -> Ended | None:
        """Brings in the next news of a task; says whether it was the last."""
        try:
            result, error, files = self.ray.get(next(task.news))
            write_files(task.directory, files)
        except self.ray.exceptions.RayTaskError as raised:
            return Ended(task.run, None, reason(raised.cause or raised))
        except (self.ray.exceptions.RayError, StopIteration) as lost:
            return Ended(task.run, None, f"its node or process was lost ({name(lost)})", lost=True)
        except OSError as full:
            return Ended(task.run, None, reason(full))
        return Ended(task.run, result, error) if result or error else None

    def close(self) -> None:
        self.ray.shutdown()  # and with it all tasks
        self.tasks = []


def carry_out_there(
    run: Run, files: Files, data: bytes, orders: Orders
) -> Iterator[tuple[dict[str, Any] | None, str, Files]]:
    """Carries out a run on a node; yields its files as it gets on, and at last its result.

    What is yielded is (result, error, files): no result and no error as long as it goes on.
    """
    outcome: list[tuple[dict[str, Any] | None, str]] = []
    with tempfile.TemporaryDirectory(prefix="surrogate-") as folder:
        directory = Path(folder)
        write_files(directory, files)

        def carry_out() -> None:
            try:
                result = work(run, directory, data, orders)
                if result["commit"] is None:  # the node has the code without its history
                    result["commit"] = orders.commit
                    write_json(directory / "result.json", result)
                outcome.append((result, ""))
            except BaseException as error:  # even a full disk is an answer
                outcome.append((None, reason(error)))

        thread = threading.Thread(target=carry_out)
        thread.start()
        seen = age(directory)
        while thread.is_alive():
            thread.join(PERIOD)
            now = age(directory)
            if not thread.is_alive() or now in (None, seen):
                continue
            news = read_files(directory)
            if CHECKPOINT in news:
                seen = now
                yield None, "", news
        yield *outcome[0], read_files(directory)


def check_address(address: str) -> None:
    """Raises if there is no cluster: Ray itself waits long, and ends the process."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        form = "the host:port of its head node, or auto"
        raise UsageError(f"the address of a Ray cluster is {form}, got {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise UsageError(f"no cluster answers at {address}: {error.strerror or error}") from error


def age(directory: Path) -> int | None:
    """Of the checkpoint, which is replaced after every epoch, and within long ones.

    None if there is none: not yet, or for the moment in which the next one takes its name.
    """
    try:
        return (directory / CHECKPOINT).stat().st_mtime_ns
    except FileNotFoundError:
        return None


def read_files(directory: Path) -> Files:
    """All files of a run by their names, but what is being written and what tells runs apart."""
    files = {}
    for path in sorted(directory.rglob("*")):
        if path.name.startswith(".") or path.name == "identity.json" or path.is_dir():
            continue
        with suppress(FileNotFoundError):  # a checkpoint whose name goes to the next one
            files[path.relative_to(directory).as_posix()] = path.read_bytes()
    return files


def write_files(directory: Path, files: Files) -> None:
    """Replaces files one by one, the result at the very end: with it the run has ended."""
    for name in sorted(files, key=lambda name: name == "result.json"):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.write_bytes(files[name])
        os.replace(new, path)


def name(error: BaseException) -> str:
    return type(error).__name__
