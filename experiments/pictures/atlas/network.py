"""A network of two inputs, and its derivatives at each point of the plane."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from surrogate import SurrogateActivation
from surrogate.derivatives import Exact


@dataclass(frozen=True)
class Layer:
    """x = A h + b, a = σ(x), for the h of the layer before."""

    matrix: Tensor
    bias: Tensor
    act: SurrogateActivation


class State(NamedTuple):
    """A layer's x and a, for each point (rows) and unit (columns)."""

    x: Tensor
    a: Tensor


@dataclass(frozen=True)
class Parameter:
    """A number of the network: A0[1,2], in the matrix of layer 0, or b0[1], in its bias.

    >>> Parameter.read("A0[1, 2]")
    Parameter(name='A', layer=0, place=(1, 2))
    >>> print(Parameter.read("b3[0]"))
    b3[0]
    """

    name: str
    layer: int
    place: tuple[int, ...]

    @classmethod
    def read(cls, text: str) -> Parameter:
        """The parameter that a text names.

        Raises:
            ValueError: it names none.
        """
        found = re.fullmatch(r"(A)(\d+)\[(\d+),(\d+)\]|(b)(\d+)\[(\d+)\]", text.replace(" ", ""))
        if not found:
            raise ValueError(f"a parameter is written A0[1,2] or b0[1], got {text!r}")
        name, layer, *place = (group for group in found.groups() if group is not None)
        return cls(name, int(layer), tuple(map(int, place)))

    def __str__(self) -> str:
        return f"{self.name}{self.layer}[{','.join(map(str, self.place))}]"

    def effect(self, h: Tensor, units: int) -> Tensor:
        """∂x/∂parameter in its own layer: in row i, h[j] for A[i,j], and 1 for b[i]."""
        row, *column = self.place
        effect = h.new_zeros(len(h), units)
        effect[:, row] = h[:, column[0]] if column else 1
        return effect


@dataclass(frozen=True)
class Unit:
    """A unit of the network: x1[0], before the activation of layer 1, or a1[0], behind it."""

    name: str
    layer: int
    place: int

    @classmethod
    def read(cls, text: str) -> Unit:
        """The unit that a text names.

        Raises:
            ValueError: it names none.
        """
        found = re.fullmatch(r"([xa])(\d+)\[(\d+)\]", text.replace(" ", ""))
        if not found:
            raise ValueError(f"a unit is written x0[1] or a0[1], got {text!r}")
        return cls(found[1], int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.name}{self.layer}[{self.place}]"

    def of(self, states: Sequence[State]) -> Tensor:
        return getattr(states[self.layer], self.name)[:, self.place]


@dataclass(frozen=True)
class Network:
    """Layers, one after another, that are fed points of the plane.

    Args:
        layers: at least one.
        coordinates: constants that the first layer is fed behind each point.
    """

    layers: tuple[Layer, ...]
    coordinates: tuple[float, ...] = ()

    def states(
        self, points: Tensor, moved: Parameter | None = None, by: Tensor | None = None
    ) -> list[State]:
        """Of each layer, at each point; with a parameter that is moved, at each by its own step."""
        constants = points.new_tensor(self.coordinates).expand(len(points), -1)
        h = torch.cat([points, constants], 1)
        states = []
        for index, layer in enumerate(self.layers):
            x = h @ layer.matrix.T + layer.bias
            if moved is not None and by is not None and moved.layer == index:
                x = x + by[:, None] * moved.effect(h, len(layer.bias))
            states.append(State(x, layer.act(x)))
            h = states[-1].a
        return states

    def truthful(self) -> Network:
        """The same with the true derivatives."""
        layers = [
            replace(layer, act=SurrogateActivation(layer.act.function, Exact()))
            for layer in self.layers
        ]
        return replace(self, layers=tuple(layers))

    def derivative(
        self, points: Tensor, parameter: Parameter, unit: Unit, upstream: float = 1.0
    ) -> Tensor:
        """∂unit/∂parameter at each point, as `backward` reports it for an upstream gradient of the
        unit, by which it is divided."""
        step = points.new_zeros(len(points), requires_grad=True)
        value = upstream * unit.of(self.states(points, parameter, step))
        return _gradient(value, step) / upstream

    @property
    def upstream_dependent(self) -> bool:
        """Whether the sign of the upstream gradient can make a difference to what is reported."""
        return any(not layer.act.derivative.linear for layer in self.layers)

    def input_gradient(self, points: Tensor, unit: Unit) -> Tensor:
        """∂unit/∂input at each point, as `backward` from the unit reports it."""
        points = points.clone().requires_grad_()
        return _gradient(unit.of(self.states(points)), points)

    def is_flat(self, points: Tensor, unit: Unit) -> Tensor:
        """Where the unit's true derivative for the input is 0: nothing moves it there."""
        return (self.truthful().input_gradient(points, unit) == 0).all(1)

    def require_parameter(self, parameter: Parameter) -> None:
        """Raise ValueError unless the network has it."""
        self._require_layer(parameter.layer, str(parameter))
        layer = self.layers[parameter.layer]
        shape = (layer.matrix if parameter.name == "A" else layer.bias).shape
        if not all(place < size for place, size in zip(parameter.place, shape, strict=True)):
            size = " × ".join(map(str, shape))
            raise ValueError(
                f"there is no {parameter}: {parameter.name}{parameter.layer} is {size}, from 0 on"
            )

    def require_unit(self, unit: Unit) -> None:
        """Raise ValueError unless the network has it."""
        self._require_layer(unit.layer, str(unit))
        size = len(self.layers[unit.layer].bias)
        if unit.place >= size:
            raise ValueError(f"there is no {unit}: layer {unit.layer} has units 0 to {size - 1}")

    def _require_layer(self, layer: int, owner: str) -> None:
        if layer >= len(self.layers):
            last = len(self.layers) - 1
            raise ValueError(f"there is no {owner}: the layers are 0 to {last}")


def _gradient(value: Tensor, given: Tensor) -> Tensor:
    """∂value/∂given at each point, which depends on its own alone; 0 where it does not at all."""
    if not value.requires_grad:
        return torch.zeros_like(given)
    (gradient,) = torch.autograd.grad(
        value, given, torch.ones_like(value), materialize_grads=True, allow_unused=True
    )
    return gradient


def plane(extent: float, resolution: int) -> Tensor:
    """The points of a square around 0, row by row from below: the middles of its cells."""
    side = extent * ((torch.arange(resolution, dtype=torch.float64) + 0.5) * 2 / resolution - 1)
    second, first = torch.meshgrid(side, side, indexing="ij")
    return torch.stack([first.ravel(), second.ravel()], 1)
