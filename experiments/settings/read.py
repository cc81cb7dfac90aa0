"""Reads all that a command was asked for, once: its options, and the configs that they name."""

from __future__ import annotations

import argparse
import json
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from jsonargparse import ArgumentParser

import surrogate
from experiments.common.command import Source, import_files
from experiments.common.errors import UsageError
from experiments.common.files import LARGEST_YAML, FileError, flat, plain_yaml, read_text
from experiments.settings.options import RunOptions, StudyOptions, processes
from experiments.settings.parser import (
    CONFIGS,
    EARLY,
    FLAGS,
    choices,
    explain,
    groups,
    known_names,
    make_parser,
)
from experiments.tasks.experiment import BUILT_IN, Experiment, named, names
from experiments.training.fast import with_fast
from experiments.training.optimization import make_optimizer
from surrogate.core.messages import did_you_mean, shown

# What would take all of the machine, by a slip or by a hostile file, before anything is trained.
MOST = {
    "data.batch_size": 2**20,
    "data.size": 2**12,
    "data.workers": 256,
    "trainer.devices": 256,
    "trainer.num_nodes": 2**12,
    "workers": 10_000,
}
MOST_SEEDS = 10_000
NULL = (None, argparse.SUPPRESS)  # defaults of options that may be left without a value

# Old names of options and config keys, and what took their place.
RENAMED = {
    "acts": "act",
    "seeds": "seed, which takes the seeds themselves: 0 1 2, or 0-2",
    "lrs": "lr",
    "optimizer.lr": "lr",
    "settings": "config, and in a file the settings stand at its top level",
    "dry-run": "dry_run",
    "list-acts": "list_acts",
}


@dataclass(frozen=True)
class Settings:
    """What a command was asked for.

    Args:
        experiment: what is trained.
        study: which runs, and who carries them out.
        run: how each is carried out.
        groups: the options of the network, the data, the loss, the optimiser …, as plain values.
        sources: the user's files that were run.
        dry_run: whether the runs are only listed.
        again: whether runs that ended before, but were computed by other code, are done again.
    """

    experiment: Experiment
    study: StudyOptions
    run: RunOptions
    groups: Mapping[str, Mapping[str, Any]]
    sources: tuple[Source, ...] = ()
    dry_run: bool = False
    again: bool = False

    @property
    def lr(self) -> tuple[float, ...]:
        """The learning rates."""
        return tuple(self.study.lr or [self.groups["optimizer"]["lr"]])


class Option(NamedTuple):
    """An option of the command line, without its hyphens, and the words that follow it."""

    name: str
    values: tuple[str, ...]


def read_settings(
    command: str, arguments: Sequence[str], experiment: str | None = None, engine: str = "inline"
) -> Settings:
    """The settings that the arguments of a command ask for.

    What comes later on the command line, option or config, wins over what comes before it, and all
    win over the defaults of the network, which are those of its file in configs/.

    Args:
        command: its name.
        arguments: as they were typed.
        experiment: its name, where the command has one.
        engine: the default one.

    Raises:
        UsageError: something is wrong with them.
        SystemExit: `--help`, `--print_config` or `--list_acts` has been answered.
    """
    options = split(arguments)
    sources = import_files([Path(path) for path in each_of(options, "import")])
    if any(option.name == "list_acts" for option in options):
        print("\n".join(f"{name:<20} {surrogate.get(name)}" for name in surrogate.names()))
        raise SystemExit(0)
    configs = [read_config(config) for config in each_of(options, "config")]
    kinds = named(experiment_name(options, configs, experiment))
    chosen, defaults = choose(kinds, options, configs)
    parser = make_parser(command, kinds, chosen)
    never_null = [each.dest for each in parser._actions if each.default not in NULL]
    own = {"engine": engine, **flat(defaults)}
    parser.set_defaults({name: own[name] for name in own.keys() & known_names(parser)})
    default = flat(parser.get_defaults().as_dict())
    lists = {name for name, value in default.items() if isinstance(value, list)}
    words, rest = [], iter(configs)
    for option in options:
        if option.name == "config":
            words.append(f"--config={inline(next(rest))}")
        elif option.name not in EARLY:
            words += as_words(option, lists)
    values = with_fast(parse(parser, words, never_null))
    settings = Settings(
        kinds,
        StudyOptions(**{each.name: values[each.name] for each in fields(StudyOptions)}),
        RunOptions(**{each.name: values[each.name] for each in fields(RunOptions)}),
        {name: values[name] for name in groups(kinds, chosen) if name in values},
        sources,
        *(any(option.name == flag for option in options) for flag in ("dry_run", "again")),
    )
    check(settings)
    return settings


