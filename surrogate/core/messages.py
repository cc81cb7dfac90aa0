"""Texts for people: how things are named in messages and prints, and how tables are laid out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LONGEST_SHOWN = 80  # characters of a value in a message


def name_of(part: object) -> str:
    """How a part is called in messages: a plain function by its name, not its address."""
    name = getattr(part, "__name__", None)
    return name if isinstance(name, str) else repr(part)


def given_name(part: object) -> str:
    """How an argument that is refused is called: a class where an instance is needed says so."""
    if isinstance(part, type):
        return f"the class {part.__name__}: write {part.__name__}(…)"
    return name_of(part)


def shown(value: object) -> str:
    """A value in a message, without its middle if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python's answer to integers of more than 4300 digits
        return "an integer of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN // 2]}…{text[-9:]}"


def did_you_mean(wrong: object, known: Iterable[str]) -> str:
    """'; did you mean 'cantor2'?' if a known name is close, else nothing."""
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(wrong).lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def counted(number: int, what: str) -> str:
    """'1 pair', '2 pairs'."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """A table of texts, its columns padded to one width each."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)
