"""Runs cases of a kind, in a scratch folder, and counts what came of them."""

from __future__ import annotations

import math
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from tests.fuzz.kinds import KINDS
from tests.fuzz.watch import BrokenError, watched

WARM_UP = 30  # cases before the first: what they import is imported by then
MOST_BROKEN = 20  # cases that are kept


def fuzz(
    name: str,
    start: int,
    count: int,
    end: float = math.inf,
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What came of the cases from `start` to `count`, or where time ends, and of `before`."""
    kind = KINDS[name]
    found = before or {}
    errors = Counter(found.get("errors", {}))
    accepted, slowest = found.get("accepted", 0), found.get("slowest", {"seconds": 0.0})
    broken = list(found.get("broken", []))
    number = start
    with scratch() as folder:
        for case in range(-WARM_UP, 0) if start < count else ():
            attempt(name, case)
        while number < count and time.monotonic() < end:
            content = kind.make(random.Random(f"{name}:{number}"))
            took: list[float] = []
            try:
                with watched(folder) as took:
                    kind.read(content)
                accepted += 1
            except kind.errors as error:
                errors[type(error).__name__] += 1
            except Exception as error:
                broken.append({"case": number, "problem": f"{type(error).__name__}: {error}"[:300]})
            except BrokenError as error:
                broken.append({"case": number, "problem": str(error)[:300]})
            if took and took[0] > slowest["seconds"]:
                slowest = {
                    "seconds": round(took[0], 3), "case": number, "input": ascii(content)[:200]
                }  # fmt: skip
            number += 1
            if len(broken) >= MOST_BROKEN:
                break
    return {
        "cases": number,
        "accepted": accepted,
        "errors": dict(sorted(errors.items())),
        "slowest": slowest,
        "megabytes": max(found.get("megabytes", 0), memory()),
        "broken": broken,
    }


def attempt(name: str, number: int) -> None:
    """The case, whatever comes of it."""
    kind = KINDS[name]
    with suppress(Exception):
        kind.read(kind.make(random.Random(f"{name}:{number}")))


def broken_case(name: str, number: str) -> None:
    """One case, watched; errors that are not documented are raised."""
    kind = KINDS[name]
    content = kind.make(random.Random(f"{name}:{number}"))
    with scratch() as folder:
        attempt(name, -1)
        try:
            with watched(folder):
                kind.read(content)
        except kind.errors as error:
            print(f"{type(error).__name__}: {error}"[:500])


@contextmanager
def scratch() -> Iterator[Path]:
    """A working directory of its own, on one thread."""
    before, threads = Path.cwd(), torch.get_num_threads()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        os.chdir(work)
        try:
            yield work
        finally:
            os.chdir(before)
            torch.set_num_threads(threads)


def memory() -> int:
    """The most that the process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