def split(arguments: Iterable[str]) -> list[Option]:
    """The arguments by their options.

    >>> split(["--act", "relu", "gelu", "--seed=3"])
    [Option(name='act', values=('relu', 'gelu')), Option(name='seed', values=('3',))]
    """
    options: list[Option] = []
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options.append(Option(name, (value,) if equals else ()))
        elif word == "-h":
            options.append(Option("help", ()))
        elif not options:
            raise UsageError(f"{word!r} belongs to no option: activations follow --act")
        else:
            last = options.pop()
            options.append(Option(last.name, (*last.values, word)))
    for option in options:
        if option.name in RENAMED:
            raise UsageError(f"--{option.name} is now --{RENAMED[option.name]}")
        if option.name in FLAGS and option.values:
            raise UsageError(f"--{option.name} takes no value, got {option.values[0]!r}")
        if option.name in EARLY and option.name not in FLAGS and len(option.values) != 1:
            count = len(option.values)
            raise UsageError(
                f"--{option.name} takes one value and can be repeated, got {count} values"
            )
    return options


def each_of(options: Iterable[Option], name: str) -> list[str]:
    return [option.values[0] for option in options if option.name == name]


def read_config(config: str) -> dict[str, Any]:
    """What a config holds, a file or JSON, with lists for act, seed and lr.

    It may come from a stranger: it names no other file, and no folder but below the working one.
    """
    try:
        text = config if config.startswith("{") else read_text(Path(config), LARGEST_YAML)
        content = plain_yaml(text)
    except OSError as error:
        raise UsageError(f"--config {config}: {error.strerror}") from error
    except FileError as error:
        raise UsageError(f"--config {config} cannot be read: {error}") from error
    source = f"--config {config}"
    if not isinstance(content, dict):
        raise UsageError(f"{source}: settings are a mapping such as act: [relu]")
    for key in content:
        if key in RENAMED:
            raise UsageError(f"{source}: {key} is now {RENAMED[key]}")
        if key in ("config", "import", *FLAGS):
            raise UsageError(f"{source}: unknown key {key}: only the command line has --{key}")
    if content.get("address") is not None:
        raise UsageError(
            f"{source}: address: only --address names a cluster, as its nodes run our code and "
            "answer with objects"
        )
    if isinstance(content.get("runs"), str):
        require_below(content["runs"], source)
    for key in ("act", "seed", "lr"):
        if key in content and not isinstance(content[key], list):
            content[key] = [content[key]]
    if "seed" in content:
        content["seed"] = seeds(content["seed"], source)
    return content


def require_below(runs: str, source: str) -> None:
    """Raises UsageError unless a folder of runs that a file names is below the working one."""
    path = Path(runs)
    if path.is_absolute() or ".." in path.parts or runs.startswith("~"):
        raise UsageError(
            f"{source}: runs: a file can only name a folder below the working directory, got "
            f"{runs!r}; --runs can name any"
        )


def seeds(values: Iterable[Any], source: str) -> list[Any]:
    """The seeds, with ranges written out.

    >>> seeds(["7", "0-2"], "--seed")
    [7, 0, 1, 2]
    """
    found: list[Any] = []
    for value in values:
        first, hyphen, last = str(value).partition("-")
        if not hyphen or not first:
            found.append(int(value) if str(value).isdecimal() and value is not True else value)
            continue
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise UsageError(f"{source}: a range of seeds is such as 0-4, got {value!r}")
        if int(last) - int(first) >= MOST_SEEDS:
            raise UsageError(f"{source}: there can be at most {MOST_SEEDS} seeds, got {value!r}")
        found += range(int(first), int(last) + 1)
    return found


def experiment_name(
    options: Sequence[Option], configs: Sequence[dict[str, Any]], fixed: str | None
) -> str:
    """The name of the experiment: the command's, or that of an option or config."""
    given = [str(config.pop("experiment")) for config in configs if "experiment" in config]
    given += each_of(options, "experiment")
    if fixed is not None:
        if wrong := [name for name in given if name != fixed]:
            raise UsageError(
                f"this command is of the experiment {fixed}, got {wrong[0]!r}: "
                "python -m experiments.compare carries out any"
            )
        return fixed
    if not given and any(option.name == "help" for option in options):
        return BUILT_IN[0]  # whose own options stand for those of any
    if not given:
        raise UsageError(
            f"no experiment: give --experiment NAME, here or in a config: {', '.join(names())}"
        )
    return given[-1]


