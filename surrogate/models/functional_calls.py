"""Activations that a model calls as functions: found by reading the source of its classes.

A module can be replaced from outside; `F.relu(x)` in a forward method can't. What is read is
`forward` and the methods that it refers to, in the classes of the model's modules. Functions
elsewhere that they call, and C++ code (the gates of an LSTM), are not followed.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

NAMES = (
    *("celu", "elu", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu"),
    *("logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "sigmoid", "silu"),
    *("softplus", "softshrink", "softsign", "tanh", "tanhshrink", "threshold"),
)
NAMES += tuple(f"{name}_" for name in NAMES)  # the in-place forms
NAMESPACES = {"torch.nn.functional": F, "torch": torch, "torch.special": torch.special}
FUNCTIONS = {
    id(getattr(namespace, name)): f"{path}.{name}"
    for path, namespace in NAMESPACES.items()
    for name in (*NAMES, "expit")
    if hasattr(namespace, name)
}
METHODS = {name for name in NAMES if hasattr(torch.Tensor, name)}


@dataclass(frozen=True)
class FunctionalCall:
    """An activation that is called as a function.

    Attributes:
        owner: the class and its method ("Inception._forward"), or attribute that holds a function.
        line: the line in the file of the class; None for an attribute.
        text: the call, or the function; "source not available" where nothing could be read.
        modules: the names of the modules of that class; "" is the model itself.
    """

    owner: str
    line: int | None
    text: str
    modules: tuple[str, ...]

    def __str__(self) -> str:
        place = self.owner if self.line is None else f"{self.owner}, line {self.line}"
        first = repr(self.modules[0]) if self.modules[0] else "the model"
        others = f" and {len(self.modules) - 1} more" if len(self.modules) > 1 else ""
        return f"{place}: {textwrap.shorten(self.text, 60)}  (in {first}{others})"


def functional_calls(modules: Iterable[tuple[str, nn.Module]]) -> tuple[FunctionalCall, ...]:
    """The activations that the given modules, named as in the model, call as functions."""
    found: dict[tuple[str, int | None, str], list[str]] = {}
    for name, module in modules:
        for call in (*_held_functions(module), *_calls(type(module))):
            found.setdefault(call, []).append(name)
    return tuple(FunctionalCall(*call, tuple(names)) for call, names in found.items())


def _held_functions(module: nn.Module) -> Iterator[tuple[str, None, str]]:
    """Functions that lie in attributes, as in nn.TransformerEncoderLayer(activation=F.relu)."""
    for attribute, value in vars(module).items():
        function = getattr(value, "func", value)  # of a functools.partial
        if id(function) in FUNCTIONS:
            yield f"{type(module).__qualname__}.{attribute}", None, FUNCTIONS[id(function)]


@lru_cache(maxsize=1024)
def _calls(kind: type[nn.Module]) -> tuple[tuple[str, int | None, str], ...]:
    """What `forward` of a class, and the methods that it refers to, call."""
    lineage = kind.__mro__[: kind.__mro__.index(nn.Module)]
    found: list[tuple[str, int | None, str]] = []
    seen: set[tuple[str, type]] = set()
    waiting = [("forward", 0)]  # a method, and where in the lineage to look for it
    while waiting:
        name, start = waiting.pop(0)
        depth = next((i for i in range(start, len(lineage)) if name in vars(lineage[i])), None)
        if depth is None or (name, lineage[depth]) in seen:
            continue
        seen.add((name, lineage[depth]))
        method = vars(lineage[depth])[name]
        method = inspect.unwrap(getattr(method, "__func__", method))  # static, class, decorated
        owner = f"{lineage[depth].__qualname__}.{name}"
        if not isinstance(method, FunctionType):
            if name == "forward":
                found.append((owner, None, "source not available"))
            continue
        try:
            lines, first = inspect.getsourcelines(method)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            found.append((owner, None, "source not available"))
            continue
        scope = {**method.__globals__, **inspect.getclosurevars(method).nonlocals}
        for node in ast.walk(tree):
            match node:
                case ast.Call() if _is_activation(node, scope):
                    found.append((owner, first + node.lineno - 1, ast.unparse(node)))
                case ast.Attribute(value=ast.Name(id="self"), attr=attribute):
                    waiting.append((attribute, 0))
                case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=attribute):
                    waiting.append((attribute, depth + 1))
    return tuple(found)


def _is_activation(call: ast.Call, scope: Mapping[str, Any]) -> bool:
    """F.relu(x), torch.relu(x), relu(x) if that is imported, x.relu(); not self.relu(x)."""
    if id(_object(call.func, scope)) in FUNCTIONS:
        return True
    match call:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"))):
            return False
        case ast.Call(func=ast.Attribute(value=base, attr=name), args=[], keywords=[]):
            return name in METHODS and not isinstance(_object(base, scope), ModuleType)
    return False


def _object(node: ast.expr, scope: Mapping[str, Any]) -> object:
    """What a dotted name stands for, through modules alone; None if that can't be told."""
    match node:
        case ast.Name(id=name):
            return scope.get(name)
        case ast.Attribute(value=base, attr=name):
            owner = _object(base, scope)
            return getattr(owner, name, None) if isinstance(owner, ModuleType) else None
    return None
