"""The parser of all commands that train: LightningCLI's conventions, and shorter messages."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from experiments.settings.options import RunOptions, StoppingOptions, StudyOptions, TrainerOptions
from experiments.tasks.experiment import Experiment
from experiments.training.optimization import OptimizerOptions, ScheduleOptions
from surrogate.core.messages import did_you_mean

CONFIGS = Path(__file__).parent.parent.parent / "configs"

# The types of numbers in the parser's messages, in words.
NUMBERS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or above",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number, 0 or above",
    "ClosedUnitInterval": "a number from 0 to 1",
    "OpenUnitInterval": "a number between 0 and 1",
}

# The options that `experiments.settings.read` takes from the command line before the parser.
FLAGS = ("list_acts", "dry_run", "again")
EARLY = ("import", "experiment", "config", *FLAGS)


class HelpFormatter(DefaultHelpFormatter):
    """Help without the Python types, which say little to people."""

    def _get_type_str(self, action: argparse.Action) -> None:
        return None

    def _get_help_string(self, action: argparse.Action) -> str:
        return super()._get_help_string(action) if action.default else action.help or ""

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """`--model.channels X` for `--model.channels CHANNELS`, and no second form of lists."""
        text = re.sub(r", --\S+\+ .*", "", super()._format_action_invocation(action))
        name = action.dest.rpartition(".")[2].upper()
        return text.replace(f" {name}", " X").replace("[ITEM,...]", "X [X …]")


def groups(experiment: Experiment, chosen: Mapping[str, str]) -> dict[str, type]:
    """The groups of options and what each is made from, for the chosen network and data."""
    return {
        "model": experiment.offered(chosen["model"]).kind,
        "data": experiment.data[chosen["data"]],
        "loss": experiment.measures,
        "optimizer": OptimizerOptions,
        "schedule": ScheduleOptions,
        "stopping": StoppingOptions,
        "trainer": TrainerOptions,
    }


def choices(experiment: Experiment) -> dict[str, tuple[str, ...]]:
    """The groups that have a `name`, and the names that there are; the first is the default."""
    return {"model": tuple(experiment.networks), "data": tuple(experiment.data)}


def make_parser(command: str, experiment: Experiment, chosen: Mapping[str, str]) -> ArgumentParser:
    """The parser of the options, each of which is a config key as well.

    Args:
        command: the command's name, for the help.
        experiment: whose options there are.
        chosen: the names of the network and of the data, whose options these are.
    """
    parser = ArgumentParser(
        prog=f"python -m experiments.{command}",
        usage=f"python -m experiments.{command} --act NAME [NAME …] [options]",
        description="Trains a network once per activation, learning rate and seed, and compares "
        "the results.",
        epilog="--import FILE.py (repeatable) runs a file that registers activations or an "
        "experiment; --experiment NAME is the experiment of compare; --list_acts lists the "
        "activations; --dry_run lists the runs, and how long the rest may take; --again carries "
        "out anew what was computed by other code.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    parser.add_argument("--config", action="config", help="YAML file of settings (repeatable)")
    for options in (StudyOptions, RunOptions):
        parser.add_class_arguments(options, None)
    for name, kind in groups(experiment, chosen).items():
        parser.add_class_arguments(kind, name, skip={"act", "seed", *experiment.of_the_data})
        names = choices(experiment).get(name, ())
        if len(names) > 1:
            assert parser.groups is not None
            parser.groups[name].add_argument(
                f"--{name}.name",
                type=Literal[*names],
                default=chosen[name],
                help="which one; the options here are its own",
            )
    for action in parser._actions:
        if action.dest in groups(experiment, chosen):  # a file of its own for each group
            action.help = argparse.SUPPRESS
        elif action.dest == "print_config":
            action.help = "print the settings as a config and exit"
    return parser


def known_names(parser: ArgumentParser) -> set[str]:
    """The dotted names of all options."""
    return set(parser.get_defaults().keys(branches=True))


def explain(message: str, parser: ArgumentParser) -> str:
    """The parser's message in fewer words, with a suggestion for a name that does not exist."""
    known = sorted(known_names(parser) - {"config"})
    if option := re.match(r"unrecognized arguments: (\S+)", message):
        word = option[1].split("=")[0]
        options = [f"--{key}" for key in (*known, *EARLY, "print_config")]
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
