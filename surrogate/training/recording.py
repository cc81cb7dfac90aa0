"""What a `Probe` recorded: distributions by site and epoch, and the file that they are kept in.

The bins never change, so the distributions of two steps, epochs or sites add up exactly. All of
numpy alone: a file is read back without torch's or anybody's pickles.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surrogate.core.messages import counted, did_you_mean

NEAR_ZERO = 0.05  # a value is near 0 if it is at most so far from it
SATURATED = 0.05  # a slope is saturated if it is at most this share of the pair's largest one

Edges = NDArray[np.float64]


def _symmetric(positive: Edges) -> Edges:
    return np.concatenate([-positive[::-1], positive])


EDGES: dict[str, Edges] = {
    # 399 bins, 0.05 wide at 0 and growing as cosh does, to ±1.07e4; 0 is in the middle of one.
    "value": _symmetric(np.sinh((np.arange(200) + 0.5) / 20)),
    # Four bins a decade on each side, from 1e-30 to 1e4; 0 and what is below 1e-30 share one.
    "gradient": _symmetric(10.0 ** (np.arange(-120, 17) / 4)),
}
# What is recorded of each point that is sampled, and the edges that it is counted between.
QUANTITIES = {
    "input": "value",  # x, the pre-activation
    "output": "value",  # f(x)
    "gradient_out": "gradient",  # the upstream gradient: of the loss, for f(x)
    "derivative": "value",  # what is reported: gradient_in / gradient_out, where there is one
    "gradient_in": "gradient",  # the gradient that is passed on: of the loss, for x
}
_NUMBERS = ("nan", "infinite", "zero", "near_zero", "total", "squares", "low", "high")


@dataclass(eq=False)
class Distribution:
    """How often values fell between fixed edges, and sums that do not depend on the edges.

    Args:
        edges: of the bins, each of which has its lower edge and not its upper one.
        counts: finite values in each bin; the first is of those below all edges, the last of those
            above. Every value is in exactly one of `counts`, `nan` and `infinite`.
        nan, infinite: how many were NaN, and ±inf.
        zero, near_zero: how many were exactly 0, and within 0.05 of 0.
        total, squares: the sum of the finite ones, and of their squares.
        low, high: the lowest of them and the highest; +inf and −inf if there is none.
    """

    edges: Edges
    counts: NDArray[np.int64]
    nan: int = 0
    infinite: int = 0
    zero: int = 0
    near_zero: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @classmethod
    def of(cls, values: ArrayLike, kind: str = "value") -> Distribution:
        """That of some values, between the edges for a "value" or a "gradient"."""
        edges = EDGES[kind]
        given = np.asarray(values, np.float64).ravel()
        finite = given[np.isfinite(given)]
        nan = int(np.isnan(given).sum())
        size = np.abs(finite)
        with np.errstate(over="ignore"):  # of squares above 1e308
            squares = float(finite @ finite)
        return cls(
            edges,
            np.bincount(edges.searchsorted(finite, "right"), minlength=len(edges) + 1),
            nan=nan,
            infinite=len(given) - len(finite) - nan,
            zero=int((size == 0).sum()),
            near_zero=int((size <= NEAR_ZERO).sum()),
            total=float(finite.sum()),
            squares=squares,
            low=float(finite.min(initial=np.inf)),
            high=float(finite.max(initial=-np.inf)),
        )

    def __add__(self, other: Distribution) -> Distribution:
        """That of the values of both."""
        if self.edges.shape != other.edges.shape or not np.allclose(self.edges, other.edges, 1e-9):
            raise ValueError("distributions between different edges can't be added")
        return Distribution(
            self.edges,
            self.counts + other.counts,
            low=min(self.low, other.low),
            high=max(self.high, other.high),
            **{name: getattr(self, name) + getattr(other, name) for name in _NUMBERS[:-2]},
        )

    @property
    def finite(self) -> int:
        return int(self.counts.sum())

    @property
    def seen(self) -> int:
        """All values, NaN and ±inf among them."""
        return self.finite + self.nan + self.infinite

    @property
    def mean(self) -> float:
        """Of the finite values; NaN if there is none."""
        return self.total / self.finite if self.finite else np.nan

    @property
    def std(self) -> float:
        """Of the finite values, as `numpy.std` has it; NaN if there is none."""
        if not self.finite:
            return np.nan
        return float(np.sqrt(max(self.squares / self.finite - self.mean**2, 0.0)))

    def share(self, name: str) -> float:
        """The share of what was seen that is `zero`, `near_zero`, `nan` or `infinite`."""
        return getattr(self, name) / self.seen if self.seen else np.nan

    def quantile(self, q: float) -> float:
        """The value below which the share q of the finite ones is; NaN if there is none.

        Raises:
            ValueError: q is not a number from 0 to 1.
        """
        return float(self.quantiles([q])[0])

    def quantiles(self, q: ArrayLike) -> NDArray[np.float64]:
        """The same for several q. Within a bin the values are taken for evenly spread."""
        q = np.asarray(q, np.float64)
        if not ((q >= 0) & (q <= 1)).all():
            raise ValueError(f"quantiles: q must be numbers from 0 to 1, got {q.tolist()!r}")
        if not self.finite:
            return np.full(q.shape, np.nan)
        ends = np.concatenate([[self.low], self.edges, [self.high]]).clip(self.low, self.high)
        below = np.concatenate([[0], self.counts.cumsum()])
        return np.interp(q * self.finite, below, ends)

    def density(self) -> NDArray[np.float64]:
        """The share of the finite values in each bin between two edges, over the bin's width."""
        return self.counts[1:-1] / (max(self.finite, 1) * np.diff(self.edges))


