"""What every part has in common: it prints as text that reads back, and it refuses bad arguments.

The parts (functions and derivatives) are frozen dataclasses. Their representation names the fields
that differ from the defaults, so it is short, and `surrogate.get` reads it back to an equal part.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from typing import Any

from surrogate.core.numbers import Varying

LARGEST_INTEGER = 2**53
LONGEST_SHOWN = 80  # characters of a value in a message


class Described:
    """Mixin: `Cantor(depth=5)` for a dataclass, without the fields that keep their default."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({described_fields(self)})"


def described_fields(part: Any, leave_out: str = "") -> str:
    """`depth=5, extend='clamp'`: the fields that differ from their default."""
    return ", ".join(
        f"{field.name}={getattr(part, field.name)!r}"
        for field in dataclasses.fields(part)
        if field.name != leave_out and getattr(part, field.name) != field.default
    )


def name_of(part: object) -> str:
    """How a part is called in texts and messages: a plain function by its name, not its address."""
    name = getattr(part, "__name__", None)
    return name if isinstance(name, str) else repr(part)


def given_name(part: object) -> str:
    """How an argument that is refused is called: a class that was to be an instance says so."""
    if isinstance(part, type):
        return f"the class {part.__name__}: write {part.__name__}(…)"
    return name_of(part)


def require_callable(owner: object, name: str) -> None:
    """Raise TypeError unless the argument can be called, and is not a class."""
    value = getattr(owner, name)
    if isinstance(value, type) or not callable(value):
        raise TypeError(f"{type(owner).__name__}: {name} must be callable, got {given_name(value)}")


def is_finite(number: float) -> bool:
    """Whether it is finite, and an integer not beyond 2⁵³, up to which all of them are floats."""
    return abs(number) <= LARGEST_INTEGER if isinstance(number, int) else math.isfinite(number)


def shown(value: object) -> str:
    """A value in a message, without its middle if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python's answer to integers of more than 4300 digits
        return "an integer of thousands of digits"
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN // 2]}…{text[-9:]}"


def require_number(
    owner: object,
    name: str,
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
    integer: bool = False,
    may_vary: bool = False,
) -> None:
    """Raise an error that names the argument, its value and what is allowed.

    A number that `may_vary` can be a `Varying` one; it is checked as it is now.

    Raises:
        TypeError: the argument is not a number, or not an integer where one is needed.
        ValueError: it is not finite or out of range.
    """
    value: Any = getattr(owner, name)
    above, least, below, most = (float(limit) for limit in (above, least, below, most))
    varying = isinstance(value, Varying)
    if varying and may_vary:
        value = float(value)
    kind = "an integer" if integer else "a finite number"
    limits = [
        f"{word} {limit:g}"
        for word, limit in (("above", above), ("at least", least), ("below", below))
        if math.isfinite(limit)
    ] + ([f"at most {most:g}"] if math.isfinite(most) else [])
    allowed = " ".join([kind, " and ".join(limits)]).strip()
    message = f"{type(owner).__name__}: {name} must be {allowed}, got {shown(value)}"
    if varying and not may_vary:
        raise TypeError(f"{message}, which varies: this number is fixed")
    if isinstance(value, bool) or not isinstance(value, int if integer else (int, float)):
        raise TypeError(message)
    inside = is_finite(value) and above < value < below and least <= value <= most
    if not inside:
        too_large = isinstance(value, int) and abs(value) > LARGEST_INTEGER
        raise ValueError(message + ": integers go up to 2**53" * too_large)


def require_bounds(owner: Any) -> None:
    """Raise an error unless low ≤ high; one of the two, but not both, may be None."""
    if owner.low is None and owner.high is None:
        raise ValueError(f"{type(owner).__name__}: low or high must be given, got None for both")
    if owner.low is not None:
        require_number(owner, "low")
    if owner.high is not None:
        require_number(owner, "high", least=-math.inf if owner.low is None else owner.low)


def require_choice(owner: object, name: str, allowed: Iterable[str]) -> None:
    """Raise ValueError unless the argument is one of the allowed words."""
    value, allowed = getattr(owner, name), list(allowed)
    if value not in allowed:
        raise ValueError(
            f"{type(owner).__name__}: {name} must be one of {', '.join(map(repr, allowed))}, "
            f"got {shown(value)}{did_you_mean(value, allowed)}"
        )


def did_you_mean(wrong: object, known: Iterable[str]) -> str:
    """'; did you mean 'cantor2'?' if a known name is close, else nothing."""
    known = list(known)
    folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(wrong).lower(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def counted(number: int, what: str) -> str:
    """'1 pair', '2 pairs'."""
    return f"{number} {what}{'' if number == 1 else 's'}"
