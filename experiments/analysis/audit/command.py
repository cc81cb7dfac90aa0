"""The command: audits runs, prints the table of what was found, draws the figures."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

import surrogate
from experiments.analysis.audit.figures import draw
from experiments.analysis.audit.files import Audited, audited, audits, publish, save
from experiments.analysis.audit.tables import table
from experiments.common.command import exit_code, import_files
from experiments.common.errors import RunError, UsageError
from experiments.common.files import below, plain_yaml, read_json
from experiments.runs.provenance import commit, versions
from experiments.runs.published import study_files
from experiments.tasks import experiment as experiments
from experiments.tasks.data import Images
from experiments.training.checkpoints import DamagedError, read
from surrogate.diagnostics.audit import Audit, Settings

Data = Callable[[str, str], Images[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code.

    0: all runs are audited; 2: for the reason given they are not; 130, 143: stopped by
    Ctrl-C or SIGTERM, and the same command goes on with the runs that are left.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code(
        lambda: command(arguments), after_a_signal=": the same command goes on with the next run"
    )


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.audit",
        description="How false the gradients of runs are: against the true ones, against those of "
        "the smoothed loss, between batches, and against what the loss does.",
        allow_abbrev=False,
    )
    default = Settings()
    option = parser.add_argument
    option(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="directories of runs, or above them; or published audits",
    )
    option("-o", "--output", type=Path, default=Path("runs"), metavar="DIR",
           help="folder for audit.png and audit_layers.png (runs)")  # fmt: skip
    option("--publish", type=Path, metavar="FILE.jsonl", help="keep what was found in this file")
    option("--compact", help=argparse.SUPPRESS)
    option("--sigma", type=float, default=default.sigma,
           help=f"how far the loss is smoothed ({default.sigma})")  # fmt: skip
    option("--pairs", type=int, default=default.pairs, metavar="N",
           help=f"of points, for the smoothed loss; 0 leaves it out ({default.pairs})")  # fmt: skip
    option("--layer_pairs", type=int, default=default.layer_pairs, metavar="N",
           help=f"the same for each layer ({default.layer_pairs})")  # fmt: skip
    option("--batch_size", type=int, metavar="N", help="images per batch (the run's own number)")
    option("--batches", type=int, default=8, metavar="N",
           help="of validation images; those after the first show the noise (8)")  # fmt: skip
    option("--seed", type=int, default=0, metavar="N", help="of images and random numbers (0)")
    option("--import", action="append", type=Path, dest="files", metavar="FILE.py", default=[],
           help="a file that registers activations (repeatable)")  # fmt: skip
    return parser


def command(arguments: Sequence[str]) -> int:
    given = make_parser().parse_args(arguments)
    if given.compact:
        raise UsageError("--compact DIR is now --publish FILE.jsonl: one file for a study")
    if given.batches < 1:
        raise UsageError(f"--batches must be above 0, got {given.batches}")
    if given.batch_size is not None and given.batch_size < 2:
        raise UsageError(f"--batch_size must be above 1, got {given.batch_size}")
    try:
        settings = Settings(given.sigma, given.pairs, given.layer_pairs, seed=given.seed)
    except (TypeError, ValueError) as error:
        raise UsageError(str(error).replace("Settings: ", "--")) from error
    import_files(given.files)
    words = shlex.join(["python", "-m", "experiments.audit", *arguments])
    wanted = {
        "sigma": settings.sigma,
        "pairs": settings.pairs,
        "layer_pairs": settings.layer_pairs,
        "steps": list(settings.steps),
        "seed": settings.seed,
        "batch_size": given.batch_size,
        "batches": given.batches,
    }
    places: dict[tuple[Path, str], Audited] = {}
    for path in given.runs:
        own = (
            published(path)
            if study_files(path)
            else (audit_of(directory, settings, wanted, words) for directory in directories(path))
        )
        places |= {(each.place, each.name): each for each in own}
    found = [*places.values()]
    print(table(found))
    try:
        for path in draw(found, given.output):
            print(path)
        if given.publish:
            publish(found, given.publish)
    except OSError as error:
        raise UsageError(f"cannot write to {error.filename}: {error.strerror}") from error
    return 0


def published(path: Path) -> list[Audited]:
    """The audits in a study's file, or in those of a folder."""
    found, problems = audits(path)
    if problems or not found:
        raise RunError("\n".join(problems) or f"no audit in {path}")
    return found


