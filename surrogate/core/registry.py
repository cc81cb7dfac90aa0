"""Names to things: the one kind of table in which functions, derivatives and pairs are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from surrogate.core.messages import did_you_mean

Entry = TypeVar("Entry", bound=Callable[..., object])


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Classes or factories by name; a name is given once and a lookup that fails says what is near.

    Args:
        kind: what the entries are, for error messages ("function", "derivative", "activation").
        dotted: whether names are of the form "package.name".
    """

    def __init__(self, kind: str, dotted: bool = False) -> None:
        self.kind = kind
        self.dotted = dotted
        self._entries: dict[str, Entry] = {}

    def register(self, entry: Entry, name: str | None = None) -> Entry:
        """Add an entry under its own or the given name; usable as a decorator.

        A class that is defined anew, as by a notebook cell that runs twice, takes its own place.
        """
        if not callable(entry):
            raise TypeError(
                f"register takes the {self.kind} itself, got {entry!r}; "
                "another name comes second: register(entry, name)"
            )
        name = name or entry.__name__
        parts = name.split(".") if self.dotted else [name]
        if not all(part.isidentifier() for part in parts):
            raise ValueError(f"{self.kind} name {name!r} must be a Python identifier")
        if name in self._entries and not _is_new_version(entry, self._entries[name]):
            raise ValueError(f"{self.kind} {name!r} is registered already")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise ValueError(f"unknown {self.kind} {name!r}{did_you_mean(name, self)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries  # for a name that is not known, __getitem__ looks for others

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _is_new_version(entry: object, known: object) -> bool:
    """Whether a class is defined where another one of its name was."""
    return (
        isinstance(entry, type)
        and isinstance(known, type)
        and (entry.__module__, entry.__qualname__) == (known.__module__, known.__qualname__)
    )
