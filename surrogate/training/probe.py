"""Where the pairs of a network are sampled while it trains, and what they report there.

The same under Lightning: `surrogate.training.lightning.ProbeCallback`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from surrogate.core.messages import name_of
from surrogate.core.numbers import Limits
from surrogate.core.torch_private import is_compiler_imported, is_in_backward_pass, is_transformed
from surrogate.pair import SurrogateActivation, named_pairs
from surrogate.training.recording import QUANTITIES, SATURATED, Distribution, Recording, SiteRecord

GRID = 2001  # points from −10 to 10 on which a pair's largest slope is looked for


class Probe:
    """Records, at some points of some steps, what every pair of a model sees and reports.

    Of each pair, its *site*: the distribution of the inputs (pre-activations), of the outputs, of
    the upstream gradients, of the derivatives that it reports and of the gradients that it passes
    on. All five are of the same points, drawn anew in each sampled step, all points of a tensor
    being equally likely.

    * The *reported derivative* is measured in the training's own backward pass: the gradient that
      the site passes on over the one that it got, where this one is a normal number (not 0, not
      subnormal, finite). For a pointwise derivative that is its slope, to the rounding of one
      product; for an upstream-dependent one it is what the rule made of that gradient.
    * A point is *saturated* if |reported derivative| is at most 0.05 of the pair's largest: of all
      that it reports in evaluation mode for 2001 inputs from −10 to 10 and upstream gradients of
      1 and −1, as its numbers are in the first sampled step of the epoch.
    * A unit (an index of dimension 1) is *dead* in a step if it puts out one and the same value
      for the whole batch.
    * A value is *near zero* within 0.05 of it. NaN and ±inf are counted apart.

    Training does not notice: nothing draws from torch's generators, values and gradients keep
    their bits, and between sampled steps there are no hooks. In a sampled step each site has two,
    which read a few points; under `torch.compile` (as under `surrogate.fuse`) these steps are run
    uncompiled, as hooks inside compiled code would be ignored or compile it anew: there, and only
    there, a sampled step is the same to rounding and not to the bit. Gradients are those of what
    `backward` was called on, for this process's share of the batch, times a `GradScaler`'s scale.
    What checkpointing runs again counts once. `probe.recording.save(path)` writes a file.

    Args:
        model: a module with pairs in it.
        every: one of so many steps is sampled, the first of each epoch among them.
        samples: points of a call that are recorded; all if it has no more.
        seed: of the points.

    Raises:
        TypeError: the model is no module; a number is not one.
        ValueError: the model has no pair in it; a number is out of range.

    >>> import surrogate, torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), surrogate.get("relu_directional"))
    >>> with surrogate.Probe(net) as probe:
    ...     with probe.step():
    ...         net(torch.randn(16, 4)).sum().backward()
    ...     record = probe.end_epoch(1)["1"]
    >>> record.distributions["input"].seen, record.units
    (128, 8)
    """

    _watch: _Watch | None = None  # the hooks of the step that is being sampled

    def __init__(
        self, model: nn.Module, every: int = 50, samples: int = 2048, seed: int = 0
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(f"Probe: model must be a torch.nn.Module, got {name_of(model)}")
        count, seeds = Limits(integer=True, least=1), Limits(integer=True, least=0)
        self.every: int = count.check("Probe", "every", every)
        self.samples: int = count.check("Probe", "samples", samples)
        self.seed: int = seeds.check("Probe", "seed", seed)
        self.sites = named_pairs(model)
        if not self.sites:
            raise ValueError(
                f"Probe: model must have a SurrogateActivation in it, got {type(model).__name__}"
            )
        self.recording = Recording(list(self.sites))
        self.begin_epoch(1)

    def begin_epoch(self, epoch: int) -> None:
        """Start an epoch, and forget what was recorded of one that was not ended."""
        self.remove()
        self.epoch, self.done = epoch, 0
        self.records = {name: SiteRecord(str(pair)) for name, pair in self.sites.items()}
        self._peaks: dict[str, float] = {}

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around the forward and backward pass of each step."""
        self.start()
        try:
            yield
            self.stop()
        finally:
            self.remove()

    def start(self) -> None:
        """The same as `step`, by two calls: put the hooks on if this step is to be sampled."""
        self.remove()
        if self.done % self.every == 0:
            self._watch = _Watch(self)
        self.done += 1

    def stop(self) -> None:
        """Take the hooks off, and add up what they saw."""
        seen = {} if self._watch is None else self._watch.calls
        self.remove()
        for name, calls in seen.items():
            if calls:
                self._add(name, calls)

    def end_epoch(self, epoch: int | None = None) -> dict[str, SiteRecord]:
        """Add the records to `recording`, as those of this epoch, begin the next, return them."""
        epoch = self.epoch if epoch is None else epoch
        records = self.records
        self.recording.add(epoch, records)
        self.begin_epoch(epoch + 1)
        return records

    def remove(self) -> None:
        """Take all hooks off; what the step has seen is forgotten."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def state_dict(self) -> dict[str, Any]:
        """The epochs that have ended, as tensors and text."""
        arrays = self.recording.to_arrays()
        return {
            name: array.tolist() if array.dtype.kind == "U" else torch.from_numpy(array)
            for name, array in arrays.items()
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up `state_dict` of a probe of the same sites.

        Raises:
            ValueError: it is of other sites.
        """
        arrays = {name: np.asarray(each) for name, each in state_dict.items()}
        recording = Recording.from_arrays(arrays)
        if recording.sites != list(self.sites):
            raise ValueError(
                f"Probe: the state must be of the sites {list(self.sites)}, got {recording.sites}"
            )
        self.recording = recording
        self.begin_epoch(recording.epochs[-1] + 1 if recording.epochs else 1)

    def _add(self, name: str, calls: list[_Call]) -> None:
        """Adds what a site did in a step."""
        record = self.records[name]
        if name not in self._peaks:
            self._peaks[name] = peak(self.sites[name], calls[0].input, calls[0].shape)
            record.pair = str(self.sites[name])
        record.steps += 1
        for call in calls:
            values = call.values()
            for quantity, given in values.items():
                record.distributions[quantity] += Distribution.of(given, QUANTITIES[quantity])
            slopes = np.abs(values["derivative"])
            record.measured += len(slopes)
            record.saturated += int((slopes <= SATURATED * self._peaks[name]).sum())
            record.units += len(call.lowest)
            record.dead += int((call.lowest == call.highest).sum())


