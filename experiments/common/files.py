"""Files that may come from a stranger: read as plain data, within bounds, and nothing else.

What is read is no code, no larger and no deeper than our own files ever are, and free of signs that
a terminal, a figure or a page would take for commands.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from experiments.common.errors import RunError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is ten times as fast

LARGEST_YAML = 2**15  # bytes
LARGEST_JSON = 2**20
LARGEST_TABLE = 2**26
DEEPEST = 20  # levels of what holds other things
LARGEST_INTEGER = 2**63 - 1
LONGEST_TEXT = 2**14  # characters: a message may hold a report of the compiler


class FileError(ValueError):
    """A file is not what it should be; the message says why, without the file's name."""


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by their dotted names, as on the command line.

    >>> flat({"seed": 0, "model": {"channels": 16}})
    {'seed': 0, 'model.channels': 16}
    """
    names: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            names |= {f"{name}.{inner}": each for inner, each in flat(value).items()}
        else:
            names[name] = value
    return names


def below(folder: Path, name: str) -> list[Path]:
    """The files of that name in and below a folder, in order; links to folders are not followed.

    Folders that cannot be read are left out, as are those that vanish while they are looked
    through: a run's is made under another name.
    """
    found, folders = [], [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name == name:
                        found.append(Path(entry.path))
        except OSError:
            continue
    return sorted(found)


def read_bytes(path: Path, most: int) -> bytes:
    """The contents of an ordinary file of at most so many bytes.

    Raises:
        FileError: it is something else, such as a pipe, which might never end, or it is larger.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(21, "Is a directory", str(path))
        if not stat.S_ISREG(kind):
            raise FileError("it is not an ordinary file")
        content = file.read(most + 1)
    if len(content) > most:
        raise FileError(f"it has more than {most} bytes")
    return content


def read_text(path: Path, most: int) -> str:
    """The same as text.

    Raises:
        FileError: it is not UTF-8 either.
    """
    try:
        return read_bytes(path, most).decode()
    except UnicodeDecodeError as error:
        raise FileError(str(error)) from None


def plain_json(content: bytes) -> Any:
    """What JSON holds, all numbers finite.

    Raises:
        FileError: it is no JSON, or not within the bounds.
    """
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise FileError(f"it is nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise FileError(str(error)) from None
    require_plain(value)
    return value


def plain_yaml(text: str) -> Any:
    """What YAML holds: no tags that make objects, and no aliases, which could make it explode.

    Raises:
        FileError: it is no such YAML, or not within the bounds.
    """
    if len(text) > LARGEST_YAML:
        raise FileError(f"it has more than {LARGEST_YAML} characters")
    try:
        depth = 0
        for event in yaml.parse(text, LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise FileError(f"it has an alias, *{event.anchor}: write out what it stands for")
            if depth > DEEPEST:
                raise FileError(f"it is nested deeper than {DEEPEST} levels")
        value = yaml.load(text, LOADER)  # a safe one
    except FileError:
        raise
    except (
        yaml.YAMLError,
        # Of a wrong date, of thousands of digits, of !!int without any.
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise FileError(" ".join(str(error).split())) from None
    require_plain(value, finite=False)
    return value


def require_plain(value: Any, finite: bool = True) -> None:
    """Raises FileError for what is too deep, too long or too large, or not finite if that counts.

    Names of settings must be printable; other texts may have lines.
    """
    for each, depth in _parts(value):
        if depth > DEEPEST:
            raise FileError(f"it is nested deeper than {DEEPEST} levels")
        if not isinstance(each, (str, int, float, list, dict, type(None))):
            raise FileError(f"it has a value of the type {type(each).__name__}")
        if isinstance(each, int) and abs(each) > LARGEST_INTEGER:
            raise FileError("it has an integer beyond 2**63")
        if isinstance(each, float) and finite and not math.isfinite(each):
            raise FileError("it has a number that is not finite")
        if isinstance(each, str) and not is_printable(each):
            raise FileError("it has a text with signs that are not printable, or very many of them")
        if isinstance(each, Mapping):
            for key in each:
                if isinstance(key, str) and not key.isprintable():
                    raise FileError("it has a name with signs that are not printable")


def is_printable(text: str) -> bool:
    """Whether a text has lines of printable characters and tabs alone, and not too many."""
    return len(text) <= LONGEST_TEXT and text.translate({9: " ", 10: " "}).isprintable()


def printable(line: str) -> str:
    """The line with a space for each sign that could be a command to a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in line)


def _parts(value: Any) -> Iterator[tuple[Any, int]]:
    """Everything in nested lists and mappings, with its depth; no deeper than is allowed."""
    level, depth = [value], 0
    while level and depth <= DEEPEST + 1:
        yield from ((each, depth) for each in level)
        inner = []
        for each in level:
            if isinstance(each, Mapping):
                inner += [*each, *each.values()]
            elif isinstance(each, (list, tuple, set)):
                inner += each
        level, depth = inner, depth + 1


def _refuse_constant(name: str) -> NoReturn:
    raise FileError(f"it has a number that is not finite: {name}")


def read_json(path: Path) -> Any:
    """What a JSON file holds; None if there is no such file."""
    try:
        return plain_json(read_bytes(path, LARGEST_JSON))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except FileError as error:
        raise RunError(f"{path} is damaged: {error}") from None


def read_columns(path: Path) -> dict[str, list[str]] | None:
    """The columns of a CSV file, as text; None if there is no such file.

    Raises:
        RunError: it is damaged.
    """
    try:
        text = io.StringIO(read_text(path, LARGEST_TABLE), newline="")
        header, *rows = [row for row in csv.reader(text) if row] or [[]]
        columns = zip(*rows, strict=True) if rows else ([] for _ in header)
        return {name: [*column] for name, column in zip(header, columns, strict=True)}
    except FileNotFoundError:
        return None
    except (ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: {error}") from None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes JSON that any reader takes: losses that are not finite become null."""
    finite = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in content.items()
    }
    write(path, json.dumps(finite, indent=2, allow_nan=False) + "\n")


def write(path: Path, text: str) -> None:
    """Replaces a file in one step: a reader, or a crash, sees the old text or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # it may be left over, or a link to elsewhere
    with new.open("x", encoding="utf-8") as file:
        file.write(text)
    os.replace(new, path)
