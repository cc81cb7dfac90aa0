"""Every claim of the README is one that a reader can run."""

from __future__ import annotations

import inspect
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import surrogate
from experiments import autoencoder, classifier, compare
from experiments.analysis.report import table
from experiments.pictures import gallery
from experiments.pictures.atlas import command as atlas
from experiments.runs.records import records
from experiments.site.documents import blocks
from surrogate.catalogue import catalogue
from surrogate.derivatives.base import derivatives
from surrogate.equivalents.base import equivalents, packages
from surrogate.functions import waves
from surrogate.functions.base import functions

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
NAMES = list(catalogue)  # before other tests register theirs


def test_python_examples_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))
    monkeypatch.chdir(tmp_path)  # one of them saves a figure
    found = blocks(README, "python")
    assert len(found) == 7
    for block in found:
        exec(block.text, {})
    assert "spike" in surrogate.names()


def test_commands_take_their_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They take minutes and hours, so that here they are only read."""
    monkeypatch.setattr(catalogue, "_entries", dict(catalogue._entries))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", "configs")
    for block in blocks(README, "python"):
        if named := re.match(r"# (\w+\.py)\n", block.text):
            Path(named[1]).write_text(block.text)

    def with_option(main: Callable[[Sequence[str]], int], option: str) -> Callable[..., None]:
        def read(arguments: list[str]) -> None:
            assert main([*arguments, option]) == 0, capsys.readouterr().err

        return read

    readers: dict[str, Callable[[list[str]], object]] = {
        "experiments.autoencoder": with_option(autoencoder.main, "--print_config"),
        "experiments.classifier": with_option(classifier.main, "--print_config"),
        "experiments.compare": with_option(compare.main, "--dry_run"),
        "experiments.gallery": gallery.read,
        "experiments.atlas": atlas.read,
    }
    read = []
    for block in blocks(README, "console"):
        for line in block.text.splitlines():
            program, *arguments = shlex.split(line, comments=True)
            if program == "python" and arguments[1] in readers and "--list_acts" not in arguments:
                readers[arguments[1]](arguments[2:])
                read.append(arguments[1])
    assert set(read) == set(readers)


def test_numbers_of_functions_derivatives_pairs_and_equivalents() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    counts = f"{len(functions)} functions, {len(derivatives)} derivatives"
    for page in (README, changelog):
        assert counts in page
        assert re.search(rf"\b{len(NAMES)} named\s+pairs", page)
        assert f"{len(equivalents)} names" in page
    assert f"{len(packages)} packages" in README.replace("\n", " ")


@pytest.mark.parametrize("kind", ["functions", "derivatives"])
def test_every_name_of_the_tables_exists(kind: str) -> None:
    registry = {"functions": functions, "derivatives": derivatives}[kind]
    (table,) = re.findall(rf"^\| {kind} \| .*\n\|---\|---\|\n((?:\|.*\n)+)", README, re.MULTILINE)
    named = re.findall(r"`(.*?)`", table)
    assert len(named) > 10
    assert [name for name in named if name not in registry] == []


def test_the_new_function_is_shown_as_it_is() -> None:
    """One file; in it the class as it stands, and nothing else."""
    (diff,) = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    assert (
        re.findall(r"^(?:---|\+\+\+) ./(.*)", diff, re.MULTILINE)
        == ["surrogate/functions/waves.py"] * 2
    )
    assert re.findall(r"^-(?!--)(.*)", diff, re.MULTILINE) == []
    added = re.findall(r"^\+(?!\+\+)(.*)", diff, re.MULTILINE)
    assert "\n".join(added).rstrip() == inspect.getsource(waves.Snake).rstrip()


def test_results_are_those_of_the_committed_files() -> None:
    found, problems = records(ROOT / "docs" / "results" / "autoencoder.jsonl")
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