def directories(folder: Path) -> list[Path]:
    """The directories in and below a folder whose runs were trained or have been audited."""
    names = ("identity.json", "audit.json")
    found = sorted({path.parent for name in names for path in below(folder, name)})
    if not found:
        raise UsageError(f"no run in {folder}")
    return found


def audit_of(directory: Path, settings: Settings, wanted: Mapping[str, Any], words: str) -> Audited:
    """The audits of a run; those of before if they are of the same settings and weights."""
    earlier = audited(directory)
    weights = dict(checkpoints(directory))
    if earlier is not None and (
        not weights or (earlier.record["settings"] == wanted and earlier.epochs == [*weights])
    ):
        return earlier
    if not weights:
        raise UsageError(f"{directory} has no weights to audit: no epoch of it has ended")
    identity = read_json(directory / "identity.json")
    options = plain_yaml((directory / "config.yaml").read_text())["data"]
    images = data_of(identity["experiment"], json.dumps(options, sort_keys=True))
    result = read_json(directory / "result.json") or {}
    size = wanted["batch_size"] or images.batch_size
    found: dict[int, Audit] = {}
    for epoch, path in weights.items():
        print(f"{identity['act']}, seed {identity['seed']}, epoch {epoch}", file=sys.stderr)
        found[epoch] = audit_weights(path, images, settings, size, wanted["batches"])
    record = {name: identity[name] for name in ("experiment", "act", "text", "seed")} | {
        "settings": dict(wanted),
        "run": {name: result.get(name) for name in ("status", "test_loss", "command", "commit")},
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "commit": commit(),
        "command": words,
        "config": identity["config"],
    }
    save(directory, record, found)
    kept = audited(directory)
    assert kept is not None
    return kept


def checkpoints(directory: Path) -> Iterator[tuple[int, Path]]:
    """The weights that a run has kept, by the number of epochs behind them."""
    folder = directory / "checkpoints"
    kept = {
        int(number[1]): path
        for path in folder.glob("epoch*.ckpt")
        if (number := re.fullmatch(r"epoch(\d+)", path.stem))
    }
    if kept:
        yield from sorted(kept.items())
    elif (last := folder / "last.ckpt").exists():
        yield weights_in(last)["epoch"] + 1, last


def weights_in(path: Path) -> dict[str, Any]:
    """What a checkpoint holds."""
    try:
        return read(path)
    except DamagedError as error:
        raise RunError(f"{path} is damaged: {error}") from error


@lru_cache(maxsize=1)
def data_of(experiment: str, options: str) -> Images[Any]:
    """The images of an experiment with some options, as JSON: those of the last runs are kept."""
    return experiments.named(experiment).images(json.loads(options))


def audit_weights(
    path: Path, images: Images[Any], settings: Settings, size: int, batches: int
) -> Audit:
    """The audit of a checkpoint, in training mode, on the CPU in float32."""
    from experiments.training.module import Training

    weights_in(path)  # it is whole
    training = Training.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    chosen = batches_of(images, size, batches, settings.seed)
    return surrogate.audit(
        training.network.train(),
        lambda network, *batch: training.measures(network, *batch)["loss"],
        next(chosen),
        batches=chosen,
        sigma=settings.sigma,
        pairs=settings.pairs,
        layer_pairs=settings.layer_pairs,
        steps=settings.steps,
        seed=settings.seed,
    )


def batches_of(images: Images[Any], size: int, batches: int, seed: int) -> Iterator[list[Any]]:
    """Batches of validation images, each in one of them; as many as there are images for."""
    order = np.random.default_rng(seed).permutation(len(images.val))
    size = min(size, len(order))
    for start in range(0, min(batches * size, len(order) - size + 1), size):
        yield default_collate([images.val[index] for index in order[start : start + size].tolist()])
