"""Cases of the text form: of pairs, and of schedules."""

from __future__ import annotations

import inspect
import random

import torch

import surrogate
from surrogate.derivatives.base import derivatives
from surrogate.functions.base import functions
from surrogate.text import METHODS
from surrogate.training.anneal import as_schedule, schedules
from tests.fuzz import mutate

TOKENS = (
    *mutate.PAYLOADS, *mutate.NUMBERS, *mutate.SIGNS, *mutate.MARKUP, *mutate.PATHS,
    *"()/*+-.,='\"[]{}:;\\", " / ", " * ", "((((", "))))", "Learnable(0.5)", "Learnable(1e300)",
    "Learnable((0.5, 1.0))", "Drawn()", "Drawn(0.1, 0.3)",
    "lambda: 0", ":=", "**", "//", "__class__", ".__init__.__globals__", "yield", "await", "f''",
    *(f".{method}(" for method in METHODS), *functions, *derivatives, *surrogate.names(),
)  # fmt: skip
PAIRS = [*surrogate.names(), *(str(surrogate.get(name)) for name in surrogate.names())]
SCHEDULES = ("cosine(1.0, 0.05)", "linear(1, 0)", "step((1.0, 0.3, 0.1))", "exponential(1.0, 0.1)")
X = torch.tensor([-2.0, -0.0, 0.5, 3.0], dtype=torch.float64)


def pair(source: random.Random) -> str:
    way = source.random()
    if way < 0.35:
        return f"{_function(source)} / {_derivative(source, 3)}"
    if way < 0.8:
        return mutate.text(source, source.choice(PAIRS), TOKENS)
    if way < 0.9:
        return mutate.text(source, f"{_function(source)} / {_derivative(source, 2)}", TOKENS)
    if way < 0.95:
        return "".join(source.choice(TOKENS) for _ in range(source.randint(1, 40)))
    return _deep(source)


def read_pair(text: str) -> None:
    """It is read, and read back from what it prints as, and it computes."""
    found = surrogate.get(text)
    assert str(surrogate.get(str(found))) == str(found)
    assert surrogate.get(text)(X).shape == X.shape


def schedule(source: random.Random) -> str:
    if source.random() < 0.3:
        arguments = ", ".join(_argument(source, 1) for _ in range(source.randint(0, 4)))
        return f"{source.choice(list(schedules))}({arguments})"
    return mutate.text(source, source.choice(SCHEDULES), (*TOKENS, *schedules))


def read_schedule(text: str) -> None:
    found = as_schedule(text)
    assert isinstance(found(0.5), (int, float))


def _function(source: random.Random) -> str:
    return _call(source, source.choice(list(functions)), functions, 1)


def _derivative(source: random.Random, depth: int) -> str:
    way = source.random() if depth else 0.0
    if way < 0.5:
        return _call(source, source.choice(list(derivatives)), derivatives, depth)
    if way < 0.7:
        sign = source.choice((" + ", " - ", " * "))
        return _derivative(source, depth - 1) + sign + _derivative(source, depth - 1)
    if way < 0.8:
        return f"{_argument(source, 0)} * ({_derivative(source, depth - 1)})"
    method = source.choice(METHODS)
    given = source.choice(("", _argument(source, 0), "'area'", "'peak'"))
    return f"({_derivative(source, depth - 1)}).{method}({given})"


def _call(source: random.Random, name: str, registry: object, depth: int) -> str:
    names = inspect.signature(registry[name]).parameters  # type: ignore[index]
    given = [each for each in names if source.random() < 0.4]
    return f"{name}({', '.join(f'{each}={_argument(source, depth)}' for each in given)})"


def _argument(source: random.Random, depth: int) -> str:
    way = source.random()
    if way < 0.45:
        return str(source.choice((0, 1, 2, 3, -1, 0.5, 0.1, 2.5, 7, 16)))
    if way < 0.65:
        return source.choice(mutate.NUMBERS)
    if way < 0.75:
        start = source.choice((0.5, 1, "1e300", -2, "None", "(1, 0.5, 2, 1)", "((1,), (2,))"))
        return source.choice((f"Learnable({start})", f"Drawn({start}, 1.5, 'gumbel')"))
    if way < 0.85:
        return repr(source.choice(("clamp", "left", "area", "logistic", "box", "", "x" * 99)))
    if depth:
        return source.choice((_function, lambda s: _derivative(s, depth - 1)))(source)
    return source.choice(("(1.0, 2)", "()", "((1,),)", "True", "None", *mutate.PAYLOADS))


def _deep(source: random.Random) -> str:
    """Long and deep, up to the limits of both and beyond."""
    count = source.choice((10, 60, 95, 150, 400, 1000, 5000, 50_000))
    inner = source.choice(("Exact()", "Box()", "Gaussian(width=0.3)", "Constant(2)"))
    return "ReLU() / " + source.choice(
        (
            "(" * count + inner + ")" * count,
            "-" * count + inner,
            " + ".join([inner] * count),
            " * ".join([inner] * count),
            inner + ".mirror()" * count,
            inner + ".normalise('peak')" * (count // 10),
            "Split(" * count + f"{inner}, {inner}" + ")" * count,
            "2 * " * count + inner,
        )
    )