def choose(
    experiment: Experiment, options: Sequence[Option], configs: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, str], dict[str, Any]]:
    """The names of the network and of the data that are asked for, and the network's defaults."""
    asked: dict[str, str] = {}
    rest = iter(configs)
    for option in options:
        group, _, name = option.name.partition(".")
        if option.name == "config":
            asked |= names_in(next(rest))
        elif name == "name" and group in choices(experiment) and option.values:
            asked[group] = option.values[-1]
    for group, known in choices(experiment).items():
        if group in asked and asked[group] not in known:
            hint = did_you_mean(asked[group], known) or f"; there are {', '.join(known)}"
            raise UsageError(f"unknown {group}.name {asked[group]!r}{hint}")
    first = {group: known[0] for group, known in choices(experiment).items()}
    config = experiment.offered(asked.get("model", first["model"])).config
    defaults = read_config(str(CONFIGS / config)) if config else {}
    return first | names_in(defaults) | asked, defaults


def names_in(config: Mapping[str, Any]) -> dict[str, str]:
    groups = {group: config.get(group) for group in ("model", "data")}
    return {
        group: str(each["name"])
        for group, each in groups.items()
        if isinstance(each, Mapping) and "name" in each
    }


def inline(config: Mapping[str, Any]) -> str:
    """Settings as one line of YAML."""
    return yaml.safe_dump(config, default_flow_style=True, width=10**9, allow_unicode=True).strip()


def as_words(option: Option, lists: Container[str]) -> list[str]:
    """An option as the parser takes it: `--model.hidden "[512, 256]"` for `--model.hidden 512 256`.

    Args:
        option: as it was typed.
        lists: the names of the options that are lists, even of one value.
    """
    name, values = option
    if name == "act":
        return ["--act", json.dumps(values)]
    if name == "seed":
        values = tuple(map(str, seeds(values, "--seed")))
    joined = ", ".join(values)
    if (len(values) > 1 or name in lists) and not joined.startswith("["):
        return [f"--{name}", f"[{joined}]"]
    return [f"--{name}", *values]


def parse(
    parser: ArgumentParser, words: Sequence[str], never_null: Iterable[str]
) -> dict[str, Any]:
    """The settings as plain values.

    Args:
        parser: of the options.
        words: the options.
        never_null: names of options for which the parser takes null, but which must have a value.
    """
    try:
        settings = parser.parse_args(list(words))
    except (argparse.ArgumentError, argparse.ArgumentTypeError) as error:
        raise UsageError(explain(str(error), parser)) from error
    values = json.loads(parser.dump(settings, format="json", skip_unset=False))
    given = flat(values)
    for name in never_null:
        if given.get(name, 0) is None:
            raise UsageError(f"{name} must not be null")
    return values


def check(settings: Settings) -> None:
    """Raises what is wrong with settings that are right each for itself; names the activations."""
    study, groups = settings.study, settings.groups
    try:
        make_optimizer([torch.nn.Parameter(torch.zeros(1))], groups["optimizer"])
    except ValueError as error:
        raise UsageError(str(error)) from error
    for name, value in (flat(groups) | vars(study)).items():
        most = MOST.get(name)
        if most is not None and value is not None and value > most:
            raise UsageError(f"{name} must be at most {most}, got {shown(value)}")
    if not study.seed:
        raise UsageError("seed must not be empty")
    together = processes(groups["trainer"])
    if groups["data"]["batch_size"] % together:
        raise UsageError(
            f"data.batch_size must be a multiple of {together}, the number of processes that share "
            f"a batch, got {groups['data']['batch_size']}"
        )
    if together > 1 and study.engine != "inline":
        raise UsageError(
            f"--engine {study.engine} trains each network in one process: trainer.devices and "
            "trainer.num_nodes must be 1"
        )
    if study.engine != "ray" and (study.address or study.gpus):
        raise UsageError("--address and --gpus are for --engine ray")
    known = settings.experiment.numbers
    if study.metric is not None and study.metric not in known:
        hint = did_you_mean(study.metric, known)
        raise UsageError(f"metric must be one of {', '.join(known)}, got {study.metric!r}{hint}")
    if not study.act:
        raise UsageError("no activation: name one or several with --act (--list_acts lists them)")
    study.act = [activation(text) for text in study.act]
    if study.baseline != "none":
        study.baseline = activation(study.baseline, "baseline")


def activation(text: str, option: str = "act") -> str:
    """The text of an activation in the form that names its runs.

    A name of the catalogue stays; a pair is written as the library writes it.
    """
    try:
        pair = surrogate.get(text)
    except Exception as error:  # a user's factory may raise anything
        raise UsageError(f"{option}: {error}") from error
    named = "/" not in text and text.partition("(")[0].strip() in surrogate.names()
    return "".join(text.split()) if named else readable_text(pair, text)


def readable_text(pair: surrogate.SurrogateActivation, otherwise: str) -> str:
    """The pair as text, or, where parts of it have no text form, something else that names it."""
    try:
        surrogate.get(str(pair))
    except ValueError:
        return otherwise
    return str(pair)
