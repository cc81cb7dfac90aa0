"""Numbers that the command line checks the range of; to a type-checker they are int and float."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    NonNegativeInt = PositiveInt = int
    PositiveFloat = float
else:
    from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

__all__ = ["NonNegativeInt", "PositiveFloat", "PositiveInt"]
