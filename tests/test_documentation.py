"""Every function, derivative and named pair says what it is: formulas, and where it comes from."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

import surrogate
from experiments.site.documents import blocks
from surrogate.catalogue import catalogue
from surrogate.core.registry import Registry
from surrogate.derivatives import Exact
from surrogate.derivatives.base import Derivative, derivatives
from surrogate.functions.base import functions

# Not from the literature: common property, and what is ours.
WITHOUT_SOURCE = {
    *("Identity", "Sigmoid", "LogSigmoid", "Tanh", "Tanhshrink", "Polynomial"),
    *("Clamp", "Threshold", "Round", "Floor", "Ceil", "Trunc", "Staircase", "SoftStaircase"),
    *("TriangleWave", "SquareWave", "SawtoothWave"),
    *("Exact", "Split"),
}
NAMES = list(catalogue)  # before other tests register theirs


def documentation(entry: Any) -> str:
    """The entry's own docstring: neither inherited nor made by dataclass or functools."""
    text = vars(entry).get("__doc__") if isinstance(entry, type) else entry.__doc__
    assert text, entry
    if is_dataclass(entry):
        assert not text.startswith(f"{entry.__name__}("), "a signature made by dataclass"  # type: ignore[union-attr]
    return inspect.cleandoc(text)


def formulas(entry: type) -> str:
    return documentation(entry).partition("Source:")[0]


@pytest.mark.parametrize("name", functions)
def test_functions_give_the_formulas_of_value_and_derivative(name: str) -> None:
    text = formulas(functions[name])
    found = re.search(r"Derivative: (.+)|^ +y' *= (.+)$", text, re.MULTILINE)
    assert found, text
    assert re.search(r"\bx\b|\bx²|eˣ", text[: found.start()]), "no formula of the value"
    derivative = found.group(1) or found.group(2)
    assert re.search(r"\d|\bx\b|\b[a-z]\(|that of", derivative), "no formula of the derivative"


@pytest.mark.parametrize("name", derivatives)
def test_derivatives_give_the_formula_of_what_they_report(name: str) -> None:
    """The slope if there is one; `DerivativeOf` has one for some functions only."""
    kind: type[Derivative] = derivatives[name]
    has_slope = kind.slope is not Derivative.slope and name != "DerivativeOf"
    assert ("slope(x) =" if has_slope else "grad_input =") in formulas(kind)


@pytest.mark.parametrize("registry", [functions, derivatives], ids=lambda registry: registry.kind)
def test_all_but_a_few_give_their_source(registry: Registry[type]) -> None:
    """A year, a package, or words of the texts that the project began with."""
    sources = {name: documentation(registry[name]).partition("\nSource: ")[2] for name in registry}
    known = re.compile(r'\b\d{4}\b|"|SpikingJelly|sinabs|norse|lava|magic_clamp')
    silent = {name for name, source in sources.items() if not known.search(source)}
    assert silent == WITHOUT_SOURCE & set(registry)


def test_what_is_without_a_source_exists() -> None:
    assert {*functions, *derivatives} >= WITHOUT_SOURCE


def test_the_example_of_the_architecture_page_does_what_the_page_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(functions, "_entries", dict(functions._entries))
    page = Path(__file__).parents[1] / "docs" / "architecture.md"
    (example,) = blocks(page.read_text(encoding="utf-8"), "python")
    scope: dict[str, Any] = {}
    exec(example.text, scope)
    pair = surrogate.get("Ramp(width=2) / Blurred(width=0.3)")
    assert pair(torch.tensor([-1.0, 1.0, 5.0])).tolist() == [0, 0.5, 1]
    learned = surrogate.SurrogateActivation(scope["Ramp"](surrogate.Learnable(2.0)), Exact())
    assert len(list(learned.parameters())) == 1
    with pytest.raises(ValueError, match=r"Ramp: width must be a finite number above 0, got -1"):
        scope["Ramp"](width=-1)


@pytest.mark.parametrize("name", NAMES)
def test_named_pairs_say_in_one_sentence_what_they_are(name: str) -> None:
    entry: Callable[..., Any] = catalogue[name]
    text = documentation(entry)
    assert re.fullmatch(r"[A-Z]\S* .+[^.]\.", text), text
    assert entry.__doc__ != type(entry).__doc__, "the documentation of functools.partial"


def test_no_two_named_pairs_say_the_same() -> None:
    said = [catalogue[name].__doc__ for name in NAMES]
    assert len(set(said)) == len(said)
