"""Pairs inside other people's models: activations are replaced by type or name, and put back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate, chain
from typing import Any, Self, cast

import torch
from torch import nn
from torch.nn.modules import activation

from surrogate.activation import SurrogateActivation
from surrogate.calls import FunctionalCall, functional_calls
from surrogate.describe import did_you_mean, name_of
from surrogate.factory import Activation, maker

Key = type[nn.Module] | str

NOT_ELEMENTWISE = {"GLU", "MultiheadAttention", "Softmin", "Softmax", "Softmax2d", "LogSoftmax"}
ACTIVATIONS: tuple[type[nn.Module], ...] = (
    SurrogateActivation,
    *(getattr(activation, name) for name in activation.__all__ if name not in NOT_ELEMENTWISE),
)


def swap(model: nn.Module, replacements: Mapping[Key, Activation]) -> Swap:
    """Replace activations of a model, in place.

    A type claims the modules of that type, subclasses included; of two types the one that is
    nearer to the module's own wins. A text is a pattern of names as in `model.named_modules()`
    ("layer4.*", where * stands for dots, too) and claims the activations among them: PyTorch's
    elementwise ones, pairs, and the types that are keys. A name without * ? [ claims any module
    that has neither parameters nor parts. A name wins over a type.

    A module that stands in several places gets one replacement in all of them that the same key
    claims. Training mode, device and dtype are taken over; hooks stay with the module that they
    are on. A pair never writes over its input: code that drops the result of an in-place activation
    loses it. The fused path of `nn.TransformerEncoderLayer`, which knows ReLU and GELU only, is
    switched off where its activation is replaced.

    Args:
        model: the model, of which parts are replaced.
        replacements: from types or names to what takes their place: the text of a pair, a module
            (each place gets a copy), or a callable that makes a module.

    Returns:
        What was replaced, and which functional calls were left alone. Its `undo()` takes it back,
        and so does the end of a `with` block.

    Raises:
        TypeError: the model, a key or a replacement is no such thing.
        ValueError: a key has no effect, two patterns claim one layer, a text can't be read. The
            model is then as it was, as it is after any error.

    >>> import surrogate
    >>> from torch import nn
    >>> net = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU())
    >>> with surrogate.swap(net, {nn.ReLU: "relu_blurred", "3": "cantor2"}) as swapped:
    ...     print(swapped)
    2 activations replaced
      1  ReLU()  →  ReLU() / Blurred(width=0.5)
      3  ReLU()  →  Cantor() / Constant()
    >>> net[1]
    ReLU()
    """
    _require(model, replacements)
    makers = {
        key: maker(value, f"replacements[{_shown(key)}]") for key, value in replacements.items()
    }
    sites = _sites(model)
    claims = _claims(sites, replacements, model)
    made: dict[tuple[nn.Module, Key], nn.Module] = {}
    changes: list[_Change] = []
    for site, key in claims.items():
        if (site.module, key) not in made:
            made[site.module, key] = _fitted(makers[key](), site, model)
        changes.append(_Change(site.owner, site.attribute, site.module, made[site.module, key]))
    replaced = tuple(
        Replacement(site.names, change.was, change.now)
        for site, change in zip(claims, changes, strict=True)
    )
    left_alone = _left_alone(model, sites, {name for site in claims for name in site.names})
    return Swap(model, replaced, left_alone, [*changes, *_fused_paths_off(model, changes)])


@dataclass(frozen=True)
class Replacement:
    """A place in the model, by all its names, and the modules that were and are there."""

    names: tuple[str, ...]
    was: nn.Module
    now: nn.Module


class Swap:
    """What `swap` did; prints as a table, is undone once, by `undo()` or the end of a `with` block.

    Attributes:
        replaced: the places at which an activation was replaced.
        left_alone: the activations that the model calls as functions.
    """

    def __init__(
        self,
        model: nn.Module,
        replaced: tuple[Replacement, ...],
        left_alone: tuple[FunctionalCall, ...],
        changes: Sequence[_Change],
    ) -> None:
        self.replaced = replaced
        self.left_alone = left_alone
        self._changes = changes
        self._surroundings = [_Surroundings.of(change, model) for change in changes]
        self._undone = False
        done: list[_Change] = []
        try:
            for change in changes:
                change.do()
                done.append(change)
        except BaseException:
            for change in reversed(done):
                change.undo()
            raise

    def undo(self) -> None:
        """Put the old modules back, in the training mode and on the device of today.

        Raises:
            RuntimeError: it was undone before, or a place holds something else by now (another
                swap, which is to be undone first); nothing is changed then.
        """
        if self._undone:
            raise RuntimeError("this swap was undone before")
        for replacement, change in zip(self.replaced, self._changes, strict=False):
            if getattr(change.owner, change.attribute, None) is not change.now:
                raise RuntimeError(
                    f"{replacement.names[0]!r} is no longer the module that this swap put there: "
                    "undo what came after it first"
                )
        self._undone = True
        for change, surroundings in zip(self._changes, self._surroundings, strict=True):
            surroundings.follow(change)
            change.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._undone:
            self.undo()

    def __repr__(self) -> str:
        rows = [
            (" = ".join(each.names), _one_line(each.was), _one_line(each.now))
            for each in self.replaced
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [f"{_counted(len(rows), 'activation')} replaced"]
        lines += [f"  {n:<{widths[0]}}  {was:<{widths[1]}}  →  {now}" for n, was, now in rows]
        if self.left_alone:
            lines.append(f"{_counted(len(self.left_alone), 'functional call')} left alone")
            lines += [f"  {call}" for call in self.left_alone]
        return "\n".join(lines)

    __str__ = __repr__


@dataclass(frozen=True, eq=False)
class _Site:
    """A place that holds a module, with every name that leads to it."""

    owner: nn.Module
    attribute: str
    module: nn.Module
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Change:
    """An attribute that gets another value."""

    owner: nn.Module
    attribute: str
    was: Any
    now: Any

    def do(self) -> None:
        setattr(self.owner, self.attribute, self.now)

    def undo(self) -> None:
        setattr(self.owner, self.attribute, self.was)


@dataclass(frozen=True)
class _Surroundings:
    """A parameter beside a change and where it was, by which the old module follows the model."""

    beside: nn.Parameter | None
    device: torch.device | None = None
    dtype: torch.dtype | None = None

    @classmethod
    def of(cls, change: _Change, model: nn.Module) -> _Surroundings:
        beside = _beside(change.owner, change.was, model)
        return cls(None) if beside is None else cls(beside, beside.device, beside.dtype)

    def follow(self, change: _Change) -> None:
        """Take the old module to where the model has gone since."""
        if not isinstance(change.was, nn.Module):
            return
        change.was.train(change.now.training)
        if self.beside is not None and self.beside.device != self.device:
            change.was.to(self.beside.device)
        if self.beside is not None and self.beside.dtype != self.dtype:
            change.was.to(self.beside.dtype)


def _beside(owner: nn.Module, module: object, model: nn.Module) -> nn.Parameter | None:
    """The nearest parameter that is not the module's own."""
    own = {id(p) for p in module.parameters()} if isinstance(module, nn.Module) else set()
    nearest_first = chain(owner.parameters(), model.parameters())
    return next((p for p in nearest_first if id(p) not in own), None)


