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
    Claim,
    Comparison,
    Correlation,
    Measured,
    Results,
    normal_mean,
)
from experiments.analysis.findings.quantities import LOST
from experiments.analysis.findings.questions import questions
from experiments.analysis.report.statistics import FEW, Result, score
from experiments.analysis.report.study import StudyTable
from experiments.common.files import write

COMMAND = "python -m experiments.findings docs/results -o docs/findings.md"
ORIGIN = (
    "A commit that is not in this history is one of a branch that was squashed when it landed; "
    "`-dirty` says that files differed from it."
)
VERDICTS = ("supported", "refuted", "undecided", "not run yet")


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
    counts = Counter(claim.verdict(results) for claim in CLAIMS)
    parts = [
        "# Findings",
        f"Written by `{COMMAND}` from the files in `docs/results`. `make findings` runs the "
        "studies first: what has finished is not repeated.",
        "**Most verdicts are of shortened runs**, of a laptop: each study says how far it is from "
        "what was published. What they support or refute is true of that size. One learning rate, "
        "unless a study says otherwise, is not tuned for any activation.",
        "A claim says where a figure is. It is *supported* if the whole 95 % interval of the "
        "figure is there, *refuted* if the whole of it is elsewhere, beyond the limit, and else "
        "*undecided*. The figure is paired: "
        "the difference (of losses and gradients: the ratio) is taken seed by seed, between runs "
        "with the same initial weights and order of images, and the interval of its mean is "
        f"bootstrapped over the n seeds. Fewer than {FEW} seeds decide nothing. The interval is "
        f"made wider for few seeds, and still has the true mean in 92 rather than 95 of 100 cases "
        f"with {FEW}: of {len(CLAIMS)} claims about three may be settled by chance. The rules "
        "were written before any result was read, unless a caveat says otherwise. Where an "
        "activation stands for several it was chosen on the validation images.",
        "Verdicts: " + ", ".join(f"{counts[word]} {word}" for word in VERDICTS) + ".",
        overview(results),
        "## The claims",
        *(section(number, claim, results) for number, claim in enumerate(CLAIMS, 1)),
        "## Which functions a shift centres",
        centres(),
        audits.section(results.folder / "audit"),
        "## Questions",
        questions(results.folder / "probe"),
        "## The studies",
        ORIGIN,
        *(study_section(study, results) for study in STUDIES),
        "## Not run yet",
        "Studies above that say so, or have fewer seeds than their file: `make findings` goes on "
        "with them. Beyond these:",
        "\n".join(f"- {what}:\n  `{command}`" for what, command in LATER),
    ]
    return "\n\n".join(parts) + "\n"


def overview(results: Results) -> str:
    """The table of all claims."""
    lines = ["| | claim | verdict | figure | 95 % interval | n |", "|--:|---|---|--:|--:|--:|"]
    for number, claim in enumerate(CLAIMS, 1):
        measured = claim.comparison.measured(results)
        lines.append(
            f"| {number} | {claim.text} | {claim.verdict(results)} | {figure(claim, measured)} | "
            f"{interval(claim, measured)} | {len(measured.values)} |"
        )
    return "\n".join(lines)


def figure(claim: Claim, measured: Measured) -> str:
    return claim.comparison.figure(measured.mean) if measured.values else "–"


def interval(claim: Claim, measured: Measured) -> str:
    if measured.interval is None:
        return "–"
    low, high = measured.interval
    return f"{claim.comparison.figure(low)} … {claim.comparison.figure(high)}"


def section(number: int, claim: Claim, results: Results) -> str:
    """A claim: what was measured and by what, the rule, the figure, the verdict, the caveat."""
    comparison = claim.comparison
    measured = comparison.measured(results)
    studies = [study for study in STUDIES if study.name in comparison.studies]
    low, high = claim.region(results)
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
        f"- figure: {figure(claim, measured)}, 95 % interval {interval(claim, measured)}, "
        f"n = {len(measured.values)}{sides(comparison, results)}",
        *lost(comparison, results),
        f"- verdict: **{claim.verdict(results)}**" + ", at this size" * bool(measured.values),
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
    """Versions, devices and commits of results."""

    def all_of(values: Sequence[object]) -> str:
        return ", ".join(sorted({str(value) for value in values}))

    return (
        f"torch {all_of([each['versions']['torch'] for each in found])} on "
        f"{all_of([each['device'] for each in found])}, threads "
        f"{all_of([each['threads'] for each in found])}, commit "
        f"{all_of([each['commit'] for each in found])}"
    )
