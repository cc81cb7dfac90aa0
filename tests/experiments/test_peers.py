"""The table of packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

import surrogate
from experiments.site import peers


def _missing() -> Callable[[Tensor], Tensor]:
    raise ImportError("no such package")


def test_a_package_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "QUESTIONS", peers.QUESTIONS[:2])
    missing = peers.Peer("missing", "missing", "spike", _missing)
    table = peers.side_by_side([peers.PEERS[0], missing]).splitlines()
    assert table[0].endswith("| surrogate | missing |")
    assert table[4] == "| float64 kept | right | not installed |"
    assert table[6] == "| bytes kept per element | 4 | not installed |"
    assert all(line.endswith("| not installed |") for line in table[2:7])


def test_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = surrogate.check
    monkeypatch.setattr(surrogate, "check", lambda pair, **_: check(pair, modes=["backward"]))
    monkeypatch.setattr(peers, "PEERS", ())
    file = tmp_path / "docs" / "correctness.md"
    assert peers.main(["-o", str(file), "--act", "relu_blurred"]) == 0
    text = file.read_text(encoding="utf-8")
    assert "4 right, 0 refuses, 0 n/a, 0 WRONG, 0 error." in text
    assert "| relu_blurred | right |" in text


def test_workers_find_the_same_in_order() -> None:
    names = ["cantor2", "relu_blurred"]
    reports = list(peers.checked(names, workers=2, compiled=False))
    assert [report.subject for report in reports] == names
    assert all(report.ok for report in reports)
