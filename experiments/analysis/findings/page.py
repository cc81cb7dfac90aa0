"""The command: writes the page from the committed results."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from experiments.analysis.findings import audits
from experiments.analysis.findings.claims import CENTRED, CLAIMS, LATER, SHIFTS, STUDIES, Study
from experiments.analysis.findings.measure import (
    Comparison,
    Correlation,
    Outcome,
    Results,
    normal_mean,
    outcomes,
)
from experiments.analysis.findings.quantities import LOST
from experiments.analysis.findings.questions import questions
from experiments.analysis.report.inference import FEWEST
from experiments.analysis.report.statistics import PILOT, Result, score
from experiments.analysis.report.study import StudyTable
from experiments.common.files import write
from experiments.runs.published import study_in

COMMAND = "python -m experiments.findings docs/results -o docs/findings.md"
ORIGIN = (
    "A commit that is not in this history is one of a branch that was squashed when it landed; "
    "`-dirty` says that files differed from it."
)
VERDICTS = ("supported", "refuted", "undecided", "no verdict", "not run yet")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code: 2 if a result is damaged."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.findings",
        description="Writes what became of the claims, from the results of their studies.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, help="the results: docs/results")
    parser.add_argument("-o", "--output", type=Path, required=True, help="the page")
    given = parser.parse_args(arguments)
    try:
        write(given.output, page(Results(given.folder)))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def page(results: Results) -> str:
    """The whole page, as Markdown; the same for the same results."""
    found = outcomes(CLAIMS, results)
    counts = Counter(each.verdict.split(":")[0] for each in found)
    parts = [
        "# Findings",
        f"Written by `{COMMAND}` from the files in `docs/results`. `make findings` runs the "
        "studies first: what has finished is not repeated.",
        "**Most of it is from shortened runs**, of a laptop: each study says how far it is from "
        "what was published. What they support or refute is true of that size. One learning rate, "
        "unless a study says otherwise, is not tuned for any activation.",
        "A claim predicts a range for a figure. It is *supported* if the whole confidence interval "
        "of the figure lies inside that range, *refuted* if the whole of it lies outside, and else "
        "*undecided*. The figure is paired: the difference (of losses and gradients: the ratio) is "
        "taken seed by seed, between runs with the same initial weights and order of images. The "
        "interval of its mean over the n seeds is Student's t; that of a difference in divergence "
        "goes with McNemar's test. Its confidence, in brackets, is that at which Holm's method "
        "tests the claim among all of this page that can be decided, so that at most 5 % of such "
        f"pages have a false verdict. With fewer than {FEWEST} seeds there is no interval and no "
        "verdict, and the figures of the single seeds are shown. The rules were written before any "
        "result was read, unless a caveat says otherwise. Where an activation stands for several, "
        "or one of several learning rates was taken, the validation images chose it: "
        f"those of the first {PILOT} seeds, and the others judge, if these are {FEWEST} or more; "
        "else those of all, and there is no verdict.",
        "Verdicts: " + ", ".join(f"{counts[word]} {word}" for word in VERDICTS) + ".",
        overview(found),
        "## The claims",
        *(section(number, each, results) for number, each in enumerate(found, 1)),
        "## Which functions a shift centres",
        centres(),
        audits.section(study_in(results.folder, "audit")),
        "## Questions",
        questions(study_in(results.folder, "probe")),
        "## The studies",
        ORIGIN,
        *(study_section(study, results) for study in STUDIES),
        "## Not run yet",
        "Studies above that say so, or have fewer seeds than their file: `make findings` goes on "
        "with them. Beyond these:",
        "\n".join(f"- {what}:\n  `{command}`" for what, command in LATER),
    ]
    return "\n\n".join(parts) + "\n"


def overview(found: Sequence[Outcome]) -> str:
    """The table of all claims."""
    lines = ["| | claim | verdict | figure | interval | n |", "|--:|---|---|--:|--:|--:|"]
    for number, each in enumerate(found, 1):
        lines.append(
            f"| {number} | {each.claim.text} | {each.verdict} | {figure(each)} | {interval(each)} "
            f"| {len(each.measured.values)} |"
        )
    return "\n".join(lines)


def figure(outcome: Outcome) -> str:
    measured = outcome.measured
    return outcome.claim.comparison.figure(measured.mean) if measured.values else "–"


def interval(outcome: Outcome) -> str:
    """The interval of the figure, with its confidence, as text."""
    if outcome.interval is None:
        return "–"
    low, high = map(outcome.claim.comparison.figure, outcome.interval)
    return f"{low} … {high} ({100 * (1 - outcome.measured.level):.4g} %)"


def spread(outcome: Outcome) -> str:
    """The interval of the figure, or the single figures where there is none."""
    if outcome.interval is not None:
        return f", interval {interval(outcome)}"
    singles = map(outcome.claim.comparison.figure, outcome.measured.singles)
    return f" ({', '.join(singles)})" * (len(outcome.measured.values) > 1)


def section(number: int, outcome: Outcome, results: Results) -> str:
    """A claim: what was measured and by what, the rule, the figure, the verdict, the caveat."""
    claim, measured = outcome.claim, outcome.measured
    comparison = claim.comparison
    studies = [study for study in STUDIES if study.name in comparison.studies]
    low, high = outcome.region
    noise = (
        f" ({comparison.figure(low)} … {comparison.figure(high)})"
        if claim.claimed.noise and measured.values
        else ""
    )
    lines = [
        f"- claimed by: {claim.source}",
        f"- experiment: {comparison.text(results)}",
        *(f"- command: `{study.command}`" for study in studies),
        f"- supported if: the figure is {claim.claimed.words}{noise}",
        f"- figure: {figure(outcome)}{spread(outcome)}, n = {len(measured.values)}"
        f"{sides(comparison, results)}",
        *lost(comparison, results),
        f"- verdict: **{outcome.verdict}**, at this size"
        if outcome.interval
        else f"- **{outcome.verdict}**",
        f"- caveat: {claim.caveat}",
    ]
    return f"### {number}. {claim.text}\n\n" + "\n".join(lines)


def sides(comparison: Comparison | Correlation, results: Results) -> str:
    """The mean of each side over the seeds that count, where two are compared."""
    if not isinstance(comparison, Comparison) or comparison.second is None:
        return ""
    quantity = comparison.quantity
    first, second = comparison.paired(results)
    if not first.values:
        return ""
    kind = "geometric means" if quantity.ratio else "means"
    return f"; {kind} {quantity.text(first.mean)} and {quantity.text(second.mean)}"


def lost(comparison: Comparison | Correlation, results: Results) -> list[str]:
    """A line of what did not finish, where that is not itself what is measured."""
    if not isinstance(comparison, Comparison) or comparison.quantity is LOST:
        return []
    texts = [text for side in comparison.sides for text in side.unfinished(results)]
    return [f"- left out: {', '.join(texts)}"] * bool(texts)


def centres() -> str:
    """What is calculated and not measured: the means of functions of a normal input."""
    means = {act: normal_mean(act) for act in SHIFTS}
    lines = ["| activation | E σ(x) |", "|---|--:|"]
    lines += [f"| `{act}` | {mean:+.3f} |".replace("-0", "−0") for act, mean in means.items()]
    near = [f"`{act}`" for act, mean in means.items() if abs(mean) < CENTRED]
    far = [f"`{act}`" for act in SHIFTS[2:] if f"`{act}`" not in near]
    return (
        "The forum shifts functions to bring the mean of what they return to 0. Calculated, not "
        "measured: the mean for an input that is normal, N(0, 1).\n\n"
        + "\n".join(lines)
        + f"\n\nThe first two are not shifted. Within {CENTRED} of 0, so **supported**: "
        + f"{', '.join(near)}. **Refuted** for {', '.join(far)}. "
        "In front of BatchNorm no shift centres anything that BatchNorm does not."
    )


def study_section(study: Study, results: Results) -> str:
    """A study: its size, its commands, the table of its runs, and what they ran on."""
    records = results.study(study.name)
    lines = [f"### `{study.name}`", study.scale]
    lines.append(f"```console\n{study.command}\n{study.keep}\n```")
    if not records:
        return "\n\n".join([*lines, "Not run yet."])
    found = [record.result for record in records]
    lines.append(StudyTable.of(found, study.baseline, score(found)).markdown().strip())
    lines.append(f"{len(found)} runs, with {origin(found)}.")
    return "\n\n".join(lines)


def origin(found: Sequence[Result]) -> str:
    """Versions, devices and commits of results; runs that failed at the start have none."""

    def all_of(name: str) -> str:
        return ", ".join(sorted({str(each[name]) for each in found if name in each}))

    versions = {each["versions"]["torch"] for each in found if "versions" in each}
    return (
        f"torch {', '.join(sorted(versions))} on {all_of('device')}, threads {all_of('threads')}, "
        f"commit {all_of('commit')}"
    )