def _fitted(new: nn.Module, site: _Site, model: nn.Module) -> nn.Module:
    """A replacement in the training mode, on the device and of the dtype of what it replaces."""
    new.train(site.module.training)
    own = next(chain(site.module.parameters(), site.module.buffers()), None)
    like = _beside(site.owner, site.module, model) if own is None else own
    return new if like is None else new.to(like.device, like.dtype)


def _fused_paths_off(model: nn.Module, changes: Sequence[_Change]) -> Iterator[_Change]:
    """PyTorch's encoder has kernels with ReLU and GELU built in, which would pass pairs by."""
    layers = {
        change.owner
        for change in changes
        if isinstance(change.owner, nn.TransformerEncoderLayer) and change.attribute == "activation"
    }
    for layer in layers:
        yield _Change(layer, "activation_relu_or_gelu", layer.activation_relu_or_gelu, 0)
    for encoder in model.modules():
        if isinstance(encoder, nn.TransformerEncoder) and not layers.isdisjoint(encoder.modules()):
            yield _Change(encoder, "use_nested_tensor", encoder.use_nested_tensor, False)


def _require(model: object, replacements: object) -> None:
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


def _sites(model: nn.Module) -> list[_Site]:
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
        _Site(owner, attribute, module, tuple(found))
        for (owner, attribute), found in names.items()
        if (module := owner._modules[attribute]) is not None
    ]


def _claims(
    sites: Sequence[_Site], replacements: Mapping[Key, Activation], model: nn.Module
) -> dict[_Site, Key]:
    """Which key each claimed place goes to; every key has at least one."""
    types = tuple(key for key in replacements if isinstance(key, type))
    patterns = [key for key in replacements if isinstance(key, str)]
    claims: dict[_Site, list[Key]] = {}
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
            raise ValueError(f"{_shown(key)} replaces nothing: {reason}")
    return {site: keys[0] for site, keys in claims.items()}


def _is_named(site: _Site, pattern: str, types: tuple[type, ...]) -> bool:
    if isinstance(site.module, (*ACTIVATIONS, *types)):
        return any(fnmatchcase(name, pattern) for name in site.names)
    module = site.module
    parts = chain(module.parameters(), module.buffers(), module.children())
    return pattern in site.names and next(parts, None) is None


def _within(name: str, places: set[str]) -> bool:
    """Whether a name is one of the places, or leads into one."""
    return any(part in places for part in accumulate(name.split("."), "{}.{}".format))


def _why_nothing(key: Key, sites: Sequence[_Site], types: tuple[type, ...]) -> str:
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
        return (
            f"{others[0].names[0]!r} is {name_of(type(others[0].module))}, which is not known as "
            "an activation"
        )
    branches = {f"{parent}.*" for name in names for parent in _parents(name)}
    return f"no activation has such a name{did_you_mean(key, [*branches, *names])}"


def _left_alone(
    model: nn.Module, sites: Sequence[_Site], replaced: set[str]
) -> tuple[FunctionalCall, ...]:
    """The functional calls of everything that stays, activations apart."""
    named = chain([("", model)], ((site.names[0], site.module) for site in sites))
    return functional_calls(
        (name, module)
        for name, module in named
        if not isinstance(module, ACTIVATIONS) and not _within(name, replaced)
    )


def _in_functions(model: nn.Module, sites: Sequence[_Site]) -> str:
    """What an error adds where the activation that was meant may be a function."""
    calls = _left_alone(model, sites, set())
    if not calls:
        return ""
    listed = "".join(f"\n  {call}" for call in calls[:5])
    return f"\n{_counted(len(calls), 'activation')} called as a function can't be replaced:{listed}"


def _parents(name: str) -> list[str]:
    return list(accumulate(name.split(".")[:-1], "{}.{}".format))


def _shown(key: Key) -> str:
    return key.__name__ if isinstance(key, type) else repr(key)


def _one_line(module: nn.Module) -> str:
    text = repr(module)
    return text if "\n" not in text else f"{type(module).__name__}(…)"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
