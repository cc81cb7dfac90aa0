"""Things that make activations: what a caller may give, and what other packages take."""

from __future__ import annotations

import copy
import copyreg
import inspect
from collections.abc import Callable
from functools import partial

from torch import nn

from surrogate.core.messages import name_of
from surrogate.derivatives.base import DerivativeLike
from surrogate.functions.base import Elementwise
from surrogate.pair import SurrogateActivation
from surrogate.text import get

Activation = str | nn.Module | Callable[[], nn.Module]


def maker(given: Activation, name: str) -> Callable[[], nn.Module]:
    """What makes the activation that a text, a module (copied each time) or a callable stands for.

    Raises:
        TypeError: it is none of these; the message names the argument.
        ValueError: the text of a pair can't be read.
    """
    if isinstance(given, str):
        get(given)  # a text is found wrong at once
        return partial(get, given)
    if isinstance(given, nn.Module):
        return partial(copy.deepcopy, given)
    if not callable(given) or not _takes_no_arguments(given):
        raise TypeError(
            f"{name} must be the text of a pair, a module, or a callable without arguments that "
            f"makes a module, got {name_of(given)}"
        )

    def make() -> nn.Module:
        made = given()
        if not isinstance(made, nn.Module):
            raise TypeError(f"{name} must make a torch.nn.Module, it made {name_of(made)}")
        return made

    return make


def _takes_no_arguments(given: Callable[..., object]) -> bool:
    try:
        inspect.signature(given).bind()
    except TypeError:
        return False
    except ValueError:
        pass  # a built-in, which can't be looked at
    return True


class _Layer(type):
    """What `layer` returns: a type, since some packages ask for one, that makes plain pairs."""

    given: str | SurrogateActivation
    pair: SurrogateActivation

    def __call__(cls, inplace: bool = False) -> SurrogateActivation:  # type: ignore[override]
        del inplace
        return copy.deepcopy(cls.pair)

    def __repr__(cls) -> str:
        return f"surrogate.layer({cls.__name__!r})"


class Layer(SurrogateActivation, metaclass=_Layer):
    """The type of `layer`'s types; it has no instances, since calling it makes plain pairs."""


def layer(pair: str | SurrogateActivation) -> type[Layer]:
    """A factory of pairs, for arguments such as `act_layer=`, `activation_layer=`.

    It makes a new pair at each call. It takes and ignores `inplace`: a pair never writes over its
    input, whatever it is told. It is a type, as `nn.ReLU` is, for packages that insist on one.

    Args:
        pair: the text of a pair, as for `surrogate.get`, or a pair, of which each call makes a
            copy.

    Raises:
        TypeError: it is neither.
        ValueError: the text can't be read.

    >>> import surrogate
    >>> surrogate.layer("cantor2(depth=5)")
    surrogate.layer('cantor2(depth=5)')
    >>> surrogate.layer("cantor2(depth=5)")(inplace=True)
    Cantor(depth=5) / Constant()
    """
    if not isinstance(pair, (str, SurrogateActivation)):
        raise TypeError(f"layer takes the text of a pair or a pair, got {name_of(pair)}")
    given = pair if isinstance(pair, str) else copy.deepcopy(pair)
    prototype = get(given) if isinstance(given, str) else given
    return _Layer(str(given), (Layer,), {"given": given, "pair": prototype})


# A type is pickled by its name; this one has none that leads to it.
copyreg.pickle(_Layer, lambda made: (layer, (made.given,)))  # type: ignore[arg-type]


def with_derivative(derivative: DerivativeLike) -> Callable[[Elementwise], SurrogateActivation]:
    """Decorator: pair the function below it with a derivative.

    >>> import torch
    >>> import surrogate
    >>> @surrogate.with_derivative(lambda x: torch.exp(-x.abs()))
    ... def spike(x):
    ...     return (x > 0).to(x)
    >>> spike(torch.tensor([-2.0, 2.0])).tolist()
    [0.0, 1.0]
    """
    return lambda function: SurrogateActivation(function, derivative)
