"""The command: goes on from where the record is, for so many seconds, and writes the record."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.common.files import write
from experiments.runs.provenance import commit, versions
from tests.fuzz.kinds import KINDS
from tests.fuzz.run import broken_case, fuzz


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 1 if a case did what none may, 3 if there is more to do.

    >>> main(["--case", "schedule:7"])
    0
    """
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", allow_abbrev=False)
    option = parser.add_argument
    option("--kinds", nargs="+", choices=KINDS, default=[*KINDS], help="what to fuzz (all)")
    option("--count", type=int, help="cases of each kind (100,000 texts, 10,000 of the others)")
    option("--seconds", type=float, default=100.0, help="when to stop; the record goes on later")
    option("--output", type=Path, help="the record, in JSON")
    option("--case", metavar="KIND:NUMBER", help="this one alone, and any error as it is")
    given = parser.parse_args(arguments)
    if given.case:
        broken_case(*given.case.split(":"))
        return 0
    record: dict[str, Any] = {}
    if given.output and given.output.exists():
        record = json.loads(given.output.read_bytes())
    end = time.monotonic() + given.seconds
    done, broken = True, 0
    for name in given.kinds:
        kind = KINDS[name]
        count = given.count or kind.wanted
        start = record.get(name, {}).get("cases", 0)
        found = fuzz(name, start, count, end, record.get(name))
        record[name] = {**found, "commit": commit()}  # of its last piece
        done = done and found["cases"] >= count
        broken += len(found["broken"])
        print(f"{name}: {found['cases']} cases, {len(found['broken'])} broken", flush=True)
        for each in found["broken"]:
            print(f"  {name}:{each['case']} {each['problem']}", file=sys.stderr)
    if given.output:
        record["versions"] = versions()
        given.output.parent.mkdir(parents=True, exist_ok=True)
        write(given.output, json.dumps(record, indent=1, ensure_ascii=True) + "\n")
    return 1 if broken else 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
