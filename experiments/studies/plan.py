"""The runs of a study: activations × learning rates × seeds of one experiment, all else equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

import surrogate
from experiments.common.errors import UsageError
from experiments.runs.code import code_of
from experiments.runs.run import Run
from experiments.settings.read import Settings, readable_text

BUILT_IN = frozenset(surrogate.names())


@dataclass(frozen=True)
class Job:
    """A run of a study, and the settings that its config.yaml is written from."""

    run: Run
    settings: Settings

    @property
    def name(self) -> str:
        lr = self.run.config["optimizer"]["lr"]
        return f"{self.run.act}, seed {self.run.seed}, learning rate {lr:g}"

    @property
    def config_yaml(self) -> str:
        """The settings of the run, in the form that --config takes."""
        run, options = self.run, self.settings.run
        anneal = run.config.get("anneal", {"schedules": {}, "every": "step"})
        config = {
            "experiment": run.experiment,
            "act": [run.act],
            "seed": [run.seed],
            **run.config,
            "anneal": anneal["schedules"],
            "anneal_every": anneal["every"],
            "probe": options.probe,
            "probe_every": options.probe_every,
            "logger": options.logger,
            "data": dict(self.settings.groups["data"]),
        }
        return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def plan(settings: Settings) -> list[Job]:
    """The runs that the settings ask for, each once: a whole comparison of one seed before the next
    seed, the baseline first."""
    study = settings.study
    check_anneal(settings)
    baseline = [] if study.baseline == "none" else [study.baseline]
    acts = dict.fromkeys([*baseline, *study.act])
    pairs = {act: text_and_code(settings, act) for act in acts}
    jobs: dict[str, Job] = {}
    for seed in study.seed:
        for lr in settings.lr:
            for act, (text, code) in pairs.items():
                config = make_config(settings, lr, annealed=act not in baseline)
                run = Run(settings.experiment.name, act, text, code, seed, config)
                jobs.setdefault(run.digest, Job(run, settings))
    return list(jobs.values())


def text_and_code(settings: Settings, act: str) -> tuple[str, str]:
    """The pair of an activation as text, and the digest of the code that computes it."""
    pair = surrogate.get(act)
    files = () if act.split("(")[0] in BUILT_IN else (content for _, content in settings.sources)
    return readable_text(pair, otherwise=act), code_of(pair, files)


def make_config(settings: Settings, lr: float, annealed: bool) -> dict[str, Any]:
    """All that can change the result of a run, apart from its activation and its seed."""
    options = settings.run
    groups = {name: dict(group) for name, group in settings.groups.items()}
    groups["optimizer"]["lr"] = lr
    incidental = settings.experiment.data_kind(groups["data"]).incidental
    groups["data"] = {k: v for k, v in groups["data"].items() if k not in incidental}
    config: dict[str, Any] = {
        "compile": options.compile, "channels_last": options.channels_last, **groups
    }  # fmt: skip
    # These are in the config only where they are used, so that other runs stay what they are.
    if options.keep_checkpoints:
        config["keep_checkpoints"] = True
    if options.probe:
        config["probe"] = {"every": options.probe_every}
    if options.anneal and annealed:
        config["anneal"] = {"schedules": options.anneal, "every": options.anneal_every}
    return config


def check_anneal(settings: Settings) -> None:
    """Raises UsageError unless `anneal` fits each activation."""
    if not settings.run.anneal:
        return
    for act in settings.study.act:
        try:
            surrogate.Anneal(surrogate.get(act), settings.run.anneal, steps=1)
        except ValueError as error:
            raise UsageError(f"--anneal for {act}: {error}") from error
