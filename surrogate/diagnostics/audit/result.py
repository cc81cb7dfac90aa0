"""What an audit found: numbers for the whole gradient, each layer and each site, and a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from surrogate.core.messages import aligned, counted
from surrogate.core.numbers import FixedPositive, Limits
from surrogate.core.parts import Part
from surrogate.diagnostics.audit.smoothing import Estimate, divided

Kind = Literal["total", "layer", "input", "output"]

STEPS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
NotNegativeInteger = Annotated[int, Limits(integer=True, least=0)]


class Settings(Part):
    """How an audit is made: the numbers of `surrogate.audit`."""

    sigma: FixedPositive = 0.003
    pairs: NotNegativeInteger = 64
    layer_pairs: NotNegativeInteger = 8
    steps: tuple[float, ...] = STEPS
    seed: NotNegativeInteger = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("pairs", "layer_pairs"):
            if (value := getattr(self, name)) in (1, 2):  # too few for an error
                raise ValueError(f"Settings: {name} must be 0 or at least 3, got {value}")
        for length in self.steps:
            if not (isinstance(length, int | float) and 0 < length < math.inf):
                raise ValueError(
                    f"Settings: steps must be finite numbers above 0, got {length!r} among them"
                )


@dataclass(frozen=True)
class Row:
    """The gradient for some tensors, as reported and as it is.

    Args:
        kind: "total" for all parameters, "layer" for those of a module, "input" and "output" for
            what a pair takes and returns.
        name: of the module in the model; empty for the model itself and for the total.
        size: how many numbers it has.
        reported: its norm |g|.
        true: the norm of the true one.
        cosine: between the two; NaN where one of them is 0.
        signs: the share of its numbers whose sign (−, 0 or +) is the true one.
        slope: of the smoothed loss along g, per unit of length: g promises |g|. As all that follow,
            NaN for a pair's input and output.
        square: |∇L_σ|², the squared norm of the smoothed loss's gradient.
        smoothed_cosine: between g and ∇L_σ; NaN where noise hides |∇L_σ|.
        signal_to_noise: the norm of the mean of g over batches, to the root mean square of the
            distance from it.
    """

    kind: Kind
    name: str
    size: int
    reported: float
    true: float
    cosine: float
    signs: float
    slope: Estimate
    square: Estimate
    smoothed_cosine: Estimate
    signal_to_noise: float

    @property
    def ratio(self) -> float:
        """Of the norms: reported / true."""
        return divided(self.reported, self.true)

    @property
    def kept(self) -> Estimate:
        """The share of the promised slope that the smoothed loss has: 1 for a true gradient."""
        return self.slope.over(self.reported)

    @property
    def smoothed_ratio(self) -> float:
        """Of the norms: reported / smoothed; NaN where noise hides the latter."""
        if math.isnan(self.smoothed_cosine.value):
            return math.nan
        return self.reported / math.sqrt(self.square.value)


@dataclass(frozen=True)
class Step:
    """A step against the gradient.

    Args:
        length: in the space of the parameters.
        promised: length times |g|: by how much the loss would fall if it were straight.
        fell: by how much it does; below 0 if it rises.
        fell_true: by how much it does after a step as long against the true gradient; NaN if that
            is 0.
    """

    length: float
    promised: float
    fell: float
    fell_true: float


@dataclass(frozen=True)
class Audit:
    """What `surrogate.audit` found; `str()` is a table.

    Args:
        loss: of the batch.
        pairs: the texts of the model's pairs.
        batches: how many there were.
        settings: how it was made.
        rows: the total, the layers, and the inputs and outputs of the sites, in the model's order.
        bound: what the cosine of the total with ∇L_σ is at least (at most, if below 0), known where
            `smoothed_cosine` may not be: the correlation of the loss's odd change under normal
            perturbations with what g says of it.
        steps: the line search.
        evaluations: how often the loss was computed.
        not_finite: how many of these losses were not finite: what depends on one is NaN.
    """

    loss: float
    pairs: tuple[str, ...]
    batches: int
    settings: Settings
    rows: tuple[Row, ...]
    bound: Estimate
    steps: tuple[Step, ...]
    evaluations: int
    not_finite: int

    @property
    def total(self) -> Row:
        return self.rows[0]

    @property
    def layers(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.kind == "layer")

    @property
    def sites(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.kind in ("input", "output"))

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        pairs = ", ".join(f"{n} × {text}" for text, n in Counter(self.pairs).items())
        yield f"{counted(self.total.size, 'parameter')}, {pairs}: loss {self.loss:.5g}"
        if self.not_finite:
            yield f"NOT FINITE: {self.not_finite} of {counted(self.evaluations, 'loss value')}"
        yield ""
        header = ["", "size", "reported", "true", "ratio", "cosine", "signs"]
        smoothed = ["kept", "smoothed cosine"] * bool(self.settings.pairs)
        noise = ["signal/noise"] * (self.batches > 1)
        lines = [[*header, *smoothed, *noise]]
        for row in self.rows:
            numbers = (row.reported, row.true, row.ratio, row.cosine, row.signs)
            cells = [f"{row.kind} {row.name}".strip(), str(row.size), *map(shown, numbers)]
            cells += [str(row.kept), str(row.smoothed_cosine)] * bool(smoothed)
            lines.append([*cells, *[shown(row.signal_to_noise)] * bool(noise)])
        yield aligned(lines)
        if smoothed:
            bound = f"{'at least' if self.bound.value >= 0 else 'at most'} {self.bound}"
            known = "unknown" if math.isnan(self.bound.value) else bound
            yield f"\ncosine with the smoothed gradient (σ = {self.settings.sigma:g}) {known}"
        if self.steps:
            falls = [(step.length, step.promised, step.fell, step.fell_true) for step in self.steps]
            header = ["step", "promised", "fell", "against the true gradient"]
            yield "\n" + aligned([header, *([*map(shown, each)] for each in falls)])


def shown(number: float) -> str:
    return "–" if math.isnan(number) else f"{number:.3g}"
