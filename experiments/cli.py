"""The command that all experiments share: which runs, one after another, and the table of them.

Lightning, which takes seconds to import, is imported only when there is something to train.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import quote

import torch
import yaml

import surrogate
from experiments import experiment as experiments
from experiments.data import DataError, Images
from experiments.options import UsageError, make_parser, parse, processes, readable_text
from experiments.report import table
from experiments.runs import HeldError, Run, RunError, held, read_json, require_result
from experiments.signals import Stopped, end_together, stopped_by_sigterm

BUILT_IN = frozenset(surrogate.names())

log = logging.getLogger("experiments")


def main(experiment: str, arguments: Sequence[str] | None = None) -> int:
    """Runs an experiment's command; returns its exit code.

    0: all runs finished; 1: some diverged or failed; 2: no more was done, for the reason given;
    130, 143: stopped by Ctrl-C or SIGTERM, and the same command goes on from there.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    terminal = sys.stderr.isatty()

    def work() -> int:
        with console(terminal):
            return command(experiment, arguments, terminal)

    return exit_code(work)


def exit_code(work: Callable[[], int], then: str = ": the same command goes on from there") -> int:
    """The exit code of a command's work; what ended it goes to stderr, and if that was a signal,
    what comes then."""
    try:
        with stopped_by_sigterm():
            return work()
    except SystemExit as done:  # after --help and --print_config
        return int(done.code or 0)
    # OSError: a folder that can't be written, a full disk
    except (UsageError, DataError, RunError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Stopped, KeyboardInterrupt) as error:
        stopped = error if isinstance(error, Stopped) else Stopped(signal.SIGINT)
        print(f"{stopped}{then}", file=sys.stderr)
        return stopped.code


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
    settings = parse(make_parser(experiment, rest), rest)
    if not settings["act"]:
        raise UsageError("no activation: name one or several with --act (--list-acts lists them)")
    root = Path(settings["runs"]).expanduser()
    runs = plan(experiment, settings, source)
    words = shlex.join(["python", "-m", f"experiments.{experiment}", *arguments])
    if processes(settings["trainer"]) > 1:
        end_together(first=is_first(settings))
    if not is_first(settings):
        log.setLevel(logging.CRITICAL)
        with suppress(Stopped, KeyboardInterrupt):
            carry_out_all(runs, root, settings, words, terminal=False)
        return 0  # the first process says how it went
    results = carry_out_all(runs, root, settings, words, terminal)
    print(table(results, settings["baseline"]))
    print(how_to_see(root / experiment))
    return 0 if all(result["status"] == "finished" for result in results) else 1


def import_files(files: Sequence[Path]) -> str | None:
    """Runs the user's files, each once; returns the digest of what they contain."""
    try:
        contents = [(str(path), path.read_bytes()) for path in files]
    except OSError as error:
        reason = f"{type(error).__name__}: {error}"
        raise UsageError(f"--import {error.filename}: {reason}") from error
    for path, content in contents:
        import_content(path, content)
    everything = b"".join(content for _, content in contents)
    return hashlib.sha256(everything).hexdigest() if files else None


def import_content(path: str, content: bytes) -> None:
    """Runs what a file of the user contains, once."""
    name = f"{Path(path).stem}_{hashlib.sha256(content).hexdigest()[:16]}"
    if name in sys.modules:
        return
    module = ModuleType(name)
    module.__file__ = path
    try:
        exec(compile(content, path, "exec"), module.__dict__)
    except Exception as error:
        raise UsageError(f"--import {path}: {type(error).__name__}: {error}") from error
    sys.modules[name] = module


