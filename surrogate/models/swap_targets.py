"""Which place of a model goes to which key of `swap`: by type, or by a pattern of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate, chain
from typing import cast

from torch import nn
from torch.nn.modules import activation

from surrogate.core.messages import counted, did_you_mean, name_of
from surrogate.models.functional_calls import FunctionalCall, functional_calls
from surrogate.models.layer import Activation
from surrogate.pair import SurrogateActivation

Key = type[nn.Module] | str

NOT_ELEMENTWISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax", "Softmax2d", "LogSoftmax"}
ACTIVATIONS: tuple[type[nn.Module], ...] = (
    SurrogateActivation,
    *(getattr(activation, name) for name in activation.__all__ if name not in NOT_ELEMENTWISE),
)


@dataclass(frozen=True, eq=False)
class Site:
    """A place that holds a module, with every name that leads to it."""

    owner: nn.Module
    attribute: str
    module: nn.Module
    names: tuple[str, ...]


def require_swappable(model: object, replacements: object) -> None:
    """Raise unless these are a model and a mapping that could claim something in it."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {name_of(model)}")
    if not isinstance(replacements, Mapping):
        raise TypeError(
            f"replacements must map types or names to activations, got {name_of(replacements)}"
        )
    if not replacements:
        raise ValueError("replacements is empty: nothing would be replaced")
    for key in replacements:
        is_type = isinstance(key, type) and issubclass(key, nn.Module)
        if not is_type and not isinstance(key, str):
            raise TypeError(
                "a key of replacements must be a subclass of torch.nn.Module or a pattern of "
                f"names, got {name_of(key)}"
            )
    types = [key for key in replacements if isinstance(key, type)]
    if isinstance(model, (*ACTIVATIONS, *types)):
        raise ValueError(
            f"the model itself is {name_of(type(model))}, which can't be replaced in place: only "
            "its parts can"
        )


def sites_of(model: nn.Module) -> list[Site]:
    """Every place of the model, those within a pair apart."""
    names: dict[tuple[nn.Module, str], list[str]] = {}

    def visit(owner: nn.Module, prefix: str) -> None:
        for attribute, module in owner._modules.items():
            if module is not None:
                names.setdefault((owner, attribute), []).append(prefix + attribute)
                if not isinstance(module, SurrogateActivation):
                    visit(module, f"{prefix}{attribute}.")

    visit(model, "")
    return [
        Site(owner, attribute, module, tuple(found))
        for (owner, attribute), found in names.items()
        if (module := owner._modules[attribute]) is not None
    ]


def claims_of(
    sites: Sequence[Site], replacements: Mapping[Key, Activation], model: nn.Module
) -> dict[Site, Key]:
    """Which key each claimed place goes to; every key has at least one."""
    types = tuple(key for key in replacements if isinstance(key, type))
    patterns = [key for key in replacements if isinstance(key, str)]
    claims: dict[Site, list[Key]] = {}
    for site in sites:
        named: list[Key] = [text for text in patterns if _is_named(site, text, types)]
        for other in named[1:]:
            if replacements[other] != replacements[named[0]]:
                raise ValueError(
                    f"{site.names[0]!r} is claimed by two patterns: {named[0]!r} and {other!r}"
                )
        nearest = next((kind for kind in type(site.module).__mro__ if kind in types), None)
        if named or nearest:
            claims[site] = named or [cast(Key, nearest)]
    places = {name for site in claims for name in site.names}
    claims = {  # what lies within a module that goes, goes with it
        site: keys
        for site, keys in claims.items()
        if not any(_within(name.rpartition(".")[0], places) for name in site.names)
    }
    for key in replacements:
        if not any(key in keys for keys in claims.values()):
            reason = _why_nothing(key, sites, types) + _in_functions(model, sites)
            raise ValueError(f"{shown(key)} replaces nothing: {reason}")
    return {site: keys[0] for site, keys in claims.items()}


def _is_named(site: Site, pattern: str, types: tuple[type, ...]) -> bool:
    if isinstance(site.module, (*ACTIVATIONS, *types)):
        return any(fnmatchcase(name, pattern) for name in site.names)
    module = site.module
    parts = chain(module.parameters(), module.buffers(), module.children())
    return pattern in site.names and next(parts, None) is None


def _within(name: str, places: set[str]) -> bool:
    """Whether a name is one of the places, or leads into one."""
    return any(part in places for part in accumulate(name.split("."), "{}.{}".format))


def _why_nothing(key: Key, sites: Sequence[Site], types: tuple[type, ...]) -> str:
    activations = [site for site in sites if isinstance(site.module, (*ACTIVATIONS, *types))]
    if not activations:
        return "the model has no modules that are activations"
    if isinstance(key, type):
        if any(isinstance(site.module, key) for site in activations):
            return "another key claims every such module"
        kinds = Counter(name_of(type(site.module)) for site in activations)
        listed = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        return f"the model's activations are: {listed}{did_you_mean(key.__name__, kinds)}"
    if key in {name_of(type(site.module)) for site in sites}:
        return "it is the name of a type; types are given as such, without quotes"
    names = [name for site in activations for name in site.names]
    others = [site for site in sites if any(fnmatchcase(name, key) for name in site.names)]
    if others:
        kind = name_of(type(others[0].module))
        return f"{others[0].names[0]!r} is {kind}, which is not known as an activation"
    branches = {f"{parent}.*" for name in names for parent in _parents(name)}
    return f"no activation has such a name{did_you_mean(key, [*branches, *names])}"


def left_alone(
    model: nn.Module, sites: Sequence[Site], replaced: set[str]
) -> tuple[FunctionalCall, ...]:
    """The functional calls of everything that stays, activations apart."""
    named = chain([("", model)], ((site.names[0], site.module) for site in sites))
    return functional_calls(
        (name, module)
        for name, module in named
        if not isinstance(module, ACTIVATIONS) and not _within(name, replaced)
    )


def _in_functions(model: nn.Module, sites: Sequence[Site]) -> str:
    """What an error adds where the activation that was meant may be a function."""
    calls = left_alone(model, sites, set())
    if not calls:
        return ""
    listed = "".join(f"\n  {call}" for call in calls[:5])
    return f"\n{counted(len(calls), 'activation')} called as a function can't be replaced:{listed}"


def _parents(name: str) -> list[str]:
    return list(accumulate(name.split(".")[:-1], "{}.{}".format))


def shown(key: Key) -> str:
    return key.__name__ if isinstance(key, type) else repr(key)
