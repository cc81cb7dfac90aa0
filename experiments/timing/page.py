"""What a benchmark found, in short, in the middle of a page of text.

    python -m experiments.timing.page docs/results/benchmark.json docs/performance.md

replaces what stands between the page's two marks.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured -->", "<!-- end -->"
WAYS = {
    "ours, eager": "theirs, eager",
    "ours, eager, fused": "theirs, eager",
    "ours, compiled": "theirs, compiled",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m experiments.timing.page")
    parser.add_argument("record", type=Path, help="the JSON file that the benchmark wrote")
    parser.add_argument("page", type=Path)
    given = parser.parse_args(arguments)
    text = given.page.read_text(encoding="utf-8")
    record = json.loads(given.record.read_text(encoding="utf-8"))
    given.page.write_text(with_summary(text, record), encoding="utf-8")


def with_summary(text: str, record: Mapping[str, Any]) -> str:
    """The page with a new summary between the marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{summary(record)}\n\n{END}{after}"


def summary(record: Mapping[str, Any]) -> str:
    suites = record["suites"]
    tables = [table for suite in suites.values() for table in suite]
    limited = [table for table in tables if table["limit"]]
    whole = [
        table for name in ("start-up", "command", "operators") for table in suites.get(name, ())
    ]
    sections = [
        machine(record["machine"]),
        "### Against the aims\n\n" + aims(limited),
        *(
            "### Against other packages\n\n" + peers(each)
            for each in (suites.get("peers"),)
            if each
        ),
        *(f"### {heading(table['title'])}\n\n{everything(table)}" for table in whole),
    ]
    return "\n\n".join(sections)


def machine(found: Mapping[str, Any]) -> str:
    peers = ", ".join(f"{name} {version}" for name, version in found["peers"].items())
    return (
        f"Measured on {found['processor']}, {found['cores']} cores, {found['gpu']}; Python "
        f"{found['python']}, torch {found['torch']}; {peers}; commit {found['commit']}."
    )


def heading(title: str) -> str:
    return title[0].upper() + title[1:]


def aims(tables: Sequence[Mapping[str, Any]]) -> str:
    """How many of each table's rows are within its limit."""
    lines = ["| | at most | within | median | largest |", "|---|---:|---:|---:|---|"]
    for table in tables:
        rows = [
            row
            for row in table["rows"]
            if row["name"] != table["reference"] and not row["name"].startswith("torch ")
        ]
        within = sum(row["ratio"] <= table["limit"] for row in rows)
        last = max(rows, key=lambda row: row["ratio"])
        median = statistics.median(row["ratio"] for row in rows)
        lines.append(
            f"| {table['title']}, / {table['reference']} | {table['limit']:.2f} "
            f"| {within} of {len(rows)} | {median:.2f} | {last['ratio']:.2f} ({last['name']}) |"
        )
    return "\n".join(lines)


def peers(tables: Sequence[Mapping[str, Any]]) -> str:
    """How often ours is at least as fast as the peer's in the same way, by size."""
    lines = ["| elements | ours | no slower | median ratio | largest |", "|---:|---|---:|---:|---|"]
    sizes = dict.fromkeys(re.search(r"([\d,]+) elements", table["title"])[1] for table in tables)  # type: ignore[index]
    for size in sizes:
        of_size = [table for table in tables if f" {size} elements" in table["title"]]
        for ours, theirs in WAYS.items():
            ratios = dict(_ratios(of_size, ours, theirs))
            last = max(ratios, key=ratios.__getitem__)
            no_slower = sum(ratio <= 1 for ratio in ratios.values())
            median = statistics.median(ratios.values())
            lines.append(
                f"| {size} | {ours.removeprefix('ours, ')} | {no_slower} of {len(ratios)} "
                f"| {median:.2f} | {ratios[last]:.2f} ({last}) |"
            )
    return "\n".join(lines)


def _ratios(
    tables: Sequence[Mapping[str, Any]], ours: str, theirs: str
) -> Iterator[tuple[str, float]]:
    for table in tables:
        times = {row["name"]: row["milliseconds"] for row in table["rows"]}
        if theirs in times:
            yield table["title"].split(",")[0], times[ours] / times[theirs]


def everything(table: Mapping[str, Any]) -> str:
    """A whole table."""
    extra = [name for name in table["rows"][0] if name not in ("name", "milliseconds", "ratio")]
    extra = [name for name in extra if name not in ("low", "high")]
    lines = [
        "| " + " | ".join(["", "ms", f"/ {table['reference']}", "quartiles", *extra]) + " |",
        "|" + "---|" + "---:|" * (3 + len(extra)),
    ]
    for row in table["rows"]:
        cells = [
            row["name"],
            milliseconds(row["milliseconds"]),
            f"{row['ratio']:.2f}",
            f"{row['low']:.2f} to {row['high']:.2f}",
            *(str(row[name]) for name in extra),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def milliseconds(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3f}"


if __name__ == "__main__":
    main()
