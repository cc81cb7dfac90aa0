"""What a study is: activations × learning rates × seeds of one experiment, all else equal.

It is written as options or as a YAML file of the same keys, and becomes a list of runs, each as
`python -m experiments.<experiment>` would plan it.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import cli, options
from experiments.experiment import EXPERIMENTS, Experiment, named
from experiments.options import UsageError, make_parser
from experiments.runs import Run
from surrogate.core.messages import did_you_mean, shown

ENGINES = ("local", "ray")
MOST = 10_000  # seeds, or runs at a time


@dataclass(frozen=True)
class Study:
    """What is to be run, and how.

    Args:
        experiment: name of the experiment.
        acts: the activations, as text.
        seeds: of weights, data order and randomness.
        lrs: learning rates; the experiment's own one if there are none.
        baseline: activation that the others are compared with; "none" for none.
        metric: number of result.json that they are compared by.
        workers: runs at the same time; as many as there are cores if it is None.
        engine: what carries the runs out, of `ENGINES`.
        address: of the Ray cluster; one is started here if it is None.
        gpus: share of a GPU that each run gets from Ray.
        runs: the folder of all runs.
        settings: all others, of the experiment.
    """

    experiment: str
    acts: tuple[str, ...]
    seeds: tuple[int, ...]
    lrs: tuple[float, ...]
    baseline: str
    metric: str
    workers: int | None
    engine: str
    address: str | None
    gpus: float
    runs: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A run of a study, and the settings that its config.yaml is written from."""

    run: Run
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        lr = self.run.config["optimizer"]["lr"]
        return f"{self.run.act}, seed {self.run.seed}, learning rate {lr:g}"


def plan(study: Study, source: str | None) -> list[Job]:
    """The runs of a study, each once, a whole comparison of one seed before the next seed."""
    jobs: dict[str, Job] = {}
    for seed in study.seeds:
        for lr in study.lrs or (study.settings["optimizer"]["lr"],):
            settings = {
                **study.settings,
                "act": list(study.acts),
                "seed": seed,
                "baseline": study.baseline,
                "optimizer": {**study.settings["optimizer"], "lr": lr},
            }
            for run in cli.plan(study.experiment, settings, source):
                jobs.setdefault(run.digest, Job(run, settings))
    return list(jobs.values())


def one_of(*known: str) -> Callable[[Any], str]:
    def choice(value: Any) -> str:
        if value not in known:
            suggestion = did_you_mean(value, known)
            raise ValueError(f"must be one of {', '.join(known)}, got {value!r}{suggestion}")
        return value

    return choice


def count(value: Any) -> int:
    number = whole(value)
    if number == 0:
        raise ValueError("must be above 0, got 0")
    if number > MOST:
        raise ValueError(f"must be at most {MOST}, got {shown(value)}")
    return number


def whole(value: Any) -> int:
    if isinstance(value, bool | float) or not str(value).isdecimal() or int(value) >= 2**64:
        raise ValueError(f"must be a whole number, 0 or above, got {shown(value)}")
    return int(value)


def seeds(value: Any) -> tuple[int, ...]:
    """One number is how many, several are which."""
    values = value if isinstance(value, list) else [value]
    if len(values) == 1 and (isinstance(value, int) or isinstance(values[0], str)):
        return tuple(range(count(values[0])))
    return several(whole)(value)


def positive(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"must be a number above 0, got {value!r}")
    return number


