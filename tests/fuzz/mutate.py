"""Changes of valid inputs, by a generator of random numbers that the caller seeds."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Sequence
from typing import Any

CANARY = "canary"  # the file that code of a case would make, in the working directory

# Python that would make the canary, if anything evaluated it.
PAYLOADS = (
    f"__import__('os').system('touch {CANARY}')",
    f"open('{CANARY}', 'w')",
    f'exec(\'open("{CANARY}", "w")\')',
    f"(lambda: open('{CANARY}', 'w'))()",
    f"[open(name, 'w') for name in ('{CANARY}',)]",
    f"{{{{open('{CANARY}', 'w')}}}}",
    f"${{oc.env:HOME}} $(touch {CANARY}) `touch {CANARY}` ; touch {CANARY} | touch {CANARY}",
)
MARKUP = (
    "=cmd|'/C calc'!A0", "@SUM(1+1)", "<script>alert(1)</script>", "[a](javascript:b)",
    r"\input{/etc/passwd}", r"\write18{ls}", "$\\frac{", "%", "a|b", "`", "](", "&amp;", "\x1b[2J",
)  # fmt: skip
PATHS = ("../../outside", "/tmp/outside", "~/outside", "..", ".", "a/../../b", "con", "\\\\host\\x")
SIGNS = (
    "\0",
    "\n",
    "\r",
    "\t",
    "\ud800",
    "\u202e",
    "\u2028",
    "é",
    "１",
    "٣",
    "∞",
    "﷽",
    "\U0010ffff",
)
NUMBERS = (
    "0", "-0", "-1", "1e308", "-1e308", "1e309", "5e-324", "1e-300", "nan", "inf", "0x7fffffff",
    "9" * 20, "9" * 400, "9" * 5000, "1_000", "1j", "2147483648", "18446744073709551616", "0.1",
    "True", "None", "''",
)  # fmt: skip


def text(source: random.Random, seed: str, tokens: Sequence[str]) -> str:
    """The text after one to six changes: tokens put in, pieces dropped, repeated, exchanged."""
    for _ in range(source.randint(1, 6)):
        start = source.randint(0, len(seed))
        end = min(len(seed), start + source.choice((0, 1, 1, 2, 5, 20)))
        before, piece, after = seed[:start], seed[start:end], seed[end:]
        way = source.random()
        if way < 0.4:
            piece = source.choice(tokens)
        elif way < 0.55:
            piece = ""
        elif way < 0.7:
            piece *= source.choice((2, 3, 200))
        elif way < 0.85:
            piece = source.choice(string.printable)
        elif way < 0.95:
            piece = chr(source.randrange(0x110000))
        else:
            before, after = after, before
        seed = before + piece + after
    return seed


def data(source: random.Random, seed: bytes) -> bytes:
    """The bytes after one to eight changes: bits, bytes and lengths, pieces dropped or repeated."""
    changed = bytearray(seed)
    for _ in range(source.randint(1, 8)):
        start = source.randint(0, len(changed))
        end = min(len(changed), start + source.choice((1, 2, 4, 8, 64)))
        what = source.randrange(6)
        if what == 0 and start < len(changed):
            changed[start] ^= 1 << source.randrange(8)
        elif what == 1:
            changed[start:end] = source.randbytes(end - start)
        elif what == 2:
            changed[start:end] = source.choice((b"\xff", b"\0", b"\x7f")) * (end - start)
        elif what == 3:
            del changed[start : source.choice((end, len(changed)))]
        elif what == 4:
            changed[start:start] = changed[start:end] * source.choice((1, 3, 100))
        else:
            changed[start:start] = source.randbytes(source.choice((1, 4, 32)))
    return bytes(changed)


def tree(source: random.Random, value: Any, strange: Callable[[random.Random], Any]) -> Any:
    """Nested lists and mappings after one to three changes somewhere in them."""
    for _ in range(source.randint(1, 3)):
        value = _changed(source, value, strange)
    return value


def _changed(source: random.Random, value: Any, strange: Callable[[random.Random], Any]) -> Any:
    if isinstance(value, dict) and value and source.random() < 0.9:
        changed = dict(value)
        key = source.choice(list(changed))
        what = source.random()
        if what < 0.8:
            changed[key] = _changed(source, changed[key], strange)
        elif what < 0.9:
            del changed[key]
        else:
            changed[str(strange(source))[:50]] = changed[key]
        return changed
    if isinstance(value, list) and value and source.random() < 0.8:
        index = source.randrange(len(value))
        return [*value[:index], _changed(source, value[index], strange), *value[index + 1 :]]
    return strange(source)


def strange(source: random.Random) -> Any:
    """A value that may not belong where it is put."""
    return source.choice(
        (
            lambda: source.choice((0, -1, 1, 2**31, 2**53, 2**64, 10**30, 10**400, True, None)),
            lambda: source.choice((0.0, -1.0, 1e308, 5e-324, 1e-300, float("nan"), float("inf"))),
            lambda: source.choice((*PAYLOADS, *MARKUP, *PATHS)),
            lambda: source.choice(SIGNS) + "relu",
            lambda: "x" * source.choice((100, 5000, 100_000)),
            lambda: source.choice(([], {}, [[]], [1, "a"], {"a": {"b": 1}}, {"": None})),
            lambda: nested(source.choice((5, 50, 201))),
            lambda: {"class_path": "os.system", "init_args": {"command": f"touch {CANARY}"}},
        )
    )()


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value
