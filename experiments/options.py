"""The settings of a command, read from config files and options in LightningCLI's conventions."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentParser, DefaultHelpFormatter

import surrogate
from experiments.data import FashionMNIST
from experiments.networks import NETWORKS
from experiments.numbers import NonNegativeInt, PositiveFloat, PositiveInt
from surrogate.describe import did_you_mean

CONFIGS = Path(__file__).parent.parent / "configs"


# The types of numbers in the parser's messages, in words.
NUMBERS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number, 0 or above",
    "PositiveFloat": "a number above 0",
}


class UsageError(Exception):
    """What the user asked for cannot be done; the message says why in a few lines."""


@dataclass
class AdamOptions:
    """Adam, which trains every network.

    Args:
        lr: the learning rate.
    """

    lr: PositiveFloat = 1e-3


@dataclass
class TrainerOptions:
    """The options of Lightning's Trainer that change what is computed.

    Args:
        max_epochs: epochs to train for.
        accelerator: where to compute: auto, cpu, gpu, mps.
        precision: of the arithmetic.
        gradient_clip_val: longest gradient, by its norm (not clipped by default).
        deterministic: refuse algorithms that may give other bits each time.
        detect_anomaly: find the operation whose gradient is NaN (slow).
    """

    max_epochs: PositiveInt = 3
    accelerator: str = "auto"
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
    return readable_text(pair, text) if "/" in text else "".join(text.split())


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
    """Help without the Python types, which say little to people."""

    def _get_type_str(self, action: argparse.Action) -> None:
        return None


def make_parser(experiment: str) -> ArgumentParser:
    """The parser of an experiment's options; every one of them is a config key as well."""
    parser = ArgumentParser(
        prog=f"python -m experiments.{experiment}",
        usage=f"python -m experiments.{experiment} --act NAME [NAME …] [options]",
        description="Trains a network once per activation, and compares the losses.",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
        default_config_files=[str(CONFIGS / "laptop.yaml")],
    )
    parser.add_argument("--config", action="config", help="YAML file of settings, over the default")
    parser.add_argument(
        "--act",
        type=activation,
        nargs="+",
        default=[],
        metavar="NAME",
        help='activations: names, or pairs as text: "Staircase(step=0.5) / Constant(1)"',
    )
    parser.add_argument(
        "--baseline",
        type=baseline,
        default="linear",
        metavar="NAME",
        help="activation to compare with, run first unless it has been; none for none",
    )
    parser.add_argument(
        "--seed", type=NonNegativeInt, default=0, help="seed of weights, data order, randomness"
    )
    parser.add_argument(
        "--runs", type=str, default="runs", metavar="DIR", help="where runs are kept"
    )
    parser.add_argument(
        "--anneal",
        type=dict[str, str],
        default={},
        metavar="PATH: SCHEDULE",
        help='numbers of the pairs that change while training: "derivative.width: '
        'cosine(1.0, 0.05)"; several in braces; the baseline is left alone',
    )
    parser.add_argument(
        "--anneal_every",
        type=Literal["step", "epoch"],
        default="step",
        help="whether they change at each step or at each epoch",
    )
    parser.add_argument("--compile", type=bool, default=False, help="compile the network first")
    parser.add_class_arguments(NETWORKS[experiment], "model", skip={"act", "seed"})
    parser.add_class_arguments(FashionMNIST, "data")
    parser.add_class_arguments(AdamOptions, "optimizer")
    parser.add_class_arguments(TrainerOptions, "trainer")
    # Read by the command before all others, so that --act knows what they bring.
    parser.epilog = (
        "--list-acts lists the names; --import FILE.py (repeatable) runs a file that registers more"
    )
    return parser


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> dict[str, Any]:
    """The settings as plain values."""
    try:
        settings = parser.parse_args(list(arguments))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        raise UsageError(explain(str(error), parser)) from error
    return json.loads(parser.dump(settings, format="json", skip_unset=False))


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
        value = re.search(r"Given value: (.+)|(\S+) does not conform|: '(.+)'$", message)
        given = f", got {value[value.lastindex or 0]}" if value else ""
        return f"{message.split(':')[0]} must be {NUMBERS[kind[0]]}{given}"
    return message
