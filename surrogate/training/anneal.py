"""Schedules: numbers of a pair that change while a network trains.

Under Lightning it is `surrogate.training.lightning.AnnealCallback` that moves them.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, ClassVar

import torch
from torch import nn

from surrogate.core.messages import did_you_mean, name_of
from surrogate.core.numbers import FixedNumber, Held, Limits, Varying, is_finite, shortest
from surrogate.core.parts import Part, described_fields, walk
from surrogate.core.registry import Registry
from surrogate.pair import SurrogateActivation, named_pairs
from surrogate.text import read_call


class Annealed(Held):
    """A number that a schedule moves; it prints as what it is at the time."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.register_buffer("value", torch.tensor(float(value)))

    def __repr__(self) -> str:
        return shortest(self)


class Schedule(Part, register=False):
    """A number as a function of the progress t, from 0 in the first step to 1 in the last."""

    registry: ClassVar[Registry[Any]] = Registry("schedule")

    @abstractmethod
    def __call__(self, t: float) -> float:
        """The number at t."""

    def __repr__(self) -> str:
        return f"{type(self).__name__.lower()}({described_fields(self)})"


class Between(Schedule, register=False):
    """From start to end."""

    start: FixedNumber
    end: FixedNumber


class Linear(Between, name="linear"):
    """start + (end − start) · t."""

    def __call__(self, t: float) -> float:
        return self.start + (self.end - self.start) * t


class Cosine(Between, name="cosine"):
    """end + (start − end) · (1 + cos πt) / 2: slow at both ends."""

    def __call__(self, t: float) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * t)) / 2


