"""Checkpoints as files: whole or not there, and never taken for whole if they are not."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments.training import checkpoints
from experiments.training.checkpoints import DamagedError, is_whole, newest, read, write


def content(number: int) -> dict[str, Any]:
    return {"epoch": number, "weights": torch.full((4,), float(number))}


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def last(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / "last.ckpt"
    write(path, content(1))
    return path


def test_a_checkpoint_is_one_of_torch(last: Path):
    for loaded in (read(last), torch.load(last, weights_only=True)):
        assert loaded["epoch"] == 1
        assert torch.equal(loaded["weights"], torch.ones(4))
    with zipfile.ZipFile(last) as file:
        assert file.testzip() is None
        assert file.comment.startswith(b"sha256:")


def test_any_flipped_bit_is_noticed(last: Path):
    intact = last.read_bytes()
    for index in (*range(0, len(intact), 13), *range(len(intact) - 80, len(intact), 3)):
        flipped = bytearray(intact)
        flipped[index] ^= 1 << index % 8
        last.write_bytes(flipped)
        assert not is_whole(last), index
    last.write_bytes(intact)
    assert is_whole(last)


def test_anything_that_is_missing_is_noticed(last: Path):
    intact = last.read_bytes()
    for size in (*range(0, len(intact), 17), len(intact) - 1):
        last.write_bytes(intact[:size])
        assert not is_whole(last), size
    last.write_bytes(intact + b"\0")
    assert not is_whole(last)


def test_the_one_before_is_kept_and_no_other(last: Path):
    for number in (2, 3):
        write(last, content(number))
    assert names(last.parent) == ["last.ckpt", "previous.ckpt"]
    assert (read(last)["epoch"], read(last.with_name("previous.ckpt"))["epoch"]) == (3, 2)
    write(last.with_name("best.ckpt"), content(4))
    write(last.with_name("best.ckpt"), content(5))
    assert names(last.parent) == ["best.ckpt", "last.ckpt", "previous.ckpt"]
    assert read(last.with_name("previous.ckpt"))["epoch"] == 2


def test_a_damaged_one_does_not_take_the_place_of_a_whole_one(last: Path):
    write(last, content(2))
    last.write_bytes(last.read_bytes()[:-1])
    write(last, content(3))
    assert (read(last)["epoch"], read(last.with_name("previous.ckpt"))["epoch"]) == (3, 1)


@pytest.mark.parametrize("crash", ["torch.save", "os.fsync", "os.replace"])
@pytest.mark.parametrize("calls", [1, 2])
def test_a_crash_while_writing_leaves_a_whole_one(
    last: Path, monkeypatch: pytest.MonkeyPatch, crash: str, calls: int
):
    write(last, content(2))
    module, name = crash.split(".")
    original = getattr({"torch": torch, "os": os}[module], name)
    left = [calls]

    def crashing(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(crash, crashing)
        if crash == "torch.save" and calls == 2:
            write(last, content(3))  # is called once
        else:
            with pytest.raises(KeyboardInterrupt):
                write(last, content(3))
    found = newest(last.parent)
    assert found is not None
    assert found[1]["epoch"] in (2, 3)
    assert set(names(last.parent)) <= {"last.ckpt", "previous.ckpt"}


def test_what_a_kill_leaves_is_overwritten(last: Path):
    last.with_name(".last.ckpt.new").write_bytes(b"half of one, and longer than the next" * 1000)
    write(last, content(2))
    assert names(last.parent) == ["last.ckpt", "previous.ckpt"]
    assert read(last)["epoch"] == 2


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda whole: b"", "0 bytes are left of it"),
        (lambda whole: whole[: len(whole) // 2], "its end is missing"),
        (lambda whole: whole[:99] + b"?" + whole[100:], "its SHA-256 is not the one"),
    ],
    ids=["empty", "truncated", "changed"],
)
def test_the_newest_whole_one_is_taken(
    last: Path, caplog: pytest.LogCaptureFixture, damage: Any, words: str
):
    write(last, content(2))
    previous = last.with_name("previous.ckpt")
    caplog.set_level(logging.INFO, "experiments")
    found = newest(last.parent)
    assert found is not None
    assert (found[0], found[1]["epoch"]) == (last, 2)
    assert caplog.text == ""
    last.write_bytes(damage(last.read_bytes()))
    found = newest(last.parent)
    assert found is not None
    assert (found[0], found[1]["epoch"]) == (previous, 1)
    assert f"{last} is damaged ({words}" in caplog.text
    assert "taking the one before" in caplog.text
    previous.write_bytes(damage(previous.read_bytes()))
    assert newest(last.parent) is None
    assert "no checkpoint is left: starting anew" in caplog.text


def test_none_is_taken_where_none_is(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    assert newest(tmp_path) is None
    assert newest(tmp_path / "absent") is None
    assert caplog.text == ""


def test_it_does_not_unpack_to_more_than_it_has(last: Path):
    """With the SHA-256 of a stranger who knows how it is made."""
    write(last, {"weights": torch.zeros(2**20)})
    with zipfile.ZipFile(last) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(last, "w", zipfile.ZIP_DEFLATED) as file:
        for name, part in parts.items():
            file.writestr(name, part)
        file.comment = bytes(checkpoints.COMMENT)
    content = last.read_bytes()[: -checkpoints.COMMENT]
    digest = hashlib.sha256(content).hexdigest()
    last.write_bytes(content + checkpoints.LABEL + digest.encode())
    assert is_whole(last)
    assert torch.load(last, weights_only=True)["weights"].shape == (2**20,)
    with pytest.raises(DamagedError, match=r"would unpack to \d+ bytes, more than it has"):
        read(last)


def test_code_is_not_run(last: Path, tmp_path: Path):
    class Harmful:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    write(last, {"harm": Harmful()})
    assert is_whole(last)
    with pytest.raises(DamagedError, match="UnpicklingError"):
        read(last)
    assert not (tmp_path / "harm").exists()
    with pytest.raises(DamagedError):
        checkpoints.VerifiedFiles().load_checkpoint(last, weights_only=False)