@dataclass(eq=False)
class SiteRecord:
    """What a site did over some sampled steps.

    Args:
        pair: its text, as its numbers are in the first of them.
        steps: in how many of the steps the site was called.
        units: its units (channels: dimension 1 of its output), counted anew in each step.
        dead: those of them that put out one and the same value throughout the step's batch.
        measured: the points at which the reported derivative could be measured.
        saturated: those of them where it was at most 0.05 of the pair's largest.
        distributions: by the names of `QUANTITIES`.
    """

    pair: str
    steps: int = 0
    units: int = 0
    dead: int = 0
    measured: int = 0
    saturated: int = 0
    distributions: dict[str, Distribution] = field(
        default_factory=lambda: {
            name: Distribution.of([], kind) for name, kind in QUANTITIES.items()
        }
    )

    @property
    def dead_share(self) -> float:
        """Of the units, the mean over the steps; NaN if the site was never called."""
        return self.dead / self.units if self.units else np.nan

    @property
    def saturated_share(self) -> float:
        """Of the points at which it could be measured; NaN if there is none."""
        return self.saturated / self.measured if self.measured else np.nan


_COUNTS = ("steps", "units", "dead", "measured", "saturated")
_FORMAT = "surrogate probe 1"
_LARGEST = 2**28  # bytes of a file unpacked: it may be a stranger's