class Exponential(Between, name="exponential"):
    """start · (end / start)^t: by the same factor at each step.

    Raises:
        ValueError: start and end are not both above or both below 0.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start * self.end > 0:
            raise ValueError(
                "exponential: start and end must both be above 0, or both below, "
                f"got {self.start!r} and {self.end!r}"
            )

    def __call__(self, t: float) -> float:
        return self.start * (self.end / self.start) ** t


class Step(Schedule, name="step"):
    """Each of the values for an equal part of the time.

    Raises:
        ValueError: there are no values, or one is not a finite number.
    """

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        finite = (isinstance(each, (int, float)) and is_finite(each) for each in self.values)
        if not self.values or not all(finite):
            raise ValueError(f"step: values must be a tuple of finite numbers, got {self.values!r}")

    def __call__(self, t: float) -> float:
        return self.values[min(int(t * len(self.values)), len(self.values) - 1)]


schedules = Schedule.registry


def as_schedule(given: Schedule | str) -> Schedule:
    """A schedule as it is, or the one that a text such as `cosine(1.0, 0.05)` stands for."""
    if isinstance(given, Schedule):
        return given
    if not isinstance(given, str):
        raise TypeError(f"a schedule must be a Schedule or the text of one, got {given!r}")
    return read_call(given, schedules, "a schedule, such as cosine(1.0, 0.05)")


class Anneal:
    """Moves numbers of a model's pairs along schedules, over a number of steps or epochs.

    The numbers become buffers of the pairs: they are saved and restored with the model, and code
    that is compiled takes them as inputs, so a step does not compile it anew. Attach it before a
    checkpoint is loaded.

    Args:
        model: a pair, or a module with pairs in it.
        schedules: path of a number within a pair (`function.step`, `derivative.width`,
            `derivative.left.factor`) → its schedule, or the text of one: `linear(1.0, 0.05)`,
            `cosine(1.0, 0.05)`, `exponential(1.0, 0.05)`, `step((1.0, 0.3, 0.1))`. It is moved in
            every pair that has it.
        steps: the number of training steps, or of epochs if `step` is called after each epoch. The
            first one has the start of each schedule, the last one its end.

    Raises:
        TypeError: the model or the schedules are no such thing.
        ValueError: no pair has a number at a path, the number there is one that can't change, or
            a schedule passes through numbers that are not allowed there.

    >>> import surrogate
    >>> pair = surrogate.get("Heaviside() / Blurred(width=1)")
    >>> anneal = surrogate.Anneal(pair, {"derivative.width": "linear(1.0, 0.5)"}, steps=3)
    >>> for step in range(3):
    ...     print(pair)
    ...     anneal.step()
    Heaviside() / Blurred(width=1.0)
    Heaviside() / Blurred(width=0.75)
    Heaviside() / Blurred(width=0.5)
    """

    def __init__(
        self, model: nn.Module, schedules: Mapping[str, Schedule | str], steps: int
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"Anneal: model must be a torch.nn.Module, got {name_of(model)}")
        if not isinstance(schedules, Mapping):
            raise TypeError(
                "Anneal: schedules must map paths to schedules, such as "
                f"{{'derivative.width': 'linear(1.0, 0.1)'}}, got {schedules!r}"
            )
        self.steps: int = Limits(integer=True, least=1).check("Anneal", "steps", steps)
        self.schedules = {path: as_schedule(given) for path, given in schedules.items()}
        if not self.schedules:
            raise ValueError("Anneal: schedules must name at least one path, got none")
        pairs = list(named_pairs(model).values())
        known = sorted({path for pair in pairs for path in number_paths(pair)})
        having = {p: [pair for pair in pairs if p in number_paths(pair)] for p in self.schedules}
        for path, schedule in self.schedules.items():
            if not having[path]:
                there_are = f" (there are: {', '.join(known) or 'none'})"
                hint = did_you_mean(path, known) or there_are
                raise ValueError(f"Anneal: no pair has a number at {path!r}{hint}")
            for pair in having[path]:
                _require_allowed(pair, path, schedule)
        self._moved = {path: [_annealed(pair, path) for pair in having[path]] for path in having}
        self.move_to(0)

    def step(self) -> None:
        """To be called after each step; after the last one the numbers stay."""
        self.move_to(self.done + 1)

    def move_to(self, done: int) -> None:
        """The numbers as they are after so many steps."""
        self.done = done
        for path, value in self.values().items():
            for number in self._moved[path]:
                number.value.fill_(value)

    def values(self) -> dict[str, float]:
        """The numbers as they are now, by path."""
        progress = min(self.done / max(self.steps - 1, 1), 1.0)
        return {path: schedule(progress) for path, schedule in self.schedules.items()}

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state_dict: Mapping[str, int]) -> None:
        self.move_to(state_dict["done"])


def number_paths(pair: SurrogateActivation) -> list[str]:
    """Where a pair has numbers: `function.step`, `derivative.left.width`, …"""
    return [
        ".".join(path)
        for side in ("function", "derivative")
        for path, part in walk(getattr(pair, side), side)
        if isinstance(part, (int, float, Varying)) and not isinstance(part, bool)
    ]


def _require_allowed(pair: SurrogateActivation, path: str, schedule: Schedule) -> None:
    """Raise unless the number at the path may vary, and take what the schedule passes through."""
    try:
        _changed(pair, path, Annealed(schedule(0)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"Anneal: {path} can't change while training: {error}") from error
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        try:
            _changed(pair, path, schedule(t))
        except (TypeError, ValueError) as error:
            raise ValueError(f"Anneal: {path}: {schedule!r} is out of range: {error}") from error


def _annealed(pair: SurrogateActivation, path: str) -> Annealed:
    """The number at the path as one that can be moved."""
    part: Any = attrgetter(path)(pair)
    if isinstance(part, Annealed):
        return part
    number = Annealed(part)
    pair.assemble(**_changed(pair, path, number))
    return number


def _changed(pair: SurrogateActivation, path: str, number: Any) -> dict[str, Any]:
    """Function and derivative of the pair with another number at the path."""
    changed = number
    while "." in path:
        path, _, name = path.rpartition(".")
        changed = dataclasses.replace(attrgetter(path)(pair), **{name: changed})
    return {"function": pair.function, "derivative": pair.derivative, path: changed}
