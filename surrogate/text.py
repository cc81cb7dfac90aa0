"""Text to objects: the one place that reads the text form of a pair.

    pair       := function "/" derivative  |  function, with its true derivative
                | name of the catalogue, with arguments if it takes some
    function   := Name(arguments)
    derivative := Name(arguments) | derivative.method(arguments) | (derivative) | -derivative
                | derivative + derivative | derivative - derivative | derivative * derivative
                | number * derivative | derivative * number
    number     := a finite Python number | Learnable(arguments) | Drawn(arguments)
    arguments  := numbers, strings, True, False, None, functions, derivatives, (numbers, …)

It is Python's expression grammar, read with `ast` against the registries; nothing is evaluated.
The way back is `str(pair)`: it reads back to an equal pair, whatever has been built of our parts.
What can't be read, such as a callable of a user's, stands in it in angle brackets.
"""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Callable
from typing import Any, NoReturn

from surrogate.catalogue import catalogue
from surrogate.core import parts
from surrogate.core.drawn import Drawn
from surrogate.core.messages import did_you_mean
from surrogate.core.numbers import Learnable, Varying, is_finite
from surrogate.core.registry import Registry
from surrogate.derivatives.base import Derivative, derivatives
from surrogate.derivatives.shapes import Exact
from surrogate.functions.base import Elementwise, functions
from surrogate.pair import SurrogateActivation

OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
METHODS = ("clip", "shift", "scale", "mirror", "normalise")

numbers: Registry[type] = Registry("number")
numbers.register(Learnable)
numbers.register(Drawn)

# A text may come from a stranger: it must not take long, or more memory than its result. How deep
# and how large a pair may be is for its parts to say.
LONGEST = 200_000  # characters: the largest pair has fewer
DEEPEST = 5 * parts.DEEPEST  # levels of the expression's tree


def get(text: str) -> SurrogateActivation:
    """The pair that a text stands for; a new instance each time.

    Args:
        text: a name of the catalogue (`cantor2`), with arguments if it takes some
            (`cantor2(depth=5)`), or a function and a derivative
            (`Staircase(step=0.5) / Blurred(width=0.3)`).

    Raises:
        ValueError: the text is no such thing; the message points at the place.

    >>> import surrogate
    >>> surrogate.get("cantor2")
    Cantor() / Constant()
    >>> surrogate.get("ReLU() / 0.5 * Constant(1) + 0.5 * Exact()").derivative
    0.5 * Constant() + 0.5 * Exact()
    """
    if not isinstance(text, str):
        raise TypeError(f"get takes a text, got {type(text).__name__}")
    _require_short(text)
    slash = _top_level_slash(text)
    if slash is None:
        return _Reader(text, 0).catalogue_entry()
    function = _Reader(text[:slash], 0, text).function()
    return _Reader(text[slash + 1 :], slash + 1, text).pair_with(function)


def read_call(text: str, registry: Registry[Any], wanted: str) -> Any:
    """What a single call such as `cosine(1.0, 0.05)` makes of a registry's entry.

    Raises:
        ValueError: it is no such thing; the message says what was wanted and points at the place.
    """
    _require_short(text)
    return _Reader(text, 0).call_of(registry, wanted)


def _require_short(text: str) -> None:
    if len(text) > LONGEST:
        raise ValueError(f"such a text has at most {LONGEST} characters, got {len(text)}")