def share(value: Any) -> float:
    return 0.0 if str(value) in ("0", "0.0") else positive(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, got {value!r}")
    return value


def several(kind: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A list of at least one, each once."""

    def values(value: Any) -> tuple[Any, ...]:
        listed = value if isinstance(value, list) else [value]
        if not listed:
            raise ValueError("must not be empty")
        return tuple(dict.fromkeys(kind(each) for each in listed))

    return values


def path(value: Any) -> Path:
    return Path(text(value)).expanduser()


def optional(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else kind(value)


# The experiment's settings that a study decides.
PLANNED = frozenset({"act", "seed", "baseline", "runs"})

# The keys of a study file, which are the options of the command: kind, default.
KEYS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "experiment": (one_of(*EXPERIMENTS), None),
    "acts": (several(lambda value: options.activation(text(value))), None),
    "seeds": (seeds, (0,)),
    "lrs": (several(positive), ()),
    "baseline": (lambda value: options.baseline(text(value)), "linear"),
    "metric": (optional(text), None),
    "workers": (optional(count), None),
    "engine": (one_of(*ENGINES), "local"),
    "address": (optional(text), None),
    "gpus": (share, 0.0),
    "runs": (path, Path("runs")),
}


def make_study(given: Mapping[str, Any], rest: Sequence[str]) -> Study:
    """The study that the options ask for, over those of a study file.

    Args:
        given: values of the options of a study, `config` and `settings` among them; None if absent.
        rest: the experiment's own options, over the settings.
    """
    in_file = read_file(given["config"]) if given["config"] else {}
    values: dict[str, Any] = {}
    for key, (kind, default) in KEYS.items():
        on_command_line = given[key] is not None
        if not on_command_line and key not in in_file:
            values[key] = default
            continue
        try:
            values[key] = kind(given[key] if on_command_line else in_file[key])
        except (ValueError, argparse.ArgumentTypeError) as error:
            where = f"--{key}" if on_command_line else f"{given['config']}: {key}"
            raise UsageError(f"{where}: {error}") from error
    for key in ("experiment", "acts"):
        if values[key] is None:
            known = f": {', '.join(EXPERIMENTS)}" if key == "experiment" else ""
            raise UsageError(f"no {key}: give --{key}, or a study file with --config{known}")
    values["metric"] = metric(values["metric"], named(values["experiment"]))
    if values["engine"] != "ray" and (values["address"] or values["gpus"]):
        raise UsageError("--address and --gpus are for --engine ray")
    if values["lrs"] and any(word.split("=")[0] == "--optimizer.lr" for word in rest):
        raise UsageError("both lrs and --optimizer.lr are given: which one is it?")
    layers = [layer for layer in (in_file.get("settings"), given["settings"]) if layer]
    return Study(**values, settings=settings(values["experiment"], layers, rest))


def metric(name: str | None, experiment: Experiment) -> str:
    """The number that activations are compared by, if it is one that each result.json has."""
    known = [*experiment.figures, "best_epoch", "epochs", "seconds", "images_per_second"]
    if name is not None and name not in known:
        raise UsageError(
            f"metric: must be one of {', '.join(known)}, got {name!r}{did_you_mean(name, known)}"
        )
    return name or experiment.score


def settings(experiment: str, layers: Sequence[Any], arguments: Sequence[str]) -> dict[str, Any]:
    """The experiment's settings, read by its own parser.

    Args:
        experiment: its name.
        layers: settings, or names of files of them, the later over the earlier.
        arguments: options over all of these.
    """
    words: list[str] = []
    for layer in layers:
        if isinstance(layer, Mapping) and (misplaced := PLANNED & layer.keys()):
            raise UsageError(f"settings: {min(misplaced)} is not one of them, but of the study")
        words += ["--config", layer if isinstance(layer, str) else json.dumps(layer)]
    words += arguments
    parser = make_parser(experiment, words)
    known = {*parser.get_defaults().keys(branches=True)} - {"config", *PLANNED}
    for word in arguments:
        name = word.split("=")[0]
        if word.startswith("--") and name.removeprefix("--") not in known:
            names = [
                f"--{key}" for key in (*known, *KEYS, "settings", "config", "dry-run", "import")
            ]
            raise UsageError(f"unknown option {name}{did_you_mean(name, names)}")
    values = options.parse(parser, words)
    if options.processes(values["trainer"]) > 1:
        raise UsageError(
            "a study trains each network in one process (trainer.devices and trainer.num_nodes "
            "are 1); --workers is how many at a time"
        )
    return values


def read_file(path: Path) -> dict[str, Any]:
    """What a study file says, its keys checked."""
    content = options.read_config(str(path))
    if not isinstance(content, dict):
        raise UsageError(f"--config {path}: a study file has keys such as {', '.join(KEYS)}")
    for key in content:
        if key not in (known := [*KEYS, "settings"]):
            raise UsageError(f"--config {path}: unknown key {key}{did_you_mean(key, known)}")
    if "address" in content:
        raise UsageError(
            f"--config {path}: address: only --address names a cluster, as its nodes run our code "
            "and answer with objects"
        )
    if isinstance(content.get("runs"), str):
        options.require_below(content["runs"], f"--config {path}")
    return content
