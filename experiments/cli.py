"""The command that all experiments share: which runs, one after another, and the table of them.

Lightning, which takes seconds to import, is imported only when there is something to train.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import yaml

import surrogate
from experiments.data import DataError, FashionMNIST
from experiments.options import UsageError, make_parser, parse, readable_text
from experiments.report import table
from experiments.runs import Run, RunError, read_json

BUILT_IN = frozenset(surrogate.names())

log = logging.getLogger("experiments")


def main(experiment: str, arguments: Sequence[str] | None = None) -> int:
    """Runs an experiment's command; returns its exit code.

    0: all runs finished; 1: some diverged or failed; 2: nothing was done, for the reason given;
    130: interrupted, and the same command goes on from there.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal = sys.stderr.isatty()
    try:
        with console(terminal):
            return command(experiment, arguments, terminal)
    except SystemExit as done:  # after --help and --print_config
        return int(done.code or 0)
    except (UsageError, DataError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from the last epoch", file=sys.stderr)
        return 130


def command(experiment: str, arguments: Sequence[str], terminal: bool) -> int:
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--import", action="append", default=[], type=Path, dest="files")
    early.add_argument("--list-acts", action="store_true")
    try:
        given, rest = early.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    source = import_files(given.files)
    if given.list_acts:
        for name in surrogate.names():
            print(f"{name:<20} {surrogate.get(name)}")
        return 0
    settings = parse(make_parser(experiment), rest)
    if not settings["act"]:
        raise UsageError("no activation: name one or several with --act (--list-acts lists them)")
    root = Path(settings["runs"]).expanduser()
    runs = plan(experiment, settings, source)
    words = shlex.join(["python", "-m", f"experiments.{experiment}", *arguments])
    results = carry_out_all(runs, root, settings, words, terminal)
    print(table(results, settings["baseline"]))
    print(how_to_see(root / experiment))
    return 0 if all(result["status"] == "finished" for result in results) else 1


def import_files(files: Sequence[Path]) -> str | None:
    """Runs the user's files, each once; returns the digest of what they contain."""
    digest = hashlib.sha256()
    for path in files:
        try:
            content = path.read_bytes()
            digest.update(content)
            name = f"{path.stem}_{hashlib.sha256(content).hexdigest()[:16]}"
            if name not in sys.modules:
                module = ModuleType(name)
                module.__file__ = str(path)
                exec(compile(content, str(path), "exec"), module.__dict__)
                sys.modules[name] = module
        except Exception as error:
            raise UsageError(f"--import {path}: {type(error).__name__}: {error}") from error
    return digest.hexdigest() if files else None


def plan(experiment: str, settings: dict[str, Any], source: str | None) -> list[Run]:
    """The runs that the settings ask for, the baseline first, each once."""
    groups = ("compile", "model", "data", "optimizer", "trainer")
    config = {name: settings[name] for name in groups}
    # Where the data lies does not change it.
    config["data"] = {name: value for name, value in config["data"].items() if name != "root"}
    annealed = {**config, **anneal_settings(settings)}
    acts = [] if settings["baseline"] == "none" else [settings["baseline"]]
    return [
        Run(
            experiment,
            act,
            text=readable_text(surrogate.get(act), otherwise=act),
            source=None if act.split("(")[0] in BUILT_IN else source,
            seed=settings["seed"],
            config=config if act in acts else annealed,
        )
        for act in dict.fromkeys([*acts, *settings["act"]])
    ]


def anneal_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """What --anneal adds to the config of a run, if it is given and fits each activation."""
    if not settings["anneal"]:
        return {}
    for act in settings["act"]:
        try:
            surrogate.Anneal(surrogate.get(act), settings["anneal"], steps=1)
        except ValueError as error:
            raise UsageError(f"--anneal for {act}: {error}") from error
    return {"anneal": {"schedules": settings["anneal"], "every": settings["anneal_every"]}}


def carry_out_all(
    runs: Sequence[Run], root: Path, settings: dict[str, Any], words: str, terminal: bool
) -> list[dict[str, Any]]:
    """The result of each run; those that have ended before, failures apart, are not run again."""
    results = {run.act: earlier_result(run, root) for run in runs}
    for run in runs:
        if results[run.act] is not None:
            log.info("%s, seed %d: done before, in %s", run.act, run.seed, run.find(root))
    waiting = [run for run in runs if results[run.act] is None]
    if waiting:
        data = FashionMNIST(**settings["data"])
        from experiments.training import carry_out, check_trainer_options

        try:
            check_trainer_options(settings["trainer"])
        except Exception as error:
            raise UsageError(f"the trainer's options cannot be met: {error}") from error
        for run in waiting:
            try:
                directory = run.find(root) or run.create(root, config_yaml(run, settings))
            except OSError as error:
                reason = error.strerror or error
                raise UsageError(f"cannot keep runs in {root}: {reason}") from error
            results[run.act] = carry_out(run, directory, data, words, progress_bar=terminal)
    return [result for result in results.values() if result is not None]


def earlier_result(run: Run, root: Path) -> dict[str, Any] | None:
    """How the run ended, if it has. One that failed is tried again: its cause may be gone."""
    directory = run.find(root)
    result = directory and read_json(directory / "result.json")
    return result if result and result["status"] != "failed" else None


def config_yaml(run: Run, settings: dict[str, Any]) -> str:
    """The settings of one run, in the form that --config takes."""
    anneal = run.config.get("anneal", {"schedules": {}, "every": "step"})
    config = {
        "act": [run.act],
        "seed": run.seed,
        **run.config,
        "anneal": anneal["schedules"],
        "anneal_every": anneal["every"],
        "data": settings["data"],
    }
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def how_to_see(folder: Path) -> str:
    """How to look at the curves: overlaid, an activation in one colour, epochs along x."""
    colour = quote("regex:^([^/]+)/", safe="")
    return (
        f"\nCurves: tensorboard --logdir {shlex.quote(str(folder))}\n"
        f"        http://localhost:6006/?tagFilter=%5Eloss&smoothing=0"
        f"&runColorGroup={colour}#timeseries"
    )


@contextmanager
def console(terminal: bool) -> Iterator[None]:
    """Shows the log on stderr; on a terminal a progress bar stands for the lines of epochs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.INFO)
    if terminal:
        handler.addFilter(lambda record: record.name != "experiments.epochs")
    log.setLevel(logging.DEBUG)  # all of it goes to log.txt
    log.propagate = False
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
