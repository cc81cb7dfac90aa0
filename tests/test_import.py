"""What `import surrogate` imports, and what it leaves for later."""

from __future__ import annotations

import subprocess
import sys

import pytest

import surrogate

LATER = {"Anneal": "schedule", "Probe": "probe", "equivalent": "equivalents", "swap": "swapping"}


def imported(statement: str) -> set[str]:
    """The modules of ours that a new process has imported after a statement."""
    code = (
        f"{statement}\nimport sys\nprint(*(m for m in sys.modules if m.startswith('surrogate.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_what_few_programs_use_is_imported_when_it_is_asked_for() -> None:
    later = {f"surrogate.{module}" for module in LATER.values()}
    assert not imported("import surrogate") & later
    asked = "; ".join(f"surrogate.{name}" for name in LATER)
    assert imported(f"import surrogate; {asked}") >= later
    assert "surrogate.equivalents" in imported("import surrogate; surrogate.equivalents.names()")


@pytest.mark.parametrize(("name", "module"), LATER.items())
def test_it_is_there_as_anything_else_is(name: str, module: str) -> None:
    found = getattr(surrogate, name)
    assert found is getattr(sys.modules[f"surrogate.{module}"], name)
    assert name in dir(surrogate)


def test_what_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'surrogate' has no attribute 'swop'"):
        surrogate.swop  # type: ignore[attr-defined]  # noqa: B018
