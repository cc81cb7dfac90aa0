"""The loss of a model as a function of its parameters alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from surrogate.core.messages import name_of
from surrogate.derivatives.shapes import Exact
from surrogate.diagnostics.audit.result import Kind
from surrogate.diagnostics.audit.smoothing import Vector
from surrogate.pair import named_pairs

Batch = Sequence[Any]


@dataclass(frozen=True)
class Gradients:
    """The gradient of a batch's loss.

    Args:
        loss: the loss itself.
        parameters: its gradient, for all parameters in turn.
        sites: that for the input and the output of each pair, all its calls in turn, by the kind
            of row and the name of the pair.
    """

    loss: float
    parameters: Vector
    sites: dict[tuple[Kind, str], Vector]


class Landscape:
    """The loss of a copy of a model, each time from the same buffers and random numbers.

    Attributes:
        start: the parameters that are trained, in one vector.
        layers: the names of the modules that have them.
        starts: where each of these begins in the vector.
        sites: the pairs of the copy, by name.
        evaluations: how often the loss was computed.
        not_finite: how many of these losses were not finite.
    """

    def __init__(self, model: nn.Module, loss: Callable[..., Tensor], seed: int) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"model must be a torch.nn.Module, got {name_of(model)}")
        if not callable(loss):
            raise TypeError(f"loss must be a callable loss(model, *batch), got {name_of(loss)}")
        kind = type(model).__name__
        self._loss = loss
        self._seed = seed
        self.model = copy.deepcopy(model)
        self.sites = named_pairs(self.model)
        if not self.sites:
            raise ValueError(
                f"model has no SurrogateActivation among its modules, got {kind}: "
                "only a pair can report another derivative than the true one"
            )
        trained = {n: each for n, each in self.model.named_parameters() if each.requires_grad}
        if not trained:
            raise ValueError(f"model must have parameters that require gradients, {kind} has none")
        self._parameters = list(trained.values())
        ends = np.cumsum([each.numel() for each in self._parameters]).tolist()
        self._cuts = ends[:-1]
        owners: dict[str, int] = {}
        for name, begin in zip(trained, [0, *ends], strict=False):
            owners.setdefault(name.rpartition(".")[0], begin)
        self.layers = tuple(owners)
        self.starts = tuple(owners.values())
        self.start = flat(self._parameters)
        self._buffers = [
            (module, name, buffer.clone())
            for module in self.model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self.evaluations = self.not_finite = 0

    def value(self, parameters: Vector, batch: Batch, draw: int = 0) -> float:
        """The loss with these parameters."""
        with torch.no_grad():
            self._place(parameters)
            return self._at(batch, draw).item()

    def gradients(self, batch: Batch, draw: int = 0) -> Gradients:
        """What the loss's gradient is said to be at the start, for a draw of random numbers."""
        self._place(self.start)
        with self._watched() as seen:
            loss = self._at(batch, draw)
        tensors = [*self._parameters, *(tensor for _, tensor in seen)]
        found = gradients_of(loss, tensors)
        sites: dict[tuple[Kind, str], list[Tensor]] = {}
        for (site, _), gradient in zip(seen, found[len(self._parameters) :], strict=True):
            sites.setdefault(site, []).append(gradient)
        return Gradients(
            loss.item(),
            flat(found[: len(self._parameters)]),
            {site: flat(of_calls) for site, of_calls in sites.items()},
        )

    @contextmanager
    def honest(self) -> Iterator[None]:
        """Each pair has its function's own derivative."""
        lies = [(pair, pair.derivative) for pair in self.sites.values()]
        for pair, _ in lies:
            pair.assemble(pair.function, Exact())
        try:
            yield
        finally:
            for pair, lie in lies:
                pair.assemble(pair.function, lie)

    def _place(self, parameters: Vector) -> None:
        with torch.no_grad():
            parts = np.split(parameters, self._cuts)
            for parameter, part in zip(self._parameters, parts, strict=True):
                parameter.copy_(torch.from_numpy(part).view(parameter.shape))

    def _at(self, batch: Batch, draw: int) -> Tensor:
        for module, name, buffer in self._buffers:
            module._buffers[name] = buffer.clone()
        with seeded(self._seed + draw):
            loss = self._loss(self.model, *batch)
        if not isinstance(loss, Tensor):
            raise TypeError(f"loss must return a tensor, got {type(loss).__name__}")
        if loss.numel() != 1 or not loss.is_floating_point():
            raise ValueError(
                "loss must return one floating-point number, got a tensor of shape "
                f"{tuple(loss.shape)} and dtype {loss.dtype}"
            )
        self.evaluations += 1
        self.not_finite += not math.isfinite(loss.item())
        return loss.reshape(())

    @contextmanager
    def _watched(self) -> Iterator[list[tuple[tuple[Kind, str], Tensor]]]:
        """The inputs and outputs of the pairs, as they come by."""
        seen: list[tuple[tuple[Kind, str], Tensor]] = []

        def watch(name: str) -> Callable[..., None]:
            def hook(_: nn.Module, args: tuple[Any, ...], kwargs: Any, output: Tensor) -> None:
                x = args[0] if args else kwargs["x"]
                seen.extend([(("input", name), x), (("output", name), output)])

            return hook

        with ExitStack() as hooks:
            for name, site in self.sites.items():
                hooks.enter_context(site.register_forward_hook(watch(name), with_kwargs=True))
            yield seen


def gradients_of(loss: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those of the loss for each of the tensors: 0 where there is no way to the loss."""
    wanted = [each for each in tensors if each.requires_grad and loss.requires_grad]
    found = iter(torch.autograd.grad(loss, wanted, materialize_grads=True) if wanted else ())
    return [
        next(found) if each.requires_grad and loss.requires_grad else torch.zeros_like(each)
        for each in tensors
    ]


def flat(tensors: Sequence[Tensor]) -> Vector:
    """All of them in one vector."""
    return np.concatenate([each.detach().double().cpu().flatten().numpy() for each in tensors])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's random numbers from a seed; afterwards they go on as if nothing had been."""
    on_gpu = torch.cuda.is_initialized()
    devices = range(torch.cuda.device_count()) if on_gpu else ()
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed_all(seed)
        yield


def require_batch(batch: object, name: str) -> Batch:
    """The batch; raise TypeError unless it is a tuple or list."""
    if isinstance(batch, tuple | list):
        return batch
    raise TypeError(
        f"{name} must be a tuple of what loss(model, *{name}) takes, got {type(batch).__name__}"
    )
