"""The settings of a command, read from config files and options in LightningCLI's conventions."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import ArgumentParser, DefaultHelpFormatter

import surrogate
from experiments import experiment as experiments
from experiments.experiment import Experiment
from experiments.fast import with_fast
from experiments.files import LARGEST_YAML, FileError, plain_yaml, read_text
from experiments.numbers import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from experiments.optimization import OptimizerOptions, ScheduleOptions, make_optimizer
from experiments.runs import flat
from surrogate.core.messages import did_you_mean, shown

CONFIGS = Path(__file__).parent.parent / "configs"


# What would take all of the machine, by a slip or by a hostile file, before anything is trained.
MOST = {
    "data.batch_size": 2**20,
    "data.size": 2**12,
    "data.workers": 256,
    "trainer.devices": 256,
    "trainer.num_nodes": 2**12,
}

GROUPS = ("model", "data", "loss", "optimizer", "schedule", "stopping", "trainer")

# The types of numbers in the parser's messages, in words.
NUMBERS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or above",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number, 0 or above",
    "ClosedUnitInterval": "a number from 0 to 1",
    "OpenUnitInterval": "a number between 0 and 1",
}


class UsageError(Exception):
    """What the user asked for cannot be done; the message says why in a few lines."""


@dataclass
class StoppingOptions:
    """When to stop before the last epoch.

    Args:
        patience: stop after so many epochs that are no better on the validation images than the
            best; then its figures are the run's, and its weights are kept.
    """

    patience: PositiveInt | None = None


@dataclass
class TrainerOptions:
    """The options of Lightning's Trainer that change what is computed.

    Args:
        max_epochs: epochs to train for.
        accelerator: where to compute: auto, cpu, gpu, mps.
        devices: processes that train one network together, on a device each.
        num_nodes: hosts that do so; the command is started on each, and they share --runs.
        strategy: how they do: auto, or ddp: each takes its share of every batch, and the gradients
            are averaged (BatchNorm sees the share alone).
        precision: of the arithmetic.
        gradient_clip_val: longest gradient, by its norm.
        deterministic: refuse algorithms that may give other bits each time.
        detect_anomaly: find the operation whose gradient is NaN (slow).
    """

    max_epochs: PositiveInt = 3
    accelerator: str = "auto"
    devices: PositiveInt = 1
    num_nodes: PositiveInt = 1
    strategy: str = "auto"
    precision: Literal["32-true", "bf16-mixed", "64-true"] = "32-true"
    gradient_clip_val: PositiveFloat | None = None
    deterministic: bool = False
    detect_anomaly: bool = False


def activation(text: str) -> str:
    """The text of an activation in the form that names its runs, if it is one.

    A name of the catalogue stays; a pair is written as the library writes it.
    """
    try:
        pair = surrogate.get(text)
    except Exception as error:  # a user's factory may raise anything
        # jsonargparse shows the message of no other error.
        raise argparse.ArgumentTypeError(str(error)) from error
    named = "/" not in text and text.partition("(")[0].strip() in surrogate.names()
    return "".join(text.split()) if named else readable_text(pair, text)


def readable_text(pair: surrogate.SurrogateActivation, otherwise: str) -> str:
    """The pair as text, or, where parts of it have no text form, something else that names it."""
    try:
        surrogate.get(str(pair))
    except ValueError:
        return otherwise
    return str(pair)


def baseline(text: str) -> str:
    return text if text == "none" else activation(text)


class HelpFormatter(DefaultHelpFormatter):
    """Help without the Python types, which say little to people, and short paths of configs."""

    def _get_type_str(self, action: argparse.Action) -> None:
        return None

    def add_text(self, text: str | None) -> None:
        super().add_text(text and text.replace(str(CONFIGS), CONFIGS.name))


def make_parser(experiment: str, arguments: Sequence[str] = ()) -> ArgumentParser:
    """The parser of an experiment's options; every one of them is a config key as well.

    The options of the network and of the data are those of the ones that the arguments choose.
    """
    kinds = experiments.named(experiment)
    chosen = choices(kinds, arguments)
    network = kinds.networks[chosen["model"]]
    parser = ArgumentParser(
        prog=f"python -m experiments.{experiment}",
        usage=f"python -m experiments.{experiment} --act NAME [NAME …] [options]",
        description="Trains a network once per activation, and compares the losses.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
        default_config_files=[str(CONFIGS / network.config)],
    )
    parser.add_argument("--config", action="config", help="YAML file of settings, over the default")
    parser.add_argument(
        "--act",
        type=activation,
        nargs="+",
        default=[],
        metavar="NAME",
        help='names, or text: "Sign() / Constant(1)"',
    )
    parser.add_argument(
        "--baseline",
        type=baseline,
        default="linear",
        metavar="NAME",
        help="activation to compare with, or none",
    )
    parser.add_argument(
        "--seed", type=NonNegativeInt, default=0, help="seed of weights, data order, randomness"
    )
    parser.add_argument(
        "--runs", type=str, default="runs", metavar="DIR", help="where runs are kept"
    )
    parser.add_argument(
        "--checkpoint_every",
        type=NonNegativeFloat,
        default=60.0,
        metavar="SECONDS",
        help="between checkpoints within an epoch",
    )
    parser.add_argument(
        "--anneal",
        type=dict[str, str],
        default={},
        metavar="PATH: SCHEDULE",
        help="numbers of the pairs (but the baseline's) that change in training: "
        '"derivative.width: cosine(1.0, 0.05)"; several in braces',
    )
    parser.add_argument(
        "--anneal_every",
        type=Literal["step", "epoch"],
        default="step",
        help="when they change: at each",
    )
    parser.add_argument(
        "--probe", type=bool, default=False, help="record to probe.npz what pairs see"
    )
    parser.add_argument(
        "--probe_every", type=PositiveInt, default=50, metavar="N", help="in one of N steps"
    )
    parser.add_argument(
        "--compile",
        type=bool,
        default=False,
        metavar="true|false",
        help="compile the network first",
    )
    parser.add_argument("--channels_last", type=bool, default=False, help="channels last in memory")
    parser.add_argument(
        "--fast",
        type=Literal["auto", "off"],
        default="off",
        help="auto: these and bfloat16 if they pay",
    )
    parser.add_argument(
        "--keep_checkpoints", type=bool, default=False, help="the weights of every epoch"
    )
    groups: dict[str, type] = {  # of the names in GROUPS
        "model": network.kind,
        "data": kinds.data[chosen["data"]],
        "loss": kinds.measures,
        "optimizer": OptimizerOptions,
        "schedule": ScheduleOptions,
        "stopping": StoppingOptions,
        "trainer": TrainerOptions,
    }
    for name, kind in groups.items():
        parser.add_class_arguments(kind, name, skip={"act", "seed", *kinds.of_the_data})
        if name in chosen and len(offered(kinds)[name]) > 1:
            assert parser.groups is not None
            parser.groups[name].add_argument(
                f"--{name}.name",
                type=Literal[*offered(kinds)[name]],
                default=chosen[name],
                help="which one; the options here are its own",
            )
    # Read by the command before all others, so that --act knows what they bring.
    parser.epilog = (
        "--list-acts lists the names; --import FILE.py (repeatable) runs a file that registers more"
    )
    return parser


def offered(experiment: Experiment) -> dict[str, Mapping[str, Any]]:
    """What there is a choice of, by its group of options."""
    return {"model": experiment.networks, "data": experiment.data}


def choices(experiment: Experiment, arguments: Sequence[str]) -> dict[str, str]:
    """The names of the network and of the data that the arguments and their configs choose."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config", type=names_in, action="append", dest="found", default=[])
    for group in offered(experiment):
        early.add_argument(
            f"--{group}.name",
            type=lambda name, group=group: {group: name},
            action="append",
            dest="found",
        )
    try:
        found: list[dict[str, str]] = early.parse_known_args(list(arguments))[0].found
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error
    asked = {group: name for each in found for group, name in each.items()}  # the last one wins
    for group, name in asked.items():
        if name not in offered(experiment)[group]:
            known = list(offered(experiment)[group])
            hint = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"unknown {group}.name {name!r}{hint}")
    first = {group: next(iter(kinds)) for group, kinds in offered(experiment).items()}
    network = experiment.networks[asked.get("model", first["model"])]
    return first | names_in(str(CONFIGS / network.config)) | asked


