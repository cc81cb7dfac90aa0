"""What every pair reports in every mode, and the same of other packages beside it.

    pip install '.[peers]'
    python -m experiments.peers -o docs/correctness.md

A package that is not installed gets a column that says so. Each is asked for a spike (the unit
step) with a bell-shaped surrogate gradient; its definition is what its own eager backward reports
in float64, so that a package is held to its own word.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import surrogate
from experiments.runs.provenance import commit
from surrogate.diagnostics.check import Report, Row
from surrogate.diagnostics.check.report import markdown, markdown_table

Spike = Callable[[Tensor], Tensor]

# What is asked: the name of the row, the mode of the self-check, the dtype.
QUESTIONS = (
    ("float64 kept", "dtype kept", torch.float64),
    ("vmap", "value in vmap", torch.float32),
    ("vmap(grad)", "vmap(grad)", torch.float32),
    ("func.grad", "func.grad", torch.float32),
    ("jvp", "func.jvp", torch.float32),
    ("second order", "create_graph, second order", torch.float32),
    ("compile + backward", "compiled backward", torch.float32),
    ("compile(func.grad)", "compiled func.grad", torch.float32),
    ("export, then train", "export, then backward", torch.float32),
)
ELEMENTS = 1024


@dataclass(frozen=True)
class Peer:
    """A package, and how its spike is made: what is named there is imported when it is needed."""

    name: str
    package: str
    spike: str
    make: Callable[[], Spike]


def _ours() -> Spike:
    return surrogate.get("Heaviside() / Blurred(width=0.25, kernel='logistic')")


def _snntorch() -> Spike:
    return import_module("snntorch.surrogate").sigmoid(slope=4)


def _spikingjelly() -> Spike:
    return import_module("spikingjelly.activation_based.surrogate").Sigmoid(alpha=4.0)


def _norse() -> Spike:
    tanh = import_module("norse.torch.functional.threshold").heavi_tanh_fn
    return lambda x: tanh(x, 2.0)


def _sinabs() -> Spike:
    activation = import_module("sinabs.activation")
    gaussian = activation.Gaussian()
    return lambda x: activation.SingleSpike.apply(x, 1.0, gaussian)


def _freegrad() -> Spike:
    freegrad = import_module("freegrad")
    activation = freegrad.Activation("Heaviside")

    def spike(x: Tensor) -> Tensor:
        with freegrad.use("triangular", params={"width": 1.0}):
            return activation(x)

    return spike


def _softtorch() -> Spike:
    softtorch: Any = import_module("softtorch")
    return lambda x: softtorch.heaviside_st(x, softness=0.25)


PEERS = (
    Peer("surrogate", "surrogate", "Heaviside / Blurred(0.25, 'logistic')", _ours),
    Peer("snnTorch", "snntorch", "sigmoid(slope=4)", _snntorch),
    Peer("SpikingJelly", "spikingjelly", "Sigmoid(alpha=4)", _spikingjelly),
    Peer("Norse", "norse", "heavi_tanh_fn(k=2)", _norse),
    Peer("sinabs", "sinabs", "SingleSpike, Gaussian()", _sinabs),
    Peer("FreeGrad", "freegrad", "Heaviside, triangular(width=1)", _freegrad),
    Peer("softtorch", "softtorch", "heaviside_st(softness=0.25)", _softtorch),
)


OLDEST = """## The oldest torch

Under torch 2.11, `python -m surrogate.check --all` finds no cell wrong. Its compiler cannot do the
following, and an error says so:

- a function or slope with a look-up table (Cantor, Perlin noise, a blurred staircase) under
  `torch.compile` and `surrogate.fuse`: tables are constants of the graph from torch 2.12 on;
- `Noisy` under `vmap`, compiled or not: torch 2.11 has no batching rule for `aten::view.dtype`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 1 if a pair of ours is wrong anywhere."""
    parser = argparse.ArgumentParser(prog="python -m experiments.peers", allow_abbrev=False)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the Markdown file")
    parser.add_argument("--act", nargs="+", default=surrogate.names(), help="pairs; default: all")
    parser.add_argument("--no_compile", action="store_true", help="leave out the compiled modes")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the cores")
    given = parser.parse_args(arguments)
    reports = []
    for report in checked(given.act, given.workers, compiled=not given.no_compile):
        reports.append(report)
        print(f"{report.subject}: {'ok' if report.ok else 'NOT ok'}", flush=True)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(document(reports), encoding="utf-8")
    print(given.output)
    return 0 if all(report.ok for report in reports) else 1


def checked(names: Sequence[str], workers: int, compiled: bool) -> Iterator[Report]:
    """The report of each pair, in order."""
    check = partial(check_one, compiled=compiled)
    if workers == 1:
        yield from map(check, names)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        yield from pool.map(check, names)


def check_one(name: str, compiled: bool) -> Report:
    return Report(name, surrogate.check(surrogate.get(name), compiled=compiled).rows)


def document(reports: Sequence[Report]) -> str:
    """docs/correctness.md: the matrix of our pairs, and the packages side by side."""
    return f"""# Correctness

Written by `python -m experiments.peers -o docs/correctness.md` with torch {torch.__version__},
Python {platform.python_version()}, on a CPU, at commit {commit() or "unknown"}. The modes,
tolerances and verdicts are those of `surrogate.check`:

- **right**: within the tolerance of the dtype of the definition in float64;
- **refuses**: an error that says why;
- **n/a**: nothing to compare with, or no such hardware;
- **WRONG**: something else, without any error;
- **error**: an error that explains nothing.

## Every pair in every mode

Counts are over pairs and dtypes; errors are fractions of the largest expected number. A cell of
the second table is the worst of the four dtypes.

{markdown(reports)}

## Side by side

A spike with a bell-shaped surrogate gradient in each package, held to the derivative that its own
eager backward reports in float64.

{side_by_side(PEERS)}

{OLDEST}"""


def side_by_side(peers: Sequence[Peer]) -> str:
    """The table of packages, and the reasons for what is not right."""
    columns: list[list[str]] = []
    notes: dict[str, list[str]] = {}
    for peer in peers:
        try:
            spike = peer.make()
        except ImportError:
            columns.append([peer.name, *["not installed"] * (len(QUESTIONS) + 3)])
            continue
        rows = [_asked(spike, mode, dtype) for _, mode, dtype in QUESTIONS]
        columns.append(
            [peer.name, _version(peer), f"`{peer.spike}`", *map(str, rows), _kept(spike)]
        )
        for (question, _, _), row in zip(QUESTIONS, rows, strict=True):
            if row.note:
                reason = f"- {peer.name} **{row.verdict}**: {row.note}"
                notes.setdefault(reason, []).append(question)
    reasons = [f"{reason} ({', '.join(asked)})" for reason, asked in notes.items()]
    questions = [question for question, _, _ in QUESTIONS]
    first = ["", "version", "spike", *questions, "bytes kept per element"]
    lines = [list(line) for line in zip(first, *columns, strict=True)]
    return "\n\n".join([markdown_table(lines), "\n".join(reasons)])


def _asked(spike: Spike, mode: str, dtype: torch.dtype) -> Row:
    (row,) = surrogate.check(spike, modes=[mode], dtypes=[dtype]).rows
    return row


def _kept(spike: Spike) -> str:
    return f"{surrogate.saved_bytes(spike, torch.randn(ELEMENTS)) / ELEMENTS:g}"


def _version(peer: Peer) -> str:
    return surrogate.__version__ if peer.package == "surrogate" else metadata.version(peer.package)