def _top_level_slash(text: str) -> int | None:
    """Where function and derivative part: the first slash outside parentheses."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == "/" and depth == 0:
            return place
    return None


class _Reader:
    """Reads one expression, a part of a whole text in which errors are shown."""

    def __init__(self, part: str, offset: int, whole: str | None = None) -> None:
        self.whole = part if whole is None else whole
        indent = len(part) - len(part.lstrip())
        self.offset = offset + indent
        self.part = part.strip()
        if not self.part:
            self._fail("something is missing", None)
        try:
            self.tree = ast.parse(self.part, mode="eval").body
        except SyntaxError as error:
            self.offset += (error.offset or 1) - 1
            self._fail("this can't be read", None)
        except (ValueError, RecursionError, MemoryError):
            self._fail("this can't be read", None)
        self._require_small()

    def _require_small(self) -> None:
        """Level by level, as to recurse into a tree that is too deep would be an error itself."""
        level: list[ast.AST] = [self.tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        if level:
            self._fail(f"this is nested deeper than {parts.DEEPEST} levels", None)

    def catalogue_entry(self) -> SurrogateActivation:
        wanted = "the name of an activation, or Function / Derivative"
        if isinstance(self.tree, ast.Name):
            without = ast.copy_location(ast.Call(self.tree, [], []), self.tree)
            return self._call(catalogue, without, wanted)
        call, name = self._named(self.tree, wanted)
        if name in functions and name not in catalogue:
            return self._build(call, SurrogateActivation, self._function(call), Exact())
        if name in derivatives and name not in catalogue:
            self._fail(f"{name} is half a pair: write Function(…) / Derivative(…)", call.func)
        return self._call(catalogue, call, wanted)

    def call_of(self, registry: Registry[Any], wanted: str) -> Any:
        return self._call(registry, self.tree, wanted)

    def function(self) -> Callable[..., Any]:
        return self._function(self.tree)

    def pair_with(self, function: Elementwise) -> SurrogateActivation:
        return self._build(self.tree, SurrogateActivation, function, self._derivative(self.tree))

    def _function(self, node: ast.expr) -> Any:
        return self._call(functions, node, "a function, such as ReLU()")

    def _derivative(self, node: ast.expr) -> Any:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._build(node, operator.neg, self._derivative(node.operand))
        if isinstance(node, ast.BinOp):
            operation = OPERATIONS.get(type(node.op))
            if operation is None:
                self._fail("derivatives combine by a + b, a - b, a * b and number * a", node)
            of_numbers = isinstance(node.op, ast.Mult)
            left = self._operand(node.left, of_numbers)
            right = self._operand(node.right, of_numbers and isinstance(left, Derivative))
            return self._build(node, operation, left, right)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return self._changed(node, node.func)
        return self._call(derivatives, node, "a derivative, such as Exact()")

    def _operand(self, node: ast.expr, may_be_number: bool) -> Any:
        """A derivative, or where one is allowed a number."""
        number = self._number(node) if may_be_number else None
        return self._derivative(node) if number is None else number

    def _changed(self, node: ast.Call, method: ast.Attribute) -> Any:
        """derivative.method(arguments)."""
        part = self._derivative(method.value)
        if method.attr not in METHODS:
            known = did_you_mean(method.attr, METHODS) or f" (there are: {', '.join(METHODS)})"
            self._fail(f"derivatives have no method {method.attr!r}{known}", node)
        return self._filled(method.attr, getattr(part, method.attr), node)

    def _named(self, node: ast.expr, wanted: str) -> tuple[ast.Call, str]:
        """Name(arguments), and the name."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return node, node.func.id
        hint = f"; write {node.id}()" if isinstance(node, ast.Name) else ""
        self._fail(f"expected {wanted}{hint}", node)

    def _call(self, registry: Registry[Any], node: ast.expr, wanted: str) -> Any:
        """What a registry's entry makes of the arguments."""
        call, name = self._named(node, wanted)
        if registry is derivatives and name in functions:
            hint = f"write DerivativeOf({name}(…)) to report its derivative"
            self._fail(f"{name} is a function: {hint}", call.func)
        try:
            entry = registry[name]
        except ValueError as error:
            self._fail(str(error), call.func)
        return self._filled(name, entry, call)

    def _filled(self, called: str, entry: Callable[..., Any], call: ast.Call) -> Any:
        """entry(arguments), each checked to be one that it takes."""
        signature = inspect.signature(entry)
        allowed = list(signature.parameters)
        takes = ", ".join(allowed) or "none"
        for keyword in call.keywords:
            if keyword.arg not in allowed:
                known = f"{did_you_mean(keyword.arg, allowed)} (it takes: {takes})"
                self._fail(f"{called} has no argument {keyword.arg!r}{known}", keyword)
        if len(call.args) > len(allowed):
            self._fail(f"{called} takes {len(allowed)} arguments, got {len(call.args)}", call)
        given = dict(zip(allowed, call.args, strict=False))
        for keyword in call.keywords:
            assert keyword.arg is not None
            if keyword.arg in given:
                self._fail(f"{called}: {keyword.arg} is given twice", keyword)
            given[keyword.arg] = keyword.value
        for parameter in signature.parameters.values():
            if parameter.default is parameter.empty and parameter.name not in given:
                self._fail(f"{called} needs the argument {parameter.name!r}", call)
        values = {argument: self._argument(argument, value) for argument, value in given.items()}
        return self._build(call, entry, **values)

    def _argument(self, name: str, node: ast.expr) -> Any:
        if (number := self._number(node)) is not None:
            return number
        if isinstance(node, ast.Constant) and (
            node.value is None or isinstance(node.value, (str, bool))
        ):
            return node.value
        if isinstance(node, ast.Tuple):
            return tuple(self._argument(name, element) for element in node.elts)
        return self._function(node) if name == "function" else self._derivative(node)

    def _number(self, node: ast.expr) -> int | float | Varying | None:
        """A number, fixed or learnable; None for anything else."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(numbers, node, "a number") if node.func.id in numbers else None
        return _number(node)

    def _build(self, node: ast.expr, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return make(*args, **kwargs)
        except (TypeError, ValueError, ArithmeticError) as error:
            self._fail(str(error), node)

    def _fail(self, message: str, node: ast.expr | ast.keyword | None) -> NoReturn:
        start, width = self.offset, 1
        if node is not None and node.end_col_offset is not None and node.lineno == 1:
            # ast counts in UTF-8 bytes.
            start += len(self.part.encode()[: node.col_offset].decode())
            width = len(self.part.encode()[node.col_offset : node.end_col_offset].decode())
        raise ValueError(
            f"{message}\n  {_printable(self.whole)}\n  {' ' * start}{'^' * max(width, 1)}"
        )


def _printable(text: str) -> str:
    """The text with a space for each sign that could be a command to a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _number(node: ast.expr) -> int | float | None:
    """A number with or without a sign; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _number(node.operand)
        return -number if number is not None and isinstance(node.op, ast.USub) else number
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int) or (isinstance(node.value, float) and is_finite(node.value)):
        return node.value
    return None