class Recording:
    """The records of all sites over epochs.

    >>> from surrogate.training.recording import Recording
    >>> Recording(["encoder.0.1"])
    Recording of 1 site over 0 epochs

    Args:
        sites: their names in the model.
    """

    def __init__(self, sites: Sequence[str]) -> None:
        self.sites = list(sites)
        self.epochs: list[int] = []
        self._records: dict[tuple[int, str], SiteRecord] = {}

    def add(self, epoch: int, records: Mapping[str, SiteRecord]) -> None:
        """The records of another epoch, or of one again, which takes the place of the earlier."""
        if epoch not in self.epochs:
            self.epochs.append(epoch)
        self._records |= {(epoch, site): records[site] for site in self.sites}

    def record(self, site: str, epoch: int) -> SiteRecord:
        """What a site did in an epoch.

        Raises:
            KeyError: there is no such site or epoch.
        """
        if site not in self.sites:
            raise KeyError(f"no site {site!r}{did_you_mean(site, self.sites)}")
        if epoch not in self.epochs:
            raise KeyError(f"no epoch {epoch!r}, there are {self.epochs}")
        return self._records[epoch, site]

    def distribution(
        self, quantity: str, sites: Iterable[str] | None = None, epochs: Iterable[int] | None = None
    ) -> Distribution:
        """That of a quantity over some sites and epochs; over all where none are named.

        Raises:
            KeyError: there is no such quantity, site or epoch.
        """
        if quantity not in QUANTITIES:
            raise KeyError(f"no quantity {quantity!r}, there are {', '.join(QUANTITIES)}")
        sites = self.sites if sites is None else list(sites)
        epochs = self.epochs if epochs is None else list(epochs)
        found = [
            self.record(site, epoch).distributions[quantity] for epoch in epochs for site in sites
        ]
        return reduce(add, found, Distribution.of([], QUANTITIES[quantity]))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as arrays by name: [epoch, site] first, then the bins or numbers."""
        records = [self._records[epoch, site] for epoch in self.epochs for site in self.sites]
        found: dict[str, Any] = {
            "sites": self.sites,
            "epochs": self.epochs,
            "pairs": [record.pair for record in records],
            "tallies": [[getattr(record, name) for name in _COUNTS] for record in records],
            **{f"{kind}.edges": edges for kind, edges in EDGES.items()},
        }
        for name in QUANTITIES:
            each = [record.distributions[name] for record in records]
            found[f"{name}.counts"] = [distribution.counts for distribution in each]
            found[f"{name}.numbers"] = [[getattr(d, number) for number in _NUMBERS] for d in each]
        dtypes = {"U": np.str_, "iu": np.int64, "f": np.float64}
        arrays = {
            name: np.array(found[name], dtypes[kinds]).reshape(shape)
            for name, (kinds, shape) in _layout(len(self.epochs), len(self.sites)).items()
        }
        return {"format": np.array(_FORMAT), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Recording:
        """What `to_arrays` returned.

        Raises:
            ValueError: they are something else.
        """
        if "format" not in arrays or str(arrays["format"]) != _FORMAT:
            raise ValueError(f"not a recording of the format {_FORMAT!r}")
        try:
            layout = _layout(arrays["epochs"].size, arrays["sites"].size)
            for name, (kinds, shape) in layout.items():
                _require_shape(name, arrays[name], kinds, shape)
            recording = cls([str(site) for site in arrays["sites"]])
            for i, epoch in enumerate(arrays["epochs"].tolist()):
                records = {
                    site: SiteRecord(
                        str(arrays["pairs"][i, j]),
                        **dict(zip(_COUNTS, arrays["tallies"][i, j].tolist(), strict=True)),
                        distributions={
                            name: _distribution(arrays, name, i, j) for name in QUANTITIES
                        },
                    )
                    for j, site in enumerate(recording.sites)
                }
                recording.add(epoch, records)
        except (KeyError, IndexError) as error:
            raise ValueError(f"the recording is damaged: {error}") from error
        return recording

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file, in one step; the same bytes for the same recording."""
        path = Path(path)
        arrays = {
            name: array.astype(np.min_scalar_type(array.max(initial=0)))
            if name.endswith(".counts")
            else array
            for name, array in self.to_arrays().items()
        }
        new = path.with_name(f".{path.name}.new")
        with new.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        os.replace(new, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recording:
        """Read a file that `save` wrote; nothing in it is executed.

        Raises:
            OSError: it can't be read.
            ValueError: it is no such file, or has more than 256 MB unpacked.
        """
        try:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise ValueError("it is not an ordinary file")
            with ZipFile(path) as packed:
                unpacked = sum(part.file_size for part in packed.infolist())
            if unpacked > _LARGEST:
                raise ValueError(f"it has {unpacked} bytes unpacked, more than {_LARGEST}")
            with np.load(path, allow_pickle=False) as found:
                return cls.from_arrays({name: found[name] for name in found.files})
        except (ValueError, EOFError, AttributeError, BadZipFile, MemoryError) as error:
            raise ValueError(f"{os.fspath(path)} is not a probe's recording: {error}") from error

    def __repr__(self) -> str:
        sites, epochs = counted(len(self.sites), "site"), counted(len(self.epochs), "epoch")
        return f"Recording of {sites} over {epochs}"


def _layout(epochs: int, sites: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The kinds of dtype, as numpy abbreviates them, and the shape of each array of a recording."""
    shape = (epochs, sites)
    layout = {
        "sites": ("U", shape[1:]),
        "epochs": ("iu", shape[:1]),
        "pairs": ("U", shape),
        "tallies": ("iu", (*shape, len(_COUNTS))),
        **{f"{kind}.edges": ("f", edges.shape) for kind, edges in EDGES.items()},
    }
    for name, kind in QUANTITIES.items():
        layout[f"{name}.counts"] = ("iu", (*shape, len(EDGES[kind]) + 1))
        layout[f"{name}.numbers"] = ("f", (*shape, len(_NUMBERS)))
    return layout


def _require_shape(name: str, array: NDArray[Any], kinds: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless a file's array is as `_layout` says; empty ones have any dtype."""
    if array.size == 0 and 0 in shape:
        return
    if array.dtype.kind not in kinds or array.dtype.itemsize == 0 or array.shape != shape:
        raise ValueError(f"{name} is of {array.dtype} and {array.shape}, not {shape}")


def _distribution(arrays: Mapping[str, NDArray[Any]], name: str, i: int, j: int) -> Distribution:
    numbers = dict(zip(_NUMBERS, arrays[f"{name}.numbers"][i, j].tolist(), strict=True))
    whole = {each: int(numbers.pop(each)) for each in _NUMBERS[:4]}
    edges = arrays[f"{QUANTITIES[name]}.edges"]
    counts = arrays[f"{name}.counts"][i, j].astype(np.int64)
    return Distribution(edges, counts, **whole, **numbers)
