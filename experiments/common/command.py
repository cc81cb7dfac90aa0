"""What all commands share: exit codes, the log on stderr, and files of the user that are run."""

from __future__ import annotations

import linecache
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from experiments.common.errors import ExperimentError, UsageError
from experiments.common.signals import Stopped, stopped_by_sigterm

log = logging.getLogger("experiments")

GO_ON = ": the same command goes on from there"


def exit_code(work: Callable[[], int], after_a_signal: str = GO_ON) -> int:
    """The exit code of a command's work; an error is printed to stderr.

    2: nothing was done, for the reason given; 130, 143: stopped by Ctrl-C or SIGTERM.
    """
    try:
        with stopped_by_sigterm():
            return work()
    except SystemExit as done:  # after --help and --print_config
        return int(done.code or 0)
    # OSError: a folder that can't be written, a full disk
    except (ExperimentError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt) as error:
        stopped = error if isinstance(error, Stopped) else Stopped(signal.SIGINT)
        print(f"{stopped}{after_a_signal}", file=sys.stderr)
        return stopped.code


@contextmanager
def console(terminal: bool) -> Iterator[None]:
    """Shows the log on stderr; on a terminal a progress bar stands for the lines of epochs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)
    if terminal:
        handler.addFilter(lambda record: record.name != "experiments.epochs")
    log.setLevel(logging.DEBUG)  # all of it goes to log.txt
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


Source = tuple[str, bytes]
"""A file of the user: its path and its contents."""


def import_files(paths: Sequence[Path]) -> tuple[Source, ...]:
    """Runs the user's files, each once; returns them."""
    try:
        sources = tuple((str(path), path.read_bytes()) for path in paths)
    except OSError as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"--import {error.filename}: {reason}") from error
    for source in sources:
        import_source(source)
    return sources


def import_source(source: Source) -> None:
    """Runs a file of the user as a module of its own, once.

    The module is named after the file's contents, so that a worker which is sent these finds
    what is pickled by this name.
    """
    path, content = source
    name = f"{Path(path).stem}_{sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module  # before it runs, as dataclasses look there for their module
    text = content.decode(errors="replace")
    linecache.cache[path] = (len(content), None, text.splitlines(keepends=True), path)
    try:
        exec(compile(content, path, "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        raise UsageError(
            f"--import {path}{line_of(error, path)}: {type(error).__name__}: {error}"
        ) from error


def line_of(error: Exception, path: str) -> str:
    """ ", line 3": where an error of a user's file was raised, if that is known."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == path:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return "" if line is None else f", line {line}"