def plan(experiment: str, settings: dict[str, Any], source: str | None) -> list[Run]:
    """The runs that the settings ask for, the baseline first, each once."""
    groups = (
        "compile",
        "channels_last",
        "model",
        "data",
        "loss",
        "optimizer",
        "schedule",
        "stopping",
        "trainer",
    )
    config = {name: settings[name] for name in groups if name in settings}
    kinds = experiments.named(experiment).data
    incidental = kinds[config["data"].get("name", next(iter(kinds)))].incidental
    config["data"] = {
        name: value for name, value in config["data"].items() if name not in incidental
    }
    if settings["keep_checkpoints"]:  # only then, so that other runs stay the runs that they are
        config["keep_checkpoints"] = True
    if settings["probe"]:
        config["probe"] = {"every": settings["probe_every"]}
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
        data = load_data(runs[0].experiment, settings)
        check_trainer(settings)
        from experiments.training import carry_out

        first, together = is_first(settings), processes(settings["trainer"]) > 1
        every = settings["checkpoint_every"]
        for run in waiting:
            try:
                if first:
                    directory = run.find(root) or run.create(root, config_yaml(run, settings))
                else:
                    directory = run.wait_for(root)
            except OSError as error:
                reason = error.strerror or error
                raise UsageError(f"cannot keep runs in {root}: {reason}") from error
            if together:  # nobody may wait, or leave out a run, without the others
                with held(directory, wait=False) if first else nullcontext():
                    results[run.act] = carry_out(
                        run, directory, data, words, terminal, first, checkpoint_every=every
                    )
            else:
                results[run.act] = carry_out_once(
                    run, root, directory, data, words, terminal, every
                )
    return [result for result in results.values() if result is not None]


def is_first(settings: dict[str, Any]) -> bool:
    """Whether this process, of those that train together, is the one that writes and prints.

    The others are started by it (or by torchrun, Slurm …) with the same command.
    """
    numbers = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    alone = processes(settings["trainer"]) == 1
    return alone or all(int(os.environ.get(name, "0")) == 0 for name in numbers)


def load_data(experiment: str, settings: dict[str, Any]) -> Images[Any]:
    """The data that the settings ask for, if the network that they ask for can take it."""
    kinds = experiments.named(experiment)
    images = kinds.images(settings["data"])
    try:
        with torch.device("meta"):
            kinds.network({"act": "linear", **settings["model"], **kinds.sizes(images)})
    except ValueError as error:
        raise UsageError(str(error)) from error
    return images


def check_trainer(settings: dict[str, Any]) -> None:
    from experiments.training import check_trainer_options

    try:
        check_trainer_options(settings["trainer"])
    except Exception as error:
        raise UsageError(f"the trainer's options cannot be met: {error}") from error


def carry_out_once(
    run: Run,
    root: Path,
    directory: Path,
    data: Images[Any],
    words: str,
    terminal: bool,
    every: float,
) -> dict[str, Any]:
    """Carries the run out, unless another process does: then its result is waited for."""
    from experiments.training import carry_out

    with ExitStack() as stack:
        try:
            stack.enter_context(held(directory, wait=False))
        except HeldError as error:
            log.info("%s, seed %d: %s; waiting for it", run.act, run.seed, error)
            stack.enter_context(held(directory))
        result = earlier_result(run, root)
        return result or carry_out(
            run, directory, data, words, progress_bar=terminal, checkpoint_every=every
        )


def earlier_result(run: Run, root: Path) -> dict[str, Any] | None:
    """How the run ended, if it has. One that failed is tried again: its cause may be gone."""
    directory = run.find(root)
    result = directory and read_json(directory / "result.json")
    if directory is None or result is None:
        return None
    require_result(directory, result)
    return result if result["status"] != "failed" else None


def config_yaml(run: Run, settings: dict[str, Any]) -> str:
    """The settings of one run, in the form that --config takes."""
    anneal = run.config.get("anneal", {"schedules": {}, "every": "step"})
    config = {
        "act": [run.act],
        "seed": run.seed,
        **run.config,
        "anneal": anneal["schedules"],
        "anneal_every": anneal["every"],
        "probe": "probe" in run.config,
        "probe_every": run.config.get("probe", {}).get("every", settings["probe_every"]),
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
