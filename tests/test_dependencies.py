"""The pinned versions, and what is installed."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parent.parent
DECLARED = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    return {plain(name): version for name, version in pins}


def requirements() -> list[Requirement]:
    extras = [text for texts in DECLARED["optional-dependencies"].values() for text in texts]
    return [Requirement(text) for text in (*DECLARED["dependencies"], *extras)]


def closure() -> set[str]:
    """What is installed because of what the project declares; CUDA's own parts are torch's."""
    found: set[str] = set()
    todo = [each for each in requirements() if each.name != "surrogate"]
    while todo:
        required = todo.pop()
        name = plain(required.name)
        extras = {"": "", **dict.fromkeys(required.extras, "")}
        environments = [{"extra": extra} for extra in extras]
        marker = required.marker
        if marker is not None and not any(marker.evaluate(each) for each in environments):
            continue
        key = f"{name}[{','.join(sorted(required.extras))}]"
        if key in found:
            continue
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(key)
        for text in needed:
            inner = Requirement(text)
            if inner.marker is None or any(inner.marker.evaluate(each) for each in environments):
                inner.marker = None
                todo.append(inner)
    return {key.split("[")[0] for key in found}


def test_all_that_is_installed_for_the_project_is_pinned() -> None:
    torchs = {name for name in closure() if re.match(r"nvidia-|cuda-|triton$", name)}
    others = {"setuptools", "pip", "wheel"}  # of the virtual environment
    assert closure() - torchs - others - pinned().keys() == set()


def test_every_pin_is_one_that_the_project_allows() -> None:
    pins = pinned()
    for required in requirements():
        if plain(required.name) in pins:
            assert required.specifier.contains(pins[plain(required.name)]), required


def test_what_was_malware_cannot_be_installed() -> None:
    """GHSA-w37p-236h-pfx3."""
    (lightning,) = (each for each in requirements() if each.name == "lightning")
    assert not any(lightning.specifier.contains(version) for version in ("2.6.2", "2.6.3"))


def test_every_dependency_has_its_reason() -> None:
    page = (PROJECT / "docs" / "dependencies.md").read_text()
    for required in requirements():
        assert required.name == "surrogate" or re.search(rf"\b{required.name}\b", page), required