def names_in(config: str) -> dict[str, str]:
    """The names of the network and of the data in a config, a file or JSON; none if unreadable."""
    try:
        settings = read_config(config)
        groups = {group: settings[group] for group in ("model", "data") if group in settings}
        return {group: str(each["name"]) for group, each in groups.items() if "name" in each}
    except (UsageError, TypeError):
        return {}  # the parser says what is wrong


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """The settings as plain values."""
    for config in configs_in(arguments):
        check_config(config)
    try:
        settings = parser.parse_args(with_lists(parser, arguments))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        raise UsageError(explain(str(error), parser)) from error
    values = json.loads(parser.dump(settings, format="json", skip_unset=False))
    given = flat(values)
    for action in parser._actions:  # null, where the parser takes it but the option does not
        if action.default not in (None, argparse.SUPPRESS) and given.get(action.dest, 0) is None:
            raise UsageError(f"{action.dest} must not be null")
    check(values)
    return with_fast(values)


def configs_in(arguments: Sequence[str]) -> list[str]:
    """What follows each --config."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    early.add_argument("--config", action="append", default=[], dest="found")
    return early.parse_known_args(list(arguments))[0].found


def check_config(config: str) -> None:
    """Raises what a config, a file or JSON, may not have, as it may come from a stranger."""
    content = read_config(config)
    if not isinstance(content, Mapping):
        return  # the parser says what is wrong
    for key, value in content.items():
        if key == "config":
            raise UsageError(f"--config {config}: a config names no other config")
        if key in GROUPS and not isinstance(value, Mapping):
            raise UsageError(f"--config {config}: {key} must be a mapping of settings")
    if isinstance(content.get("runs"), str):
        require_below(content["runs"], f"--config {config}")


def require_below(runs: str, source: str) -> None:
    """Raises UsageError unless a folder of runs that a file names is below the working one."""
    path = Path(runs)
    if path.is_absolute() or ".." in path.parts or runs.startswith("~"):
        raise UsageError(
            f"{source}: runs: a file can only name a folder below the working directory, got "
            f"{runs!r}; --runs can name any"
        )


def read_config(config: str) -> Any:
    """What a config holds, a file or JSON."""
    try:
        text = config if config.startswith("{") else read_text(Path(config), LARGEST_YAML)
        return plain_yaml(text)
    except OSError as error:
        raise UsageError(f"--config {config}: {error.strerror}") from error
    except FileError as error:
        raise UsageError(f"--config {config} cannot be read: {error}") from error


def with_lists(parser: ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """`--model.hidden 512 256` in the form that the parser takes: `--model.hidden "[512, 256]"`."""
    defaults = flat(parser.get_defaults().as_dict())
    options: list[list[str]] = []
    for word in arguments:
        if word.startswith("--") or not options:
            options.append([])
        options[-1].append(word)
    joined: list[str] = []
    for option, *values in options:
        is_list = len(values) > 1 or (values and isinstance(defaults.get(option[2:]), list))
        if is_list and option != "--act" and not values[0].startswith("["):
            values = [f"[{', '.join(values)}]"]
        joined += [option, *values]
    return joined


def check(settings: Mapping[str, Any]) -> None:
    """Raises what is wrong with settings that are right each for itself."""
    try:
        make_optimizer([torch.nn.Parameter(torch.zeros(1))], settings["optimizer"])
    except ValueError as error:
        raise UsageError(str(error)) from error
    for name, value in flat(settings).items():
        most = MOST.get(name)
        if most is not None and value > most:
            raise UsageError(f"{name} must be at most {most}, got {shown(value)}")
    batch_size, count = settings["data"]["batch_size"], processes(settings["trainer"])
    if batch_size % count:
        raise UsageError(
            f"data.batch_size must be a multiple of {count}, the number of processes that share a "
            f"batch, got {batch_size}"
        )


def processes(trainer: Mapping[str, Any]) -> int:
    """How many processes train together."""
    return trainer["devices"] * trainer["num_nodes"]


def explain(message: str, parser: ArgumentParser) -> str:
    """The parser's message in fewer words, with a suggestion for a name that does not exist."""
    known = [key for key in parser.get_defaults().keys(branches=True) if key != "config"]
    if option := re.match(r"unrecognized arguments: (\S+)", message):
        word = option[1].split("=")[0]
        options = [f"--{key}" for key in (*known, "config", "list-acts", "import", "print_config")]
        return f"unknown option {word}{did_you_mean(word, options)}"
    if key := re.search(r"Option '(.+)' is not accepted", message):
        return f"unknown config key {key[1]}{did_you_mean(key[1], known)}"
    if key := re.search(r"Group '(.+)' does not accept option '(.+)'", message):
        return f"unknown config key {key[1]}.{key[2]}{did_you_mean(f'{key[1]}.{key[2]}', known)}"
    message = re.sub(r'Parser key "(.+?)":\s*', r"\1: ", message)
    if kind := re.search("|".join(NUMBERS), message):
        value = re.search(r"Given value: (.+)", message) or re.search(
            r"(\S+) does not conform|: '(.+)'$", message
        )
        given = f", got {value[value.lastindex or 0]}" if value else ""
        return f"{message.split(':')[0]} must be {NUMBERS[kind[0]]}{given}"
    return message