@dataclass(eq=False)
class _Call:
    """What is kept of one call of a site: the values at some points, and the extent of each unit.

    Args:
        where: the points, by their index in each dimension.
        shape: of the input.
        input, output, gradient_out, gradient_in: at the points; empty for what there was not.
        lowest, highest: the output's extent.
    """

    where: tuple[Tensor, ...]
    shape: torch.Size
    input: Tensor
    output: Tensor
    lowest: Tensor
    highest: Tensor
    gradient_out: Tensor
    gradient_in: Tensor

    def read(self, name: str, tensor: Tensor) -> None:
        """Keep what a tensor has at the points, the first time that it is asked to."""
        if not len(getattr(self, name)):
            setattr(self, name, tensor.detach()[self.where].reshape(-1))

    def values(self) -> dict[str, NDArray[np.float64]]:
        """Those of each quantity."""
        found = {
            name: getattr(self, name).cpu().double().numpy()
            for name in QUANTITIES
            if name != "derivative"
        }
        upstream, passed = found["gradient_out"], found["gradient_in"]
        if not (len(upstream) and len(passed)):
            return {**found, "derivative": np.empty(0)}
        tiny = torch.finfo(self.gradient_out.dtype).tiny
        usable = np.isfinite(upstream) & (np.abs(upstream) >= tiny)
        return {**found, "derivative": passed[usable] / upstream[usable]}


class _Watch:
    """The hooks of one sampled step, and what they read."""

    def __init__(self, probe: Probe) -> None:
        self.calls: dict[str, list[_Call]] = {name: [] for name in probe.sites}
        self.key = (probe.seed, probe.epoch, probe.done)
        self.samples = probe.samples
        with ExitStack() as stack:
            if is_compiler_imported():  # else nothing can have been compiled
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            for number, (name, pair) in enumerate(probe.sites.items()):
                # Nearest to the pair, whatever other hooks are on it.
                before = pair.register_forward_pre_hook(_through_an_alias, with_kwargs=True)
                after = pair.register_forward_hook(partial(self._read, number, name), prepend=True)
                stack.callback(before.remove)
                stack.callback(after.remove)
            self.remove = stack.pop_all().close

    def _read(
        self, number: int, name: str, pair: nn.Module, inputs: tuple[Tensor], output: Tensor
    ) -> None:
        (x,), calls = inputs, self.calls[name]
        if is_transformed() or x.numel() == 0:
            return
        nothing = x.detach().new_empty(0)
        call = _Call(self._points(x, number, len(calls)), x.shape, *[nothing] * 6)
        if not is_in_backward_pass():  # else checkpointing, which was here before
            call.read("input", x)
            call.read("output", output)
            call.lowest, call.highest = (each.cpu() for each in extent(output.detach()))
        if x.requires_grad:
            x.register_hook(partial(call.read, "gradient_in"))
        if output.requires_grad:
            output.register_hook(partial(call.read, "gradient_out"))
        calls.append(call)

    def _points(self, x: Tensor, number: int, call: int) -> tuple[Tensor, ...]:
        """The indices of some points, by their dimension."""
        if x.dim() == 0:
            return ()
        if x.numel() <= self.samples:
            points = np.arange(x.numel())
        else:
            points = np.random.default_rng((*self.key, number, call)).integers(
                x.numel(), size=self.samples
            )
        return tuple(
            torch.from_numpy(each).to(x.device) for each in np.unravel_index(points, x.shape)
        )


def _through_an_alias(
    pair: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Tensor], dict[str, Any]]:
    """A view as the input, of which the gradient is that of this call, wherever else x is used."""
    (x,) = (*args, *kwargs.values())
    return (x if is_transformed() else x.view_as(x),), {}


def extent(output: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of each unit, an index of dimension 1; of all as one unit
    if there is no such dimension."""
    if output.dim() < 2:
        output = output.reshape(-1, 1)
    others = [0, *range(2, output.dim())]
    return output.amin(others), output.amax(others)


def peak(pair: SurrogateActivation, like: Tensor, shape: torch.Size) -> float:
    """The largest finite |derivative| that a pair reports on the grid; 0 where it reports none.

    The grid has the dtype and device of a tensor, and as many dimensions as the shape; of units as
    many where the pair has parameters of theirs.
    """
    twin = copy.deepcopy(pair).eval()
    grid = torch.linspace(-10, 10, GRID, dtype=like.dtype, device=like.device)
    grid = grid.reshape(-1, *[1] * (len(shape) - 1))
    if any(each.numel() > 1 for each in twin.parameters()):
        grid = grid.repeat(1, *shape[1:2], *[1] * (len(shape) - 2))
    largest = 0.0
    devices = [like.device] if like.is_cuda else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        for upstream in (1.0, -1.0):
            x = grid.clone().requires_grad_()
            y = twin(x)
            if y.requires_grad:
                (slope,) = torch.autograd.grad(y, x, torch.full_like(y, upstream))
                finite = slope.abs().nan_to_num(0.0, posinf=0.0)
                largest = max(largest, float(finite.max()))
    return largest
