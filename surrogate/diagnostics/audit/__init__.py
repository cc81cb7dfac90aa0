"""How false is the gradient? What a model reports, held against what is true.

`landscape` makes the loss a function of the parameters, `smoothing` estimates the gradient of the
smoothed loss, `result` is what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from surrogate.diagnostics.audit.landscape import Batch, Gradients, Landscape, require_batch
from surrogate.diagnostics.audit.result import STEPS as STEPS
from surrogate.diagnostics.audit.result import Audit as Audit
from surrogate.diagnostics.audit.result import Kind, Row, Settings, Step
from surrogate.diagnostics.audit.smoothing import (
    Block,
    Estimate,
    Vector,
    divided,
    divided_all,
    norm,
    parts_of,
    smoothed_gradient,
    sums,
)

NONE = Block()  # where nothing is estimated


def audit(
    model: nn.Module,
    loss: Callable[..., Tensor],
    batch: Batch,
    *,
    batches: Iterable[Batch] = (),
    sigma: float = 0.003,
    pairs: int = 64,
    layer_pairs: int = 8,
    steps: Sequence[float] = STEPS,
    seed: int = 0,
) -> Audit:
    """Hold the gradient that a model reports against the true one, and against what the loss does.

    Four questions are asked of the gradient g of `loss(model, *batch)`:

    * How far is it from the *true* gradient: that of the same model, each pair with its function's
      own derivative (`Exact`)? Cosine, norms and signs.
    * How far is it from the gradient of the *smoothed* loss, L_σ(θ) = E L(θ + σε) for normal ε,
      which sees the steps that the true gradient is blind to?
    * How much of it is *noise*, and differs between batches?
    * Does the loss *fall* by as much as g promises, if one goes against it?

    They are asked of a copy in the training mode of the model, which is left as it is: parameters,
    gradients, buffers, mode and torch's random numbers. Each time the loss begins with the same
    buffers and random numbers, so that it is a function of the parameters. Parameters that are
    frozen stay where they are.

    Args:
        model: has a pair (`SurrogateActivation`) among its modules.
        loss: returns a scalar tensor for `loss(model, *batch)`.
        batch: the tuple (or list) of what it takes besides the model.
        batches: further ones, as large, for the noise between batches.
        sigma: σ, in the units of the parameters.
        pairs: of points around θ, for each of two estimates of the smoothed loss's gradient: the
            loss is computed 4 · pairs times. 0 leaves the smoothed loss out.
        layer_pairs: of points for each layer: 2 · layer_pairs times for each. 0 leaves them out.
        steps: lengths, in the space of the parameters, of the steps against g.
        seed: of all random numbers.

    Returns:
        What was found; `str()` is a table. An audit of a loss that is not finite is full of NaN.

    Raises:
        TypeError: the model, the loss, what it returns or a batch is no such thing.
        ValueError: the model has no pair, or no parameter that is trained; the loss is no scalar; a
            number is out of range.

    ReLU with twice its slope:

    >>> import torch, surrogate
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 8), surrogate.get("ReLU() / 2 * Exact()"))
    >>> batch = (torch.tensor([[1.0, 2.0], [3.0, -1.0]]),)
    >>> found = surrogate.audit(net, lambda net, x: net(x).square().mean(), batch)
    >>> f"{found.total.ratio:.3f} times as long, cosine {found.total.cosine:.3f}"
    '2.000 times as long, cosine 1.000'
    >>> f"{found.total.kept.value:.1f} of what it promises is true"
    '0.5 of what it promises is true'
    """
    settings = Settings(sigma, pairs, layer_pairs, tuple(steps), seed)
    landscape = Landscape(model, loss, seed)
    require_batch(batch, "batch")
    with torch.inference_mode(False), torch.enable_grad():
        reported = landscape.gradients(batch)
        with landscape.honest():
            true = landscape.gradients(batch)
        blocks, bound = [NONE] * (len(landscape.layers) + 1), Estimate()
        if pairs:
            blocks, bound = smoothed_gradient(
                lambda theta: landscape.value(theta, batch),
                landscape.start,
                reported.parameters,
                landscape.starts,
                sigma,
                pairs,
                layer_pairs,
                seed,
            )
        further = (
            landscape.gradients(require_batch(each, f"batches[{index}]"), draw=index + 1)
            for index, each in enumerate(batches)
        )
        noise, count = signal_to_noise(
            (each.parameters for each in chain([reported], further)), landscape.starts
        )
        fell = [
            _step(landscape, batch, reported, true.parameters, length) for length in settings.steps
        ]
    return Audit(
        loss=reported.loss,
        pairs=tuple(map(str, landscape.sites.values())),
        batches=count,
        settings=settings,
        rows=tuple(_rows(landscape, reported, true, blocks, noise)),
        bound=bound,
        steps=tuple(fell),
        evaluations=landscape.evaluations,
        not_finite=landscape.not_finite,
    )


def signal_to_noise(gradients: Iterable[Vector], starts: Sequence[int]) -> tuple[Vector, int]:
    """|E g| / √(E |g − E g|²) of the whole and of each block, and how many gradients there were.

    Numerator and denominator are the roots of estimates without bias, ⟨g, g'⟩ over two different
    batches and the sample variance; a numerator below 0 counts as 0. NaN for a single gradient.
    """
    total, squares, count = np.zeros(1), np.zeros(1), 0
    for gradient in gradients:
        total = total + gradient
        squares = squares + sums(gradient**2, starts)
        count += 1
    if count < 2:
        return np.full(len(squares), np.nan), count
    of_total = sums(total**2, starts)
    signal = (of_total - squares) / (count * (count - 1))
    noise = (squares - of_total / count) / (count - 1)
    return np.sqrt(divided_all(signal.clip(min=0), noise.clip(min=0))), count


def _step(
    landscape: Landscape, batch: Batch, reported: Gradients, true: Vector, length: float
) -> Step:
    """A step against the reported gradient, and one as long against the true one."""
    fell = []
    for gradient in (reported.parameters, true):
        unit = divided_all(gradient, norm(gradient))
        there = landscape.start - length * unit
        value = landscape.value(there, batch) if np.isfinite(unit).all() else np.nan
        fell.append(reported.loss - value)
    return Step(length, length * norm(reported.parameters), *fell)


def _rows(
    landscape: Landscape, reported: Gradients, true: Gradients, blocks: list[Block], noise: Vector
) -> Iterator[Row]:
    first, second = reported.parameters, true.parameters
    names: list[tuple[Kind, str]] = [("total", ""), *(("layer", n) for n in landscape.layers)]
    parts = parts_of(landscape.starts, len(first))
    for name, part, block, ratio in zip(names, parts, blocks, noise, strict=True):
        yield _row(name, first[part], second[part], block, ratio)
    for name in reported.sites:
        yield _row(name, reported.sites[name], true.sites[name])


def _row(
    of: tuple[Kind, str], reported: Vector, true: Vector, block: Block = NONE, ratio: float = np.nan
) -> Row:
    norms = norm(reported), norm(true)
    unknown = not np.isfinite([*norms]).all()
    return Row(
        *of,
        size=reported.size,
        reported=norms[0],
        true=norms[1],
        cosine=divided(float(reported @ true), norms[0] * norms[1]),
        signs=np.nan if unknown else float((np.sign(reported) == np.sign(true)).mean()),
        slope=block.slope,
        square=block.square,
        smoothed_cosine=block.cosine,
        signal_to_noise=float(ratio),
    )
