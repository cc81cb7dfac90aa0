"""The questions about where activations are sampled, answered from the study `probe`."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.analysis.probe.runs import (
    NUMBERS,
    Probed,
    by_act,
    mean_and_deviation,
    middle_rate,
    over_epochs,
    over_rates,
    over_seeds,
    rates,
    read,
)

STUDY = "python -m experiments.compare --config configs/studies/probe.yaml"
KEEP = "python -m experiments.report runs/probe --publish docs/results/probe.jsonl --probe"
DRAW = "python -m experiments.probe docs/results/probe.jsonl -o docs/images/probe --figures"
NARROW = 0.8  # a region is preferred if half of x is within this share of a normal's width
ASIDE = 0.25  # standard deviations off 0
MOVED = 1.1  # the ratio of standard deviations from which x has moved
NO_GRADIENT = 0.25  # share of the points
SAME = 0.85  # densities with less than this in common differ

Runs = Sequence[Probed]


def questions(path: Path) -> str:
    """The section, as Markdown: each question, its command, figure, numbers and answer.

    Args:
        path: the study's file, or the folder of its runs.

    Raises:
        ValueError: a file is damaged.
    """
    if not path.exists():
        return f"Not run yet: `{STUDY}`, then `{KEEP}`."
    runs, problems = read([path])
    if problems:
        raise ValueError("; ".join(problems))
    groups = {act: own for act, own in sorted(by_act(runs).items())}
    middle = {act: [r for r in own if r.lr == middle_rate(own)] for act, own in groups.items()}
    seeds = len({run.seed for run in runs})
    parts = [
        "What the note that the autoencoder comes from asks and does not answer. The autoencoder "
        f"with {len(groups)} activations, at learning rates "
        f"{', '.join(f'{lr:g}' for lr in rates(runs))} and {seeds} seeds each, short as it is "
        "(8 channels, 120 steps: 4 epochs of 960 images); a probe records, every tenth step, at up "
        "to 2,048 points of each of the 15 sites, what goes in and out, the gradients, and the "
        "derivative that is reported. Numbers are means ± standard deviations over the seeds, of "
        "all sites together unless it is said. So short a training with so few seeds shows what "
        "happens at this size, and where to look.",
        f"```console\n{STUDY}\n{KEEP}\n```",
        *where(middle),
        *moves(groups),
        *gradients(groups, middle),
    ]
    return "\n\n".join(parts)


def where(middle: Mapping[str, Runs]) -> list[str]:
    names = ("mean", "std", "low", "high", "narrowness", "off_centre", "near_zero", "dead")
    lows, highs = ([average(runs, name) for runs in middle.values()] for name in ("low", "high"))
    ends = zip(middle, lows, highs, strict=True)
    around = [act for act, low, high in ends if low <= 0 <= high]
    peaked = [act for act, runs in middle.items() if average(runs, "narrowness") < NARROW]
    aside = [act for act, runs in middle.items() if average(runs, "off_centre") > ASIDE]
    answer = (
        "Answer: of all sites together half of the pre-activations are in an interval of which the "
        f"lower end is {span(lows)} and the upper end {span(highs)}, as the activation may be; it "
        f"contains 0 with {which(around, middle)}. Within a site half of x is in less than "
        f"{NARROW:.0%} of the width that a normal distribution would need with "
        f"{which(peaked, middle)}: a preferred region. The mean of a site is more than {ASIDE} "
        f"standard deviations off 0 with {which(aside, middle)}."
    )
    return [
        "### Where is the activation sampled, and is there a preferred region?",
        f"`{DRAW} where animation`, here at the middle learning rate and at the last epoch:",
        "![Density of the pre-activations under the function's curve, for five sites of each "
        "activation, a line for each epoch](images/probe/where.png)",
        "![The same as an animation through the epochs](images/probe/where.gif)",
        numbers(middle, names),
        "*half of x from … to* is the narrowest interval with half of the pre-activations. Of each "
        "site, and then the mean over sites: *narrowness*, the width of that interval over that of "
        "a normal distribution with the same standard deviation; *off 0*, |mean| in standard "
        "deviations; *dead*, the channels that put out one value for the whole batch. *≈ 0* is "
        "within 0.05.",
        answer,
    ]


def moves(groups: Mapping[str, Runs]) -> list[str]:
    kinds: dict[str, Callable[[Runs], list[float]]] = {
        "first and last epoch": over_epochs,
        "two seeds": over_seeds,
        "extreme learning rates": over_rates,
    }
    lines = ["| activation | " + " | ".join(kinds) + " |", "|---|" + "--:|" * len(kinds)]
    found = {act: {kind: of(runs) for kind, of in kinds.items()} for act, runs in groups.items()}
    for act, values in found.items():
        cells = (mean_and_deviation(each, ".0%") for each in values.values())
        lines.append(f"| `{act}` | " + " | ".join(cells) + " |")
    answers = []
    for kind in kinds:
        known = {act: float(np.mean(v[kind])) for act, v in found.items() if v[kind]}
        if not known:
            continue
        moved = [act for act, value in known.items() if value < SAME]
        least = min(known, key=known.__getitem__)
        answers.append(
            f"between {kind} it differs with {which(moved, known)} (least in common: "
            f"{known[least]:.0%}, `{least}`)"
        )
    table = ["| activation | learning rate | std of x, first epoch | last epoch | half of x, last "
             "epoch |", "|---|--:|--:|--:|--:|"]  # fmt: skip
    for act, own in groups.items():
        for lr in rates(own):
            runs = [run for run in own if run.lr == lr]
            first = mean_and_deviation([run.number("std", run.first) for run in runs], ".2f")
            ends = (minus(f"{average(runs, name):.2f}") for name in ("low", "high"))
            table.append(f"| `{act}` | {lr:g} | {first} | {of(runs, 'std')} | {' … '.join(ends)} |")
    return [
        "### Does it move with the learning rate, the run and the epoch?",
        f"`{DRAW} moves`",
        "![Density of the pre-activations of all sites: a column for each learning rate, a line "
        "for each seed, first and last epoch](images/probe/moves.png)",
        "What the densities of x have in common, 100 % if they are the same and 0 % if they are "
        "apart: the mean over the sites, of the last epoch where it is not said. Two samples of "
        f"one density have less than 100 % in common{by_chance(groups)}.",
        "\n".join(lines),
        "\n".join(table),
        f"Answer: taking less than {SAME:.0%} in common for a difference, {'; '.join(answers)}. "
        + outward(groups),
    ]


def outward(groups: Mapping[str, Runs]) -> str:
    """Which way it moves from the first to the last epoch, at the highest learning rate."""
    ratios: dict[str, float] = {}
    for act, own in groups.items():
        runs = [run for run in own if run.lr == rates(own)[-1]]
        ratios[act] = average(runs, "std") / float(
            np.mean([r.number("std", r.first) for r in runs])
        )
    wider = [act for act, ratio in ratios.items() if ratio > MOVED]
    narrower = [act for act, ratio in ratios.items() if ratio < 1 / MOVED]
    return (
        "At the highest learning rate the standard deviation of x grows from the first to the last "
        f"epoch, by a tenth or more, with {which(wider, groups)}, and shrinks as much with "
        f"{which(narrower, groups)}."
    )


def by_chance(groups: Mapping[str, Runs]) -> str:
    """How much two samples have in common where nothing learns but what is behind all sites."""
    if "cantor" not in groups:
        return ""
    chance = mean_and_deviation(over_epochs(groups["cantor"]), ".0%")
    return (
        f": two epochs of `cantor`, where nothing can learn but what is behind the last site, have "
        f"{chance}"
    )


def gradients(groups: Mapping[str, Runs], middle: Mapping[str, Runs]) -> list[str]:
    names = ("derivative", "zero", "saturated", "no_gradient", "positive", "gradient", "decades")
    above = [v for runs in middle.values() if not math.isnan(v := average(runs, "positive"))]
    spans = {act: average(runs, "decades") for act, runs in middle.items()}
    spans = {act: value for act, value in spans.items() if not math.isnan(value)}
    silent = {act: average(runs, "no_gradient") for act, runs in middle.items()}
    mostly = [act for act, value in silent.items() if value > NO_GRADIENT]
    epochs, lrs = [], []
    for runs in groups.values():
        epochs += [run.number("gradient") - run.number("gradient", run.first) for run in runs]
        low, high = rates(runs)[0], rates(runs)[-1]
        ends = [average([r for r in runs if r.lr == lr], "gradient") for lr in (low, high)]
        lrs.append(ends[1] - ends[0])
    epochs, lrs = ([v for v in values if not math.isnan(v)] for values in (epochs, lrs))
    answer = (
        f"Answer: {min(above):.0%} to {max(above):.0%} of what is not 0 is above it, and 90 % of "
        f"its size is within {min(spans.values()):.1f} to {max(spans.values()):.1f} decades. "
        f"With {which(mostly, middle)} it is 0 at more than {NO_GRADIENT:.0%} of the points. From "
        "the first to the last epoch the median changes by a factor of "
        f"{10 ** float(np.mean(epochs)):.2f}, from the lowest to the highest learning rate by "
        f"{10 ** float(np.mean(lrs)):.2f} (geometric means over activations)."
    )
    return [
        "### What is the distribution of the sampled loss derivative?",
        f"`{DRAW} gradient`",
        "![Upstream gradients, reported derivatives and gradients that are passed on, a row for "
        "each activation, a line for each epoch](images/probe/gradient.png)",
        numbers(middle, names),
        "*reported* is the mean of the reported derivative, measured in the backward pass of "
        "training as the gradient passed on over the upstream one, and *of it 0* the share that is "
        "exactly 0; *log₁₀* is the median of log₁₀|∂L/∂x| where that is not 0, and *decades* "
        "how many decades have 90 % of it. L is the mean loss of a batch of 32.",
        answer,
    ]


def numbers(middle: Mapping[str, Runs], names: Sequence[str]) -> str:
    """A table of numbers of the last epoch, a line for each activation."""
    titles = ["activation", *(NUMBERS[name].title for name in names), "n"]
    lines = ["| " + " | ".join(titles) + " |", "|---|" + "--:|" * (len(names) + 1)]
    for act, runs in middle.items():
        cells = [f"`{act}`", *(of(runs, name) for name in names), str(len(runs))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def of(runs: Runs, name: str) -> str:
    return mean_and_deviation([run.number(name) for run in runs], NUMBERS[name].form)


def average(runs: Runs, name: str) -> float:
    """The mean over the runs that have the number; NaN if none has."""
    known = [value for run in runs if not math.isnan(value := run.number(name))]
    return float(np.mean(known)) if known else math.nan


def which(acts: Sequence[str], among: Collection[str]) -> str:
    """The activations by name, or all of them, or none."""
    if len(acts) == len(among):
        return "all"
    return ", ".join(f"`{act}`" for act in acts) or "none"


def span(values: Sequence[float]) -> str:
    return minus(f"{min(values):.2f} to {max(values):.2f}")


def minus(text: str) -> str:
    return text.replace("-", "−")
