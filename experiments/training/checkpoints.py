"""Checkpoints as files: written in one step, and verified when they are read.

A checkpoint is what `torch.save` writes, a zip file, and is read by `torch.load` as any other. The
comment that zip files may have at their end is the SHA-256 of all that comes before. What a new
`last.ckpt` replaces is kept as `previous.ckpt`, if it is whole.
"""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
LABEL = b"sha256:"
COMMENT = len(LABEL) + 2 * hashlib.sha256().digest_size

log = logging.getLogger("experiments")


class DamagedError(Exception):
    """A checkpoint is not what was written."""


class VerifiedFiles(CheckpointIO):
    """How Lightning's Trainer writes and reads checkpoints."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        write(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def write(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint, or replaces it in one step: at no moment there is only half of one."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w+b") as file:
            torch.save(content, file)
            file.seek(-2, os.SEEK_END)
            file.write(struct.pack("<H", COMMENT))  # the length of the comment to come
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.write(LABEL + digest.encode())
            file.flush()
            os.fsync(file.fileno())
        if path.name == LAST and is_whole(path):
            os.replace(path, path.with_name(PREVIOUS))
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(directory: Path) -> None:
    """Makes the names of files in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> dict[str, Any]:
    """What a checkpoint holds.

    Raises:
        DamagedError: it is not, byte for byte, what was written.
        OSError: it cannot be read.
    """
    verify(path)
    try:
        require_unpacked(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of another version of torch, say
        raise DamagedError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def verify(path: Path) -> None:
    """Raises `DamagedError` if a checkpoint's bytes are not those that were written."""
    size = path.stat().st_size
    if size <= COMMENT:
        raise DamagedError(f"{size} bytes are left of it")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        comment = content[-COMMENT:]
        with memoryview(content) as view, view[:-COMMENT] as rest:
            digest = hashlib.sha256(rest).hexdigest()
    if not comment.startswith(LABEL):
        raise DamagedError("its end is missing")
    if comment != LABEL + digest.encode():
        raise DamagedError("its SHA-256 is not the one that was written with it")


def require_unpacked(path: Path) -> None:
    """Raises ValueError for a zip file that would take more memory than it has bytes.

    What torch writes is not compressed; a stranger's file could be, and unpack to anything.
    """
    with zipfile.ZipFile(path) as file:
        size = sum(part.file_size for part in file.infolist())
    if size > path.stat().st_size:
        raise ValueError(f"it would unpack to {size} bytes, more than it has")


def is_whole(path: Path) -> bool:
    try:
        verify(path)
    except (DamagedError, OSError):
        return False
    return True


def newest(directory: Path) -> tuple[Path, dict[str, Any]] | None:
    """The checkpoint to go on from, and what it holds; None if there is none that is whole."""
    damaged = 0
    for path in (directory / LAST, directory / PREVIOUS):
        try:
            return path, read(path)
        except FileNotFoundError:
            continue
        except (DamagedError, OSError) as error:
            damaged += 1
            before = path.name == LAST and (directory / PREVIOUS).exists()
            log.warning(
                "%s is damaged (%s)%s", path, error, ": taking the one before" if before else ""
            )
    if damaged:
        log.warning("no checkpoint is left: starting anew")
    return None
