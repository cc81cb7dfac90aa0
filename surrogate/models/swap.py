"""Pairs inside other people's models: activations are replaced by type or name, and put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from textwrap import indent
from typing import Any, Self

import torch
from torch import nn

from surrogate.core.messages import aligned, counted
from surrogate.models.functional_calls import FunctionalCall
from surrogate.models.layer import Activation, maker
from surrogate.models.swap_targets import (
    Key,
    Site,
    claims_of,
    left_alone,
    require_swappable,
    shown,
    sites_of,
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
    require_swappable(model, replacements)
    makers = {
        key: maker(value, f"replacements[{shown(key)}]") for key, value in replacements.items()
    }
    sites = sites_of(model)
    claims = claims_of(sites, replacements, model)
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
    calls = left_alone(model, sites, {name for site in claims for name in site.names})
    return Swap(model, replaced, calls, [*changes, *_fused_paths_off(model, changes)])


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
        self._beside = [_Beside.of(change.owner, change.was, model) for change in changes]
        self._undone = False
        with ExitStack() as undone_by_an_error:
            for change in changes:
                change.do()
                undone_by_an_error.callback(change.undo)
            undone_by_an_error.pop_all()

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
        for change, beside in zip(self._changes, self._beside, strict=True):
            if isinstance(change.was, nn.Module):
                change.was.train(change.now.training)
                if beside is not None:
                    beside.follow(change.was)
            change.undo()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._undone:
            self.undo()

    def __repr__(self) -> str:
        rows = [
            (" = ".join(each.names), _one_line(each.was), "→", _one_line(each.now))
            for each in self.replaced
        ]
        lines = [f"{counted(len(rows), 'activation')} replaced", indent(aligned(rows), "  ")]
        if self.left_alone:
            lines.append(f"{counted(len(self.left_alone), 'functional call')} left alone")
            lines += [f"  {call}" for call in self.left_alone]
        return "\n".join(lines)


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
class _Beside:
    """A parameter near a change, after which the old module follows the model."""

    holder: nn.Module
    name: str
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def of(cls, owner: nn.Module, module: object, model: nn.Module) -> _Beside | None:
        """The nearest parameter of a model that is not the module's own."""
        own = set(module.modules()) if isinstance(module, nn.Module) else set()
        for holder in chain(owner.modules(), model.modules()):
            for name, parameter in holder._parameters.items():
                if holder not in own and parameter is not None and parameter.is_floating_point():
                    return cls(holder, name, parameter.device, parameter.dtype)
        return None

    def follow(self, module: nn.Module) -> None:
        """Take a module to where the parameter has gone since; nowhere if it has not moved."""
        parameter = self.holder._parameters.get(self.name)
        if parameter is not None and parameter.device != self.device:
            module.to(parameter.device)
        if parameter is not None and parameter.dtype != self.dtype:
            module.to(parameter.dtype)


def _fitted(new: nn.Module, site: Site, model: nn.Module) -> nn.Module:
    """A replacement in the training mode, on the device and of the dtype of what it replaces."""
    new.train(site.module.training)
    own = chain(site.module.parameters(), site.module.buffers())
    like = next((tensor for tensor in own if tensor.is_floating_point()), None)
    if like is None:
        like = _Beside.of(site.owner, site.module, model)
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


def _one_line(module: nn.Module) -> str:
    text = repr(module)
    return text if "\n" not in text else f"{type(module).__name__}(…)"
