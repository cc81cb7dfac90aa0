"""The page that lists everything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from experiments.site import catalogue
from surrogate.diagnostics.plot import DOWN, UP

DOCS = Path(__file__).parent.parent.parent / "docs"
FIGURES = sorted((DOCS / "catalogue").rglob("*.svg"))
REGISTERED = {kind: dict(registry._entries) for kind, registry in catalogue.REGISTRIES.items()}
ENTRIES = list(catalogue.entries())
AGAIN = "write it again: python -m experiments.catalogue -o docs/catalogue.md"


@pytest.fixture(autouse=True)
def _what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what other tests register."""
    for kind, registry in catalogue.REGISTRIES.items():
        monkeypatch.setattr(registry, "_entries", REGISTERED[kind])


def test_the_committed_page_is_what_the_command_writes() -> None:
    assert (DOCS / "catalogue.md").read_text(encoding="utf-8") == catalogue.page("catalogue"), AGAIN


def test_everything_registered_has_a_row_and_a_figure() -> None:
    page = (DOCS / "catalogue.md").read_text(encoding="utf-8")
    rows = re.findall(r'<tr id="(\w+)-(\w+)">', page)
    assert rows
    assert sorted(rows) == sorted(
        (kind, name) for kind, registry in REGISTERED.items() for name in registry
    )
    linked = re.findall(r'<img src="catalogue/([^"]+)"', page)
    committed = [file.relative_to(DOCS / "catalogue").as_posix() for file in FIGURES]
    assert sorted(linked) == sorted(committed), AGAIN
    assert set(re.findall(r"\]\(#(\w+-\w+)\)", page)) - {"named-pairs"} == {
        entry.anchor for entry in ENTRIES
    }


def test_the_figures_are_small() -> None:
    sizes = [file.stat().st_size for file in FIGURES]
    assert max(sizes) < 25_000
    assert sum(sizes) < 2_000_000


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.anchor)
def test_every_line_of_a_figure_is_finite_but_for_its_gaps(entry: catalogue.Entry) -> None:
    lines = catalogue.shown(entry)
    x = entry.points
    for line in lines.values():
        gaps = line.y.isnan()
        assert torch.isin(x, line.x[~gaps]).all(), "each point is there"
        assert (line.y[~gaps].isfinite()).all()
        assert gaps.sum() <= len(x) / 2
    reported = {"reported derivative", UP, DOWN} & set(lines)
    assert bool(reported) == (entry.kind != "functions")
    assert ("function" in lines) == entry.shows_function
    assert ("true derivative" in lines) == (entry.kind != "derivatives")


def test_lines_are_what_they_are_called() -> None:
    lines = catalogue.shown(catalogue.Entry("pairs", "cantor2"))
    assert set(lines) == {"function", "true derivative", "reported derivative"}
    assert not lines["true derivative"].y.any()
    assert (lines["reported derivative"].y == 1).all()
    x, y, _ = lines["function"]
    assert (y - x).abs().max() < 1
    lines = catalogue.shown(catalogue.Entry("derivatives", "Towards"))
    assert set(lines) == {UP, DOWN}
    for label, passes in ((UP, lambda x: x >= 0), (DOWN, lambda x: x <= 1)):
        x, y, _ = lines[label]
        assert y.isnan().sum() == 1
        assert y[~y.isnan()].equal(passes(x).double()[~y.isnan()])


def test_what_is_shown_in_another_way_exists() -> None:
    names = {entry.name for entry in ENTRIES}
    assert {*catalogue.SHOWN, *catalogue.ENDS, *catalogue.NOISY} <= names


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {"functions": "Snake", "derivatives": "EWGS", "pairs": "cantor2"}
    every = catalogue.entries
    monkeypatch.setattr(
        catalogue, "entries", lambda: (entry for entry in every() if few[entry.kind] == entry.name)
    )
    texts = []
    for folder in ("first", "second"):
        output = tmp_path / folder / "page.md"
        output.parent.mkdir()
        assert catalogue.main(["-o", str(output)]) == 0
        drawn = sorted(output.parent.rglob("*.svg"))
        assert {path.relative_to(output.parent) for path in drawn} == {Path("page/legend.svg")} | {
            Path("page", kind, f"{name}.svg") for kind, name in few.items()
        }
        assert output.read_text(encoding="utf-8") == catalogue.page("page")
        texts.append([path.read_text(encoding="utf-8") for path in drawn])
    assert texts[0] == texts[1]
    assert all("<dc:date>" not in text and text.count("</svg>") == 1 for text in texts[0])
