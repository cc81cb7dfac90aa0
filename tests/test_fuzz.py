"""A short form of the fuzzers: `make fuzz` runs all of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz import watch
from tests.fuzz.kinds import KINDS, Kind
from tests.fuzz.mutate import CANARY
from tests.fuzz.run import fuzz

SHORT = {"pair": 800, "schedule": 300, "config": 25, "study": 15, "result": 60, "idx": 60}
RECORD = Path(__file__).parent.parent / "docs" / "results" / "fuzz.json"


@pytest.mark.parametrize("name", KINDS)
def test_what_a_stranger_makes_is_read_or_refused(name: str) -> None:
    count = SHORT.get(name, 100)
    found = fuzz(name, 0, count)
    assert found["broken"] == []
    assert found["cases"] == count
    assert found["accepted"] + sum(found["errors"].values()) == count
    assert found["accepted"] > 0


def _slow() -> None:
    end = watch.time.process_time() + 0.02
    while watch.time.process_time() < end:
        pass


def _raise() -> None:
    raise OSError("not documented")


def test_no_kind_documents_that_a_case_is_broken() -> None:
    assert not any(issubclass(watch.BrokenError, kind.errors) for kind in KINDS.values())


@pytest.mark.parametrize("refused", [False, True])
@pytest.mark.parametrize(
    ("act", "problem"),
    [
        (lambda: __import__("os").system("true"), "os.system"),
        (lambda: eval("open('x', 'w').close()"), "exec of"),
        (Path(CANARY).touch, "the canary was made"),
        (Path("../elsewhere").touch, "written: "),
        (_slow, "it took 0"),
        (_raise, "OSError: not documented"),
    ],
)
def test_the_watch_sees_what_a_case_does_whether_it_is_refused_or_not(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], problem: str, refused: bool
) -> None:
    def read(case: object) -> None:
        act()
        if refused:
            raise ValueError("documented")

    monkeypatch.setattr(watch, "LIMIT", 0.01)
    monkeypatch.setattr("tests.fuzz.run.WARM_UP", 0)
    monkeypatch.setitem(KINDS, "evil", Kind(lambda source: "", read, (ValueError,)))
    (broken,) = fuzz("evil", 0, 1)["broken"]
    assert broken["problem"].startswith(problem)
