"""A network from what is said of it: matrices, biases and activations as text, the rest random.

A0: [[1, 0.5], [-0.5, 1]]
b0: [0, 0]
A1: [["{alpha}", 1]]
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

import surrogate
from experiments.common.errors import UsageError
from experiments.common.files import LARGEST_YAML, FileError, plain_yaml, read_text
from experiments.pictures.atlas.network import Layer, Network, Parameter
from surrogate import SurrogateActivation
from surrogate.core.messages import did_you_mean

LETTERS = ("alpha", "beta", "gamma", "delta")


def assignments(texts: Sequence[str], option: str) -> dict[str, str]:
    """{"A0": "[[1, 2]]"} of ["A0=[[1, 2]]"].

    >>> assignments(["b0 = [1]", "alpha=2"], "--set")
    {'b0': '[1]', 'alpha': '2'}
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise UsageError(f"{option}: expected NAME=VALUE, got {text!r}")
        found[name.replace(" ", "")] = value.strip()
    return found


def make_network(
    acts: Sequence[str],
    given: Mapping[str, str],
    depth: int = 2,
    width: int = 4,
    seed: int = 0,
    coordinates: Sequence[float] = (),
) -> Network:
    """The network in which what is given has the given values, and the rest is random.

    Random are matrices, normal with the variance 2 / columns, and biases, standard normal.

    Args:
        acts: one activation for all layers, or one for each.
        given: by name, the text of a matrix (A0), bias (b0), single number (A0[0,1], b0[0]) or
            letter (alpha …), which stands for its number where another text has {alpha}.
        depth: how many layers, if what is given does not ask for more.
        width: units of each layer whose matrix is not given.
        seed: of what is random.
        coordinates: what the first layer is fed behind each point.
    """
    letters = {name: given[name] for name in LETTERS if name in given}
    for name, text in letters.items():
        _number(name, text)
    whole = {
        name: _array(name, filled(text, letters))
        for name, text in given.items()
        if re.fullmatch(r"[Ab]\d+", name)
    }
    single = {name: text for name, text in given.items() if "[" in name}
    for name in given:
        if name not in letters and name not in whole and name not in single:
            known = [*LETTERS, "A0", "b0", "A0[0,1]", "b0[0]"]
            raise UsageError(
                f"unknown name {name!r}{did_you_mean(name, known)} "
                f"(names are those such as {', '.join(known)})"
            )
    depth = max([depth, len(acts), *(int(name[1:]) + 1 for name in whole)])
    if len(acts) not in (1, depth):
        raise UsageError(f"--act: expected one activation, or {depth}, got {len(acts)}")
    pairs = [_pair(filled(act, letters)) for act in acts] * (depth if len(acts) == 1 else 1)
    random = torch.Generator().manual_seed(seed)
    layers, columns = [], 2 + len(coordinates)
    for index, act in enumerate(pairs):
        # Drawn in any case, so that what is given in the same shape changes nothing else.
        matrix = torch.randn(width, columns, generator=random, dtype=torch.float64)
        matrix = whole[f"A{index}"] if f"A{index}" in whole else matrix * math.sqrt(2 / columns)
        if matrix.dim() != 2 or matrix.shape[1] != columns:
            raise UsageError(
                f"A{index} must be rows of {columns} numbers each, as many as "
                f"{f'layer {index - 1} has units' if index else 'there are inputs'}, "
                f"got {matrix.tolist()}"
            )
        bias = torch.randn(len(matrix), generator=random, dtype=torch.float64)
        bias = whole.get(f"b{index}", bias)
        if bias.shape != (len(matrix),):
            raise UsageError(
                f"b{index} must be {len(matrix)} numbers, one for each row of A{index}, "
                f"got {bias.tolist()}"
            )
        layers.append(Layer(matrix, bias, act))
        columns = len(matrix)
    network = Network(tuple(layers), tuple(coordinates))
    for name, text in single.items():
        network = with_number(network, name, _number(name, filled(text, letters)))
    return network


def with_number(network: Network, name: str, value: float) -> Network:
    """The network with another value of a parameter, such as A0[0,1]."""
    try:
        parameter = Parameter.read(name)
        network.require_parameter(parameter)
    except ValueError as error:
        raise UsageError(str(error)) from error
    layer = network.layers[parameter.layer]
    matrix, bias = layer.matrix.clone(), layer.bias.clone()
    (matrix if parameter.name == "A" else bias)[parameter.place] = value
    layers = list(network.layers)
    layers[parameter.layer] = Layer(matrix, bias, layer.act)
    return Network(tuple(layers), network.coordinates)


def filled(text: str, letters: Mapping[str, str]) -> str:
    """The text with numbers for its letters.

    >>> filled("[[{alpha}, 1]]", {"alpha": "0.5"})
    '[[0.5, 1]]'
    """
    for letter in re.findall(r"\{(\w*)\}", text):
        if letter not in letters:
            raise UsageError(
                f"{{{letter}}} has no value{did_you_mean(letter, LETTERS)}: give it one by "
                f"--set {letter}=0.5"
            )
        text = text.replace(f"{{{letter}}}", letters[letter])
    return text


def read_config(path: str) -> dict[str, str]:
    """What a YAML file says of the network: text by name."""
    try:
        content = plain_yaml(read_text(Path(path), LARGEST_YAML))
    except (OSError, FileError) as error:
        raise UsageError(f"--config {path}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: expected lines such as A0: [[1, 2], [3, 4]]")
    # Letters are quoted in YAML, where braces mean something else.
    return {str(name): re.sub(r"['\"]", "", str(value)) for name, value in content.items()}


def _pair(text: str) -> SurrogateActivation:
    try:
        return surrogate.get(text).eval().double()
    except Exception as error:  # a user's factory may raise anything
        raise UsageError(f"--act: {error}") from error


def _array(name: str, text: str) -> Tensor:
    message = f"{name}: expected finite numbers such as [[1, 0.5], [0, 1]], got {text!r}"
    try:
        array = torch.tensor(plain_yaml(text), dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(message) from error
    if not array.isfinite().all() or not array.numel() or array.dim() not in (1, 2):
        raise UsageError(message)
    return array


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise UsageError(f"{name} must be a number, got {text!r}") from error
    if not abs(number) < float("inf"):
        raise UsageError(f"{name} must be a finite number, got {text!r}")
    return number
