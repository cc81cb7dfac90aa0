"""The command of all studies, of which a single run is the smallest: reads the settings, plans the
runs, lets an engine carry out those that have not ended, and prints their table.

Lightning, which takes seconds to import, is imported only when there is something to train.
"""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from experiments.analysis.report import summary
from experiments.common.command import console, exit_code
from experiments.common.errors import UsageError
from experiments.common.signals import Stopped, end_together
from experiments.runs.provenance import commit
from experiments.settings.options import processes
from experiments.settings.read import Settings, read_settings
from experiments.studies.engines.base import Engine, Orders
from experiments.studies.plan import plan
from experiments.studies.progress import print_end, print_plan, progress
from experiments.studies.scheduler import State, carry_out_all, look_up
from experiments.tasks.data import Images

log = logging.getLogger("experiments")


class Command(Protocol):
    def __call__(self, arguments: Sequence[str] | None = None) -> int: ...


def make_command(name: str, experiment: str | None = None, engine: str = "inline") -> Command:
    """The `main` of a command that trains.

    Args:
        name: the command's own name.
        experiment: the only one that it is for, if it is.
        engine: what carries the runs out unless the settings name another.
    """

    def main(arguments: Sequence[str] | None = None) -> int:
        """The command; returns its exit code.

        0: all runs finished; 1: some diverged or failed; 2: no more was done, for the reason given;
        130, 143: stopped by Ctrl-C or SIGTERM, and the same command goes on from there.
        """
        given = list(sys.argv[1:] if arguments is None else arguments)
        words = shlex.join(["python", "-m", f"experiments.{name}", *given])
        terminal = sys.stderr.isatty()

        def work() -> int:
            with console(terminal):
                settings = read_settings(name, given, experiment, engine)
                return carry_out(settings, words, terminal)

        return exit_code(work)

    return main


def carry_out(settings: Settings, words: str, terminal: bool) -> int:
    """Carries out the runs that have not ended; returns the exit code."""
    study = settings.study
    root = Path(study.runs).expanduser()
    states = look_up(plan(settings), root, settings.again)
    if settings.dry_run:
        print_plan(states, slots(settings, states))
        return 0
    inline = study.engine == "inline"
    say_what_is_done(states, inline)
    together = processes(settings.groups["trainer"]) > 1
    if together:
        end_together(first=is_first(settings))
    if not is_first(settings):
        follow(states, root, settings, words)
        return 0  # the first process says how it went
    if not all(state.ended for state in states):
        engine = make_engine(settings, states, words, terminal)
        try:
            make_folder(root)
            showing = nullcontext(log_note) if inline else progress(states, engine.slots, terminal)
            with showing as show:
                carry_out_all(states, root, engine, words, show, wait_for_others=not together)
        finally:
            engine.close()
    results: list[dict[str, Any]] = [dict(state.result) for state in states if state.result]
    print(summary(results, study.baseline, study.metric))
    print_end(states, root / settings.experiment.name, settings.run.logger)
    return 0 if all(state.status == "finished" for state in states) else 1


def say_what_is_done(states: Sequence[State], inline: bool) -> None:
    """Says which runs had ended before, and whether their code has changed since."""
    done = [state for state in states if state.ended]
    if inline:
        for state in done:
            run = state.job.run
            log.info("%s, seed %d: done before, in %s", run.act, run.seed, state.directory)
    elif done:
        log.info("%d of %d runs were done before", len(done), len(states))
    if other := [state for state in done if state.by_other_code]:
        acts = ", ".join(dict.fromkeys(state.job.run.act for state in other))
        log.warning("computed by other code: %s: run again with --again, or keep", acts)


def log_note(state: State | None) -> None:
    """Says what holds up a run; all else that happens to it is in the log already."""
    if state is not None and not state.ended:
        log.info("%s, seed %d: %s", state.job.run.act, state.job.run.seed, state.note)


def make_folder(root: Path) -> None:
    """Makes the folder of all runs, and sees that something can be written there."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".new-", dir=root):
            pass
    except OSError as error:
        raise UsageError(f"cannot keep runs in {root}: {error.strerror or error}") from error


def make_engine(settings: Settings, states: Sequence[State], words: str, terminal: bool) -> Engine:
    """The engine that the settings ask for, with the data that it trains on."""
    study = settings.study
    check_logger(settings.run.logger)
    every, logger = settings.run.checkpoint_every, settings.run.logger
    orders = Orders(words, settings.sources, 1, commit(), every, logger)
    if study.engine == "ray":
        from experiments.studies.engines.ray import Ray

        return Ray(study.workers, load_data(settings), orders, study.address, study.gpus)
    if study.engine == "local":
        from experiments.studies.engines.local import Local, start_server

        workers = slots(settings, states)
        orders = replace(orders, threads=max(1, cores() // workers))  # more of them are slower
        start_server(orders.threads)  # its imports take as long as what we do meanwhile
        data = load_data(settings)
        check_trainer(settings)
        return Local(workers, data, orders)
    data = load_data(settings)
    check_trainer(settings)
    from experiments.studies.engines.inline import Inline

    return Inline(data, orders, terminal)


def slots(settings: Settings, states: Sequence[State]) -> int:
    """Runs at the same time: as many as were asked for, or as there are cores for what is left."""
    if settings.study.engine == "inline":
        return 1
    left = sum(not state.ended for state in states)
    return settings.study.workers or max(1, min(cores(), left))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load_data(settings: Settings) -> Images[Any]:
    """The data that the settings ask for, if the network that they ask for can take it."""
    experiment, groups = settings.experiment, settings.groups
    images = experiment.images(groups["data"])
    model = {"act": "linear", "seed": 0, **groups["model"], **experiment.sizes(images)}
    try:
        experiment.check(model)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return images


def check_logger(name: str) -> None:
    """Raises UsageError if the package of a logger is missing."""
    if name in ("wandb", "mlflow"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            message = (
                f"--logger {name} needs {name}: pip install '.[{name}]' in the project's folder"
            )
            raise UsageError(message) from None


def check_trainer(settings: Settings) -> None:
    from experiments.training.trainer import check_trainer_options

    try:
        check_trainer_options(settings.groups["trainer"])
    except Exception as error:
        raise UsageError(f"the trainer's options cannot be met: {error}") from error


def is_first(settings: Settings) -> bool:
    """Whether this process, of those that train together, is the one that writes and prints.

    The others are started by it (or by torchrun, Slurm …) with the same command.
    """
    numbers = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    alone = processes(settings.groups["trainer"]) == 1
    return alone or all(int(os.environ.get(name, "0")) == 0 for name in numbers)


def follow(states: Sequence[State], root: Path, settings: Settings, words: str) -> None:
    """Takes part in the runs that the first process carries out, and says nothing."""
    from experiments.studies.engines.inline import Inline

    log.setLevel(logging.CRITICAL)
    orders = Orders(words, settings.sources, 1, None, settings.run.checkpoint_every)
    with suppress(Stopped, KeyboardInterrupt):
        engine = Inline(load_data(settings), orders, terminal=False, first=False)
        for state in states:
            if not state.ended:
                engine.start(state.job.run, state.job.run.wait_for(root))
                engine.wait(0)
