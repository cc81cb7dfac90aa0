"""Numbers that the command line checks the range of; to a type-checker they are int and float."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    NonNegativeInt = PositiveInt = int
    NonNegativeFloat = PositiveFloat = ClosedUnitInterval = OpenUnitInterval = float
else:
    from jsonargparse.typing import (
        ClosedUnitInterval,
        NonNegativeFloat,
        NonNegativeInt,
        OpenUnitInterval,
        PositiveFloat,
        PositiveInt,
    )

__all__ = [
    "ClosedUnitInterval",
    "NonNegativeFloat",
    "NonNegativeInt",
    "OpenUnitInterval",
    "PositiveFloat",
    "PositiveInt",
]
