"""The digest of the code that computes a pair: a formula changes it, a comment does not."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from surrogate import SurrogateActivation
from surrogate.core.parts import walk

# Where what a pair computes is written. Other modules print, check and describe.
CORE = ("drawn", "evaluate", "fuse", "report", "tables")
COMPUTING = (
    "surrogate.functions", "surrogate.derivatives", *(f"surrogate.core.{name}" for name in CORE)
)  # fmt: skip

Place = tuple[str, str]
"""A module and the name of something that is defined in it."""


def code_of(pair: SurrogateActivation, files: Iterable[bytes] = ()) -> str:
    """The digest of the code that computes a pair.

    It covers the classes of its parts, all that these use in the modules of formulas, the rule that
    reports the gradient, and the user's files as a whole. Comments, docstrings and layout do not
    count.

    Args:
        pair: which one.
        files: the contents of the user's files that it comes from.
    """
    found: dict[Place, str] = {}
    collect(("surrogate.core.report", "report"), found)
    for each in (pair.function, pair.derivative):
        for _, part in walk(each):
            for kind in inspect.getmro(type(part)):
                collect((kind.__module__, kind.__name__), found)
    texts = [f"{module}.{name}: {text}" for (module, name), text in sorted(found.items())]
    texts += [as_code(ast.parse(content)) for content in files]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def collect(place: Place, found: dict[Place, str]) -> None:
    """Adds what is defined at a place, and all that it uses, to what was found."""
    module, name = place
    if place in found or not module.startswith(COMPUTING):
        return
    node = definitions(module).get(name)
    if node is None:
        return
    if isinstance(node, ast.ImportFrom):
        if node.module is not None:
            collect((node.module, name), found)
        return
    found[place] = as_code(node)
    for used in ast.walk(node):
        if isinstance(used, ast.Name):
            collect((module, used.id), found)


@cache
def definitions(module: str) -> dict[str, ast.stmt]:
    """What a module defines or imports at its top level, by name."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        return {}
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(Path(path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: node for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def as_code(tree: ast.AST) -> str:
    """A tree as text without its docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and is_text(body[0]):
            body[0] = ast.Pass()
    return ast.dump(tree)


def is_text(node: ast.AST) -> bool:
    """Whether a statement is nothing but a text, such as a docstring."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
