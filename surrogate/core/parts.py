"""What functions, derivatives, kernels and drawn numbers are: small frozen objects, made of others.

A part declares itself. Its class has a docstring, its numbers with what is allowed of them, and its
formulas; from these follow construction, checks, equality, text, registration, and everything that
walks over the parts of a pair.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar, dataclass_transform, get_type_hints

from torch import Tensor, nn

from surrogate.core import numbers
from surrogate.core.messages import name_of
from surrogate.core.numbers import Allowed, Varying, allowed_by

DEEPEST = 100  # levels of parts within parts, which a text form can have too
LARGEST = 2000  # parts in one part

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True)
class Part(ABC):  # noqa: B024 (its kinds have abstract methods)
    """A frozen dataclass whose arguments are checked against their annotations.

    A subclass is registered under its own or the given name, so that texts can name it, unless its
    name begins with an underscore or it is declared with `register=False`.

    Raises:
        TypeError, ValueError: an argument is not what its annotation allows, or the part would be
            nested too deeply.
    """

    registry: ClassVar[Any] = None
    arguments: ClassVar[tuple[str, ...]] = ()  # the names of its fields
    checks: ClassVar[Mapping[str, Allowed]] = {}  # the conditions that they must meet
    one_of: ClassVar[tuple[str, ...]] = ()  # arguments of which one, at least, must not be None

    def __init_subclass__(cls, register: bool = True, name: str | None = None) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True, repr=False)(cls)
        fields: Any = dataclasses.fields(cls)  # type: ignore[arg-type]
        cls.arguments = tuple(field.name for field in fields)
        cls.checks = checks_of(cls)  # here, as torch.compile may trace the making of a part
        if register and cls.registry is not None and not cls.__name__.startswith("_"):
            cls.registry.register(cls, name)

    def __post_init__(self) -> None:
        for name, allowed in self.checks.items():
            given = getattr(self, name)
            checked = allowed.check(self, name, given)
            if checked is not given:
                self.keep(**{name: checked})
        if self.one_of and all(getattr(self, name) is None for name in self.one_of):
            names = " or ".join(self.one_of)
            raise ValueError(f"{type(self).__name__}: {names} must be given, got None for both")
        inner = [part for _, part in children(self) if isinstance(part, Part)]
        depth = 1 + max((part._depth for part in inner), default=0)
        size = 1 + sum(part._size for part in inner)
        if depth > DEEPEST or size > LARGEST:
            raise ValueError(
                f"{type(self).__name__}: parts can be nested {DEEPEST} deep and have {LARGEST} "
                f"parts in all, this would be {depth} deep with {size} parts"
            )
        self.keep(_depth=depth, _size=size)
        self.decide()

    _depth: ClassVar[int] = 1
    _size: ClassVar[int] = 1
    _facts: ClassVar[tuple[str, ...]] = ()  # the names of what is kept

    def decide(self) -> None:  # noqa: B027 (most parts have nothing to decide)
        """Decide, with `keep`, what follows from the arguments and does not depend on numbers."""

    def keep(self, **facts: Any) -> None:
        """Keep facts as attributes of an object that is otherwise frozen."""
        for name, fact in {**facts, "_facts": (*self._facts, *facts)}.items():
            object.__setattr__(self, name, fact)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({described_fields(self)})"


def checks_of(kind: type[Part]) -> Mapping[str, Allowed]:
    """The conditions that the arguments of a part must meet, by name."""
    found = {name: allowed_by(hint) for name, hint in _hints(kind).items()}
    checks = ((name, found.get(name)) for name in kind.arguments)
    return {name: allowed for name, allowed in checks if allowed is not None}


def _hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind, include_extras=True)
    except NameError:  # names of a function's scope: those that stand for numbers are known
        scope = {**vars(numbers), **vars(sys.modules.get(kind.__module__, types))}
        found = {}
        for base in reversed(kind.__mro__):
            for name, hint in vars(base).get("__annotations__", {}).items():
                try:
                    found[name] = eval(hint, scope) if isinstance(hint, str) else hint
                except NameError:
                    found[name] = Any
        return found


def children(part: object) -> Iterator[tuple[str, Any]]:
    """The arguments of a part by name; nothing for anything else."""
    if isinstance(part, Part):
        for name in part.arguments:
            yield name, getattr(part, name)


def walk(part: object, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A part and everything in it, each with the path of names that leads to it."""
    yield path, part
    for name, inner in children(part):
        yield from walk(inner, *path, name)


def rebuilt(part: Made, change: Callable[[Any], Any]) -> Made:
    """The part with `change` made to everything in it that is no part, or that varies.

    Nothing is checked, so that tensors may take the place of numbers. What has no change in it
    stays the object that it is.
    """
    if isinstance(part, Varying) or not isinstance(part, Part):
        return change(part)
    given = [getattr(part, name) for name in part.arguments]
    changed = [rebuilt(each, change) for each in given]
    if all(new is old for new, old in zip(changed, given, strict=True)):
        return part
    copy = object.__new__(type(part))  # torch.compile can't follow copy.copy in older versions
    for name in (*part._facts, "_facts"):
        object.__setattr__(copy, name, getattr(part, name))
    for name, value in zip(part.arguments, changed, strict=True):
        object.__setattr__(copy, name, value)
    return copy


def varying_numbers(*parts: object) -> tuple[Varying, ...]:
    """The different varying numbers in some parts, in the order of their paths."""
    found = (each for part in parts for _, each in walk(part) if isinstance(each, Varying))
    return tuple(dict.fromkeys(found))


def with_tensors(part: Made, tensors: Mapping[Varying, Tensor]) -> Made:
    """The part with tensors in place of its varying numbers."""
    change = lambda value: tensors.get(value, value) if isinstance(value, Varying) else value
    return rebuilt(part, change) if tensors else part


def is_ours(part: object) -> bool:
    """Whether all code in a part is this package's: what a user's callables and classes capture
    may change, and nothing is known of it."""
    return all(
        type(each).__module__.startswith("surrogate.")
        for _, each in walk(part)
        if isinstance(each, Part) or callable(each)
    )


def modules_in(**parts: object) -> dict[str, nn.Module]:
    """The modules in some parts by their path, joined by underscores.

    Each has one name only: torch.func.functional_call spoils a module that has two.
    """
    names: dict[nn.Module, str] = {}
    for name, part in parts.items():
        for path, each in walk(part, name):
            if isinstance(each, nn.Module):
                names.setdefault(each, "_".join(path))
    return {name: module for module, name in names.items()}


def described_fields(part: Any, leave_out: str = "") -> str:
    """`depth=5, extend='clamp'`: the arguments that differ from their default."""
    given = ((field, getattr(part, field.name)) for field in dataclasses.fields(part))
    return ", ".join(
        f"{field.name}={text_of(value)}"
        for field, value in given
        if field.name != leave_out and not _same(value, field.default)
    )


def _same(value: object, default: object) -> bool:
    return value is default or (type(value) is not Tensor and bool(value == default))


def text_of(part: object) -> str:
    """A part as text; what `surrogate.get` can't read stands in angle brackets.

    >>> text_of(lambda x: x), text_of(nn.PReLU())
    ('<lambda>', '<PReLU(num_parameters=1)>')
    """
    if isinstance(part, (Part, Varying)) or not callable(part):
        return repr(part)
    name = name_of(part)
    return name if name.startswith("<") else f"<{name}>"
