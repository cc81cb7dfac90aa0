"""The section on audits, from the committed files: tables, figures, and what they say in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.analysis.audit.files import Audited, audits
from experiments.analysis.audit.tables import STEP, Quantity, by_act, fall, lines, over_seeds, total
from surrogate.diagnostics.check.report import markdown_table

STUDY = "python -m experiments.compare --config configs/studies/audit.yaml"
AUDIT = (
    "python -m experiments.audit runs/audit -o docs/images --publish docs/results/audit.jsonl "
    "--pairs 32 --layer_pairs 3 --batch_size 32"
)
AGAIN = "python -m experiments.audit docs/results/audit.jsonl -o docs/images"


def section(path: Path) -> str:
    """The section, as Markdown, of the audits of a study.

    Raises:
        ValueError: a file is damaged.
    """
    found, problems = audits(path)
    if problems:
        raise ValueError("; ".join(problems))
    parts = ["## Audits", f"```console\n{STUDY}\n{AUDIT}\n```"]
    if not found:
        return "\n\n".join([*parts, "Not run yet."])
    ends = {max(each.epochs) for each in found}
    record = found[0].record
    sigma = record["settings"]["sigma"]
    parts += [
        f"How false are the gradients that train these networks? {len(found)} runs of the "
        f"autoencoder ({model(found)}), audited before training and after each epoch, in training "
        "mode, on validation images. Here are three of them; numbers are means over the seeds ± "
        "standard deviation.",
        meanings(sigma, record["settings"]["batch_size"]),
        markdown_table(lines(found, [0, 1, *ends])),
        "![Cosines with the true and the smoothed gradient, the share of the promised slope that "
        "is kept, and signal to noise, over training](images/audit.png)",
        "![Cosine with the true gradient and share of the promised slope by layer, and the fall of "
        "the loss by the length of the step, after training](images/audit_layers.png)",
        f"After the last epoch, by the loss on the test images ({sides(found)}):",
        "\n".join(f"- {sentence(act, own)}" for act, own in ranked(found).items()),
        f"Small networks, {seeds(found)} seeds and one learning rate: this describes these runs "
        "and settles no claim. The figures are drawn from the committed files by "
        f"`{AGAIN}`. {origin(found)}",
    ]
    return "\n\n".join(parts)


def meanings(sigma: float, batch_size: int | None) -> str:
    """What the columns are."""
    of = f"of {batch_size} images" if batch_size else "of the run's size"
    return "\n".join(
        [
            "- *cosine, true*, *norm / true*, *signs*: the reported gradient of one batch against "
            "the true one, in which each pair has its function's own derivative; ∞ where it is 0.",
            "- *cosine, smoothed, at least*: against the gradient of the loss smoothed by normal "
            f"noise of σ = {sigma:g} on each parameter. The cosine is at least that, or at most if "
            "that is below 0; the cosine itself would take thousands of evaluations to tell from "
            "the noise.",
            "- *kept*: the slope of the smoothed loss along the reported gradient, as a share of "
            "the slope that is promised.",
            f"- *signal/noise*: the mean gradient over batches {of}, in units of the distance "
            "between it and that of a batch.",
            "- *fall / promise*: by how much the loss of the batch falls if the parameters go "
            f"{STEP:g} against the gradient, as a share of what it promises.",
        ]
    )


def ranked(found: Sequence[Audited]) -> dict[str, list[Audited]]:
    """The audits of each activation, the lowest test loss first."""
    groups = by_act(found)
    return dict(sorted(groups.items(), key=lambda item: test_loss(item[1])))


def test_loss(found: Sequence[Audited]) -> float:
    losses = [each.record["run"]["test_loss"] for each in found]
    return float(np.mean([math.inf if loss is None else loss for loss in losses]))


def sides(found: Sequence[Audited]) -> str:
    return ", ".join(f"`{act}` {test_loss(own):.4f}" for act, own in ranked(found).items())


def sentence(act: str, found: Sequence[Audited]) -> str:
    """What an activation's audits say at the end."""
    cosine, ratio, kept, fell = (
        mean(found, quantity)
        for quantity in (total("cosine"), total("ratio"), total("kept"), fall(STEP))
    )
    if math.isnan(cosine):
        truth = "it reports another than the true gradient"
    elif cosine > 1 - 1e-3 and abs(ratio - 1) < 1e-3:
        truth = "it reports the true gradient"
    else:
        truth = (
            f"it has the cosine {cosine:.2f} with the true gradient and is {ratio:.3g} times as "
            "long as that"
        )
    layers = found[0].column("true", max(found[0].epochs), "layer")
    if zeros := layers.count(0):
        truth += f", which is 0 in {zeros} of {len(layers)} layers"
    share = (
        f"the smoothed loss falls {100 * kept:.3g} % as steeply as it says"
        if kept > 0
        else "the smoothed loss does not fall along it"
    )
    step = (
        f"a step of {STEP:g} takes {100 * fell:.3g} % of what it promises off the loss"
        if fell > 0
        else f"a step of {STEP:g} raises the loss"
    )
    return f"`{act}`: {truth}; {share}; {step}.".replace("-", "−")


def mean(found: Sequence[Audited], quantity: Quantity) -> float:
    """Over the seeds, after the last epoch."""
    values = over_seeds(found, quantity, max(epoch for each in found for epoch in each.epochs))
    return float(np.mean(values)) if values else math.nan


def model(found: Sequence[Audited]) -> str:
    config = found[0].record["config"]
    return (
        f"{config['model']['channels']} channels, {config['data']['limit']} images, batches of "
        f"{config['data']['batch_size']}, {config['optimizer']['name']} with the learning rate "
        f"{config['optimizer']['lr']:g}"
    )


def seeds(found: Sequence[Audited]) -> int:
    return len({each.seed for each in found})


def origin(found: Sequence[Audited]) -> str:
    """What the audits were made with."""

    def all_of(values: Sequence[object]) -> str:
        return ", ".join(sorted({str(value) for value in values}))

    records = [each.record for each in found]
    return (
        f"torch {all_of([each['versions']['torch'] for each in records])}, on the CPU, commit "
        f"{all_of([each['commit'] for each in records])}; the runs, commit "
        f"{all_of([each['run']['commit'] for each in records])}."
    )
