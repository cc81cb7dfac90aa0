"""Watches over a case: what it takes, and whether anything of it is run or written elsewhere."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tests.fuzz.mutate import CANARY

LIMIT = 1.0  # seconds of the processor for a case
PATIENCE = 20  # seconds until a case counts as hanging, whatever it waits for

# What only code that a case brought along would do.
FORBIDDEN = frozenset(
    {"os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "subprocess.Popen",
     "pty.spawn", "socket.connect", "ctypes.dlopen", "code.__new__"}
)  # fmt: skip
SUSPICIOUS = frozenset({"open", "exec", "eval", "__import__", "system", "popen", "compile"})
WRITTEN = frozenset({"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"})


class BrokenError(BaseException):
    """A case did what no case may do. No error that a kind documents, not even any Exception."""


_watched: list[Path] = []
_seen: list[str] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event in FORBIDDEN:
        _seen.append(f"{event}{arguments}"[:200])
    elif event == "exec" and _names(arguments[0]) & SUSPICIOUS:
        _seen.append(f"exec of {arguments[0].co_names}"[:200])
    elif event == "open":
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if isinstance(flags, int) else 0
        if isinstance(mode, str):
            writes = writes or set(mode) & set("wax+")
        if writes and isinstance(path, (str, bytes, os.PathLike)):
            _require_inside(path)
    elif event in WRITTEN:
        for path in arguments[:2]:
            if isinstance(path, (str, bytes, os.PathLike)):
                _require_inside(path)


def _names(code: Any) -> set[str]:
    """What a code object names, where it was made from text, as annotations are too."""
    if getattr(code, "co_filename", "") != "<string>":
        return set()
    return {*code.co_names, *(name for each in code.co_consts for name in _names(each))}


def _require_inside(path: Any) -> None:
    where = Path(os.path.realpath(os.fsdecode(path)))
    if not where.is_relative_to(_watched[0]) and where != Path("/dev/null"):
        _seen.append(f"written: {where}")


sys.addaudithook(_audit)


@contextmanager
def watched(scratch: Path) -> Iterator[list[float]]:
    """Gives room for the seconds of the processor that the block took.

    Raises:
        BrokenError: something in it was run, written elsewhere, or took too long.
    """
    took: list[float] = []
    _seen.clear()
    previous = signal.signal(signal.SIGALRM, _hangs)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    _watched.append(scratch.resolve())
    gc.disable()  # what a case takes is not what the garbage of other tests takes
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield took
    finally:
        took.append(time.process_time() - start)
        gc.enable()
        _watched.clear()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        _check(took[0])  # in place of an error of the block: most cases are refused


def _check(seconds: float) -> None:
    if _seen:
        raise BrokenError(_seen[0])
    if Path(CANARY).exists():
        Path(CANARY).unlink()
        raise BrokenError("the canary was made")
    if seconds > LIMIT:
        raise BrokenError(f"it took {seconds:.1f} s")


def _hangs(number: int, frame: Any) -> NoReturn:
    _seen.append(f"it hangs: more than {PATIENCE} s")  # if what is raised here is swallowed
    raise BrokenError(_seen[-1])
