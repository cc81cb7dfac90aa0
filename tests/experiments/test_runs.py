from __future__ import annotations

import json
import math
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.common.errors import HeldError, RunError
from experiments.common.files import below, flat, read_json, write, write_json
from experiments.runs import published, records
from experiments.runs import run as runs
from experiments.runs.provenance import commit
from experiments.runs.run import Run, folder_name, held
from experiments.training.metrics import METRICS, Row, read_metrics, write_metrics

RUN = Run("autoencoder", "relu", "ReLU() / Exact()", "0e", 3, {"model": {"channels": 4}})


def test_names_of_the_catalogue_are_folders_as_they_are():
    assert folder_name("cantor2") == "cantor2"
    name = folder_name("Staircase(step=0.5) / Blurred(width=0.3)")
    assert re.fullmatch(r"Staircase_step=0.5_Blurred_width=0.3-[0-9a-f]{8}", name)


@given(st.text(min_size=1))
def test_any_text_becomes_one_safe_folder_name(text: str):
    name = folder_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_=,+-][A-Za-z0-9_=.,+-]*", name)
    assert len(name) <= 100


@given(st.sets(st.text("ab/.()= _-", min_size=1, max_size=6), min_size=2, max_size=6))
def test_different_texts_have_different_folders(texts: set[str]):
    assert len({folder_name(text) for text in texts}) == len(texts)


def test_long_texts_that_differ_at_the_end_have_different_folders():
    assert folder_name("a" * 500 + "b") != folder_name("a" * 500 + "c")


def test_a_run_is_found_where_it_was_created(tmp_path: Path):
    assert RUN.find(tmp_path) is None
    directory = RUN.create(tmp_path, "seed: 3\n")
    assert directory == tmp_path / "autoencoder" / "relu" / "seed3"
    assert RUN.find(tmp_path) == directory
    assert {path.name for path in directory.iterdir()} == {"identity.json", "config.yaml"}
    assert (directory / "config.yaml").read_text() == "seed: 3\n"


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, config={"model": {"channels": 5}}),
        replace(RUN, text="ReLU() / Constant()"),
        replace(RUN, code="0f"),
    ],
)
def test_another_run_of_that_name_gets_a_directory_of_its_own(tmp_path: Path, other: Run):
    first = RUN.create(tmp_path, "")
    assert other.find(tmp_path) is None
    second = other.create(tmp_path, "")
    assert re.fullmatch("seed3-[0-9a-f]{8}", second.name)
    assert (RUN.find(tmp_path), other.find(tmp_path)) == (first, second)
    (first / "identity.json").unlink()  # the plain name is free or foreign now: still found
    assert other.find(tmp_path) == second
    assert [path.name for path in second.parent.iterdir() if path.name.startswith(".")] == []


def test_what_is_in_the_way_is_left_alone(tmp_path: Path):
    for directory in RUN._candidates(tmp_path):
        directory.mkdir(parents=True)
        (directory / "mine.txt").write_text("precious")
    with pytest.raises(RunError, match="is not this run: move it away"):
        RUN.create(tmp_path, "")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["mine.txt"] * 2
    assert len(list((tmp_path / "autoencoder" / "relu").iterdir())) == 2


def test_a_run_that_two_processes_create_at_once_has_one_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The other process is quicker by a moment: it renames first."""
    rename, both = Path.rename, []

    def race(new: Path, target: Path) -> Path:
        if not both:
            both.append(None)
            both[0] = RUN.create(tmp_path, "")
        return rename(new, target)

    monkeypatch.setattr(Path, "rename", race)
    directory = RUN.create(tmp_path, "")
    assert both == [directory]
    assert [path.name for path in directory.parent.iterdir()] == ["seed3"]


def test_a_run_is_held_by_one_at_a_time(tmp_path: Path):
    directory = RUN.create(tmp_path, "")
    with held(directory):
        with pytest.raises(HeldError, match=f"another process .* in {directory}"):
            held(directory, wait=False).__enter__()
        assert RUN.find(tmp_path) == directory
    with held(directory, wait=False):
        pass


def test_runs_are_found_while_others_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A directory gets its name just when it is looked into under the one before."""
    first = RUN.create(tmp_path, "")
    scandir, begun = os.scandir, first.with_name("seed4")
    begun.with_name(".new-1").mkdir()

    def race(path: Any = ".") -> Any:
        if os.fspath(path).endswith(".new-1"):
            os.rename(path, begun)
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", race)
        assert below(tmp_path, "identity.json") == [first / "identity.json"]
    assert begun.is_dir()
    assert records.unfinished(tmp_path) == 1


def test_a_result_that_goes_as_its_run_is_tried_again_is_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = RUN.create(tmp_path, "") / "result.json"
    path.write_text("{}")
    problem = f"{path.parent} is damaged: it has no result of a run: it has no act"
    assert records.records(tmp_path) == ([], [problem])

    def late(file: Path) -> Any:
        path.unlink()
        return read_json(file)

    monkeypatch.setattr(published, "read_json", late)
    assert records.records(tmp_path) == ([], [])


def test_links_to_folders_are_not_followed(tmp_path: Path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "result.json").touch()
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    assert below(tmp_path, "result.json") == [tmp_path / "a" / "b" / "result.json"]


def test_a_damaged_identity_is_named(tmp_path: Path):
    directory = RUN.create(tmp_path, "")
    (directory / "identity.json").write_text('{"act": ')
    with pytest.raises(RunError, match=re.escape(f"{directory / 'identity.json'} is damaged")):
        RUN.find(tmp_path)


def test_losses_that_are_not_finite_are_null_in_json(tmp_path: Path):
    path = tmp_path / "result.json"
    write_json(path, {"a": math.nan, "b": -math.inf, "c": 0.1})
    assert json.loads(path.read_text()) == {"a": None, "b": None, "c": 0.1}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_metrics_are_read_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values):
    path = tmp_path_factory.mktemp("metrics") / "metrics.csv"
    rows: list[Row] = [dict(zip(METRICS, [epoch, *values], strict=True)) for epoch in (1, 2)]
    write_metrics(path, rows)
    assert read_metrics(path) == rows


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch,loss/train\n1,0.1\n",
        ",".join(METRICS) + "\n1,0.1\n",
        ",".join(METRICS) + "\n1,0.1,0.1,none,2\n",
    ],
)
def test_damaged_metrics_are_named(tmp_path: Path, text: str):
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(RunError, match=re.escape(str(path))):
        read_metrics(path)


def test_a_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "result.json"
    write(path, "old")

    def crash(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            write(path, "new")
    assert path.read_text() == "old"
    write(path, "newer")
    assert path.read_text() == "newer"
    assert [found.name for found in tmp_path.iterdir()] == ["result.json"]


def test_the_commit_is_gits_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    found = commit()
    if (Path(runs.__file__).parents[2] / ".git").exists():
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(runs.__file__).parent, capture_output=True
        )
        assert found in (head.stdout.decode().strip(), head.stdout.decode().strip() + "-dirty")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() is None


def test_nested_settings_are_flattened_to_dotted_names():
    assert flat({"seed": 0, "model": {"channels": 4, "deep": {"er": None}}}) == {
        "seed": 0,
        "model.channels": 4,
        "model.deep.er": None,
    }
