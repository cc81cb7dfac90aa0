"""The page says what the record has, and the committed page is what the command writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.timing import page

DOCS = Path(__file__).parents[2] / "docs"


def row(name: str, milliseconds: float, ratio: float) -> dict[str, Any]:
    return {"name": name, "milliseconds": milliseconds, "ratio": ratio, "low": 0.9, "high": 1.1}


def table(title: str, limit: float | None, *rows: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "reference": rows[0]["name"], "limit": limit, "rows": list(rows)}


def test_aims_leave_out_torchs_own() -> None:
    found = table(
        "pairs, eager",
        1.3,
        *(row("torch GELU", 1, 1), row("torch ReLU", 9, 9)),
        *(row("a", 1, 1.3), row("b", 2, 1.31), row("c", 3, 2)),
    )
    assert page.aims([found]).splitlines()[2] == (
        "| pairs, eager, / torch GELU | 1.30 | 1 of 3 | 1.31 | 2.00 (c) |"
    )


def test_peers_are_compared_in_the_same_way() -> None:
    both = table(
        "p.one, 10,000 elements",
        None,
        *(row("theirs, eager", 2, 1), row("ours, eager", 1, 0.5), row("ours, compiled", 3, 1.5)),
        *(row("theirs, compiled", 2, 1), row("ours, eager, fused", 4, 2)),
    )
    alone = table(
        "p.two, 10,000 elements",
        None,
        *(row("theirs, eager", 2, 1), row("ours, eager", 6, 3), row("ours, compiled", 3, 1.5)),
        row("ours, eager, fused", 2, 1),
    )
    assert page.peers([both, alone]).splitlines()[2:] == [
        "| 10,000 | eager | 1 of 2 | 1.75 | 3.00 (p.two) |",
        "| 10,000 | eager, fused | 1 of 2 | 1.50 | 2.00 (p.one) |",
        "| 10,000 | compiled | 0 of 1 | 1.50 | 1.50 (p.one) |",
    ]


def test_the_committed_page_is_what_the_command_writes() -> None:
    record = json.loads((DOCS / "results" / "benchmark.json").read_text(encoding="utf-8"))
    text = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert page.with_summary(text, record) == text
    assert record["machine"]["commit"] in text
