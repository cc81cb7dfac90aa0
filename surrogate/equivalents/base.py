"""How names of other packages are registered, and how their parameters are checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ClassVar, get_type_hints

from surrogate.core.messages import did_you_mean
from surrogate.core.numbers import allowed_by
from surrogate.core.registry import Registry
from surrogate.pair import SurrogateActivation

Entry = Callable[..., SurrogateActivation]

equivalents: Registry[Entry] = Registry("equivalent", dotted=True)
packages: dict[str, Package] = {}


class Package:
    """A package whose names are registered: a subclass, each method of which is one of the names.

    A method takes the parameters of the package and returns a pair, or a derivative of which `pair`
    makes one. Its docstring says what the function is and what it "Reports"; the docstring of the
    class, what the names have in common and what they were compared with.

    Attributes:
        name: the first part of the names; that of the class, in lower case, if it is not given.
        about: the docstring of the class.
        distribution: what is installed where they are compared by tests; None if by hand.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    distribution: ClassVar[str | None]

    def __init_subclass__(cls, name: str | None = None, distribution: str | None = None) -> None:
        cls.name, cls.distribution = name or cls.__name__.lower(), distribution
        cls.about = " ".join((cls.__doc__ or "").split())
        packages[cls.name] = package = cls()
        for each, function in vars(cls).items():
            if isinstance(function, FunctionType) and not hasattr(Package, each):
                equivalents.register(package.entry(getattr(package, each)), f"{cls.name}.{each}")

    def pair(self, made: Any) -> SurrogateActivation:
        """The pair of what a method returned; further parameters are those of every name."""
        return made

    def entry(self, method: Callable[..., Any]) -> Entry:
        """A method with `pair` after it: a function of the parameters of both, by name."""
        own, shared = (
            dict(inspect.signature(each, eval_str=True).parameters) for each in (method, self.pair)
        )
        del shared[next(iter(shared))]  # what the method returned

        def entry(**given: Any) -> SurrogateActivation:
            made = method(**{n: each for n, each in given.items() if n in own or n not in shared})
            if isinstance(made, SurrogateActivation):
                return made
            return self.pair(made, **{n: each for n, each in given.items() if n in shared})

        by_name = inspect.Parameter.KEYWORD_ONLY
        parameters = [
            each if each.kind is each.VAR_KEYWORD else each.replace(kind=by_name)
            for each in (own | shared).values()
        ]
        entry.__name__, entry.__doc__ = method.__name__, method.__doc__
        entry.__annotations__ = {each.name: each.annotation for each in parameters}
        entry.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            sorted(parameters, key=lambda each: each.kind), return_annotation=SurrogateActivation
        )
        return entry


def names() -> list[str]:
    """The names that `equivalent` knows, in the order in which they were registered."""
    return list(equivalents)


def equivalent(name: str, /, **parameters: Any) -> SurrogateActivation:
    """The pair that another package offers under a name: its function and its derivative.

    Where a package's code and its document differ, it is what the document says;
    `help(surrogate.equivalents.entry(name))` tells, as does docs/equivalents.md.

    Args:
        name: "package.name", one of `surrogate.equivalents.names()`.
        parameters: those of the package, with its defaults.

    Raises:
        ValueError: no such name, or a parameter that is out of range.
        TypeError: no such parameter, or one that is missing or of a wrong type.

    >>> import surrogate
    >>> surrogate.equivalent("snntorch.fast_sigmoid", slope=10)
    Heaviside(at_zero=0.0) / FastSigmoid(width=0.1)
    >>> surrogate.equivalent("compressai.LowerBound", bound=0.5)
    Clamp(low=0.5, high=None) / Towards(low=0.5)
    """
    entry = equivalents[name]
    known = dict(inspect.signature(entry).parameters)
    takes_others = any(p.kind is p.VAR_KEYWORD for p in known.values())
    known = {key: p for key, p in known.items() if p.kind is not p.VAR_KEYWORD}
    if not takes_others:
        require_known(name, parameters, list(known))
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in parameters:
            raise TypeError(f"{name} needs the parameter {key!r}")
    require_types(name, entry, parameters)
    return entry(**parameters)


def entry(name: str) -> Entry:
    """The function behind a name: its signature and docstring say what it takes and reports."""
    return equivalents[name]


def require_known(name: str, parameters: Mapping[str, Any], known: list[str]) -> None:
    """Raise TypeError for a parameter that is not among the known ones."""
    for parameter in parameters:
        if parameter not in known:
            raise TypeError(
                f"{name} has no parameter {parameter!r}{did_you_mean(parameter, known)}"
                f" (it takes: {', '.join(known) or 'none'})"
            )


def require_types(name: str, entry: Callable[..., object], parameters: Mapping[str, Any]) -> None:
    """Raise an error that names the parameter unless each is what its annotation allows."""
    for parameter, hint in get_type_hints(entry, include_extras=True).items():
        allowed = allowed_by(hint)
        if parameter in parameters and allowed is not None:
            allowed.check(name, parameter, parameters[parameter])
