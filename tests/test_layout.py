"""How the project is built: which folder may import which, and where torch's private names are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def modules(package: str) -> dict[str, Path]:
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((ROOT / package).rglob("*.py"))
    }


MODULES = modules("surrogate")
EXPERIMENTS = modules("experiments")

# Each part of the library, and what it may import besides itself.
ALLOWED = {
    "core": set[str](),
    "functions": {"core"},
    "derivatives": {"core", "functions"},
    "pair": {"core", "functions", "derivatives", "diagnostics"},  # of the last, what needs no pair
    "catalogue": {"core", "functions", "derivatives", "pair"},
    "text": {"core", "functions", "derivatives", "pair", "catalogue"},
    "equivalents": {"core", "functions", "derivatives", "pair"},
    "models": {"core", "functions", "derivatives", "pair", "text"},
    "training": {"core", "pair", "text", "models"},
    "diagnostics": {"core", "functions", "derivatives", "pair", "catalogue", "text", "models"},
    "check": {"diagnostics"},
}


# Each folder of the experiments, and what it may import besides the library, also within functions.
EXPERIMENTS_ALLOWED = {
    "common": set[str](),
    "tasks": {"common"},
    "training": {"common", "tasks"},
    "runs": {"common", "tasks", "training"},
    "settings": {"common", "tasks", "training"},
    "analysis": {"common", "tasks", "training", "runs", "settings"},
    "studies": {"common", "tasks", "training", "runs", "settings", "analysis"},
    "site": {"common", "runs", "analysis"},
    "pictures": {"common", "runs", "analysis", "site"},
    "timing": {"common", "tasks", "training", "runs"},
}


def imported(path: Path, known: Mapping[str, Path], within_functions: bool) -> Iterator[str]:
    """The modules that a module imports when it is imported itself, or later on too."""
    waiting: list[ast.AST] = [*ast.parse(path.read_text(encoding="utf-8")).body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not within_functions:
            continue  # what it imports, it imports when it is called
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        else:
            waiting += ast.iter_child_nodes(node)


GRAPH = {
    name: {each for each in imported(path, MODULES, False) if each in MODULES}
    for name, path in MODULES.items()
}


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_there_is_no_circle_of_imports() -> None:
    """Raises CycleError, which names the circle."""
    assert len([*TopologicalSorter(GRAPH).static_order()]) == len(MODULES)


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_arrows_point_one_way(module: str) -> None:
    part = part_of(module)
    others = {part_of(each) for each in GRAPH[module]} - {part, ""}
    assert others <= ALLOWED[part], f"{module} may not import {others - ALLOWED[part]}"


@pytest.mark.parametrize("module", EXPERIMENTS)
def test_arrows_of_the_experiments_point_one_way(module: str) -> None:
    found = {each for each in imported(EXPERIMENTS[module], EXPERIMENTS, True)}
    others = {part_of(each) for each in found if each in EXPERIMENTS} - {part_of(module), ""}
    if module.count(".") > 1 or part_of(module) in EXPERIMENTS_ALLOWED:
        allowed = EXPERIMENTS_ALLOWED[part_of(module)]
        assert others <= allowed, f"{module} may not import {others - allowed}"


def test_a_command_only_says_what_it_starts() -> None:
    doors = {name: path for name, path in EXPERIMENTS.items() if name.count(".") == 1}
    doors = {name: path for name, path in doors.items() if path.name != "__init__.py"}
    lengths = {name: len(path.read_text().splitlines()) for name, path in doors.items()}
    assert max(lengths.values()) <= 15, lengths


def test_files_stay_short() -> None:
    for path in (*MODULES.values(), *EXPERIMENTS.values()):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path


def test_private_names_of_torch_stand_in_one_module() -> None:
    private = re.compile(r"\btorch(\.\w+)*\._\w+|forward_ad\._\w+|\b_pytree\b|\b_dynamo\b")
    found = {
        name: matches
        for name, path in MODULES.items()
        if (matches := [m.group() for m in private.finditer(path.read_text(encoding="utf-8"))])
    }
    assert set(found) == {"surrogate.core.torch_private"}, found


def test_no_function_hides_a_package_of_its_name() -> None:
    """`surrogate.check` and `surrogate.audit` are functions, also after their commands' imports."""
    import surrogate
    import surrogate.check

    for name in ("check", "audit", "swap", "fuse", "get", "equivalent", "layer"):
        assert callable(getattr(surrogate, name))
        assert not (ROOT / "surrogate" / name / "__init__.py").exists()
