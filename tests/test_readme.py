"""Every claim of the README is one that a reader can run."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import surrogate
from experiments.documents import blocks
from experiments.report import table
from experiments.runs import records
from surrogate.catalogue import catalogue
from surrogate.functions import waves
from surrogate.registry import Registry

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_python_examples_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))
    monkeypatch.chdir(tmp_path)  # one of them saves a figure
    found = blocks(README, "python")
    assert len(found) == 6
    for block in found:
        exec(block.text, {})
    assert "spike" in surrogate.names()


@pytest.mark.parametrize("kind", ["functions", "derivatives"])
def test_every_name_of_the_tables_exists(kind: str) -> None:
    registry: Registry[type] = getattr(getattr(surrogate, kind), kind)
    (table,) = re.findall(rf"^\| {kind} \| .*\n\|---\|---\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    named = re.findall(r"`(.*?)`", table)
    assert len(named) > 10
    assert [name for name in named if name not in registry] == []


def test_the_new_function_is_shown_as_it_is() -> None:
    """One file; in it the new name, and the class as it stands."""
    (diff,) = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    assert (
        re.findall(r"^(?:---|\+\+\+) ./(.*)", diff, re.MULTILINE)
        == ["surrogate/functions/waves.py"] * 2
    )
    removed = re.findall(r"^-(?!--)(.*)", diff, re.MULTILINE)
    added = re.findall(r"^\+(?!\+\+)(.*)", diff, re.MULTILINE)
    assert removed == [added[0].replace('"Snake", ', "")]
    assert "Snake" in waves.__all__
    assert "\n".join(added[1:]).rstrip() == inspect.getsource(waves.Snake).rstrip()


def test_results_are_those_of_the_committed_files() -> None:
    found, problems = records(ROOT / "docs" / "results" / "autoencoder")
    assert not problems
    order = re.findall(r"^(\w+) +\d\.\d+ ", README, re.MULTILINE)
    by_act = {record.result["act"]: record.result for record in found}
    assert set(order) == set(by_act)
    assert table([by_act[act] for act in order], "linear") in README


def test_files_that_it_shows_or_names_exist() -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README)
    assert len(linked) > 1
    for path in linked + re.findall(r"(?:configs|tests)/[\w/]+\.(?:yaml|py)", README):
        assert (ROOT / path).is_file(), path
