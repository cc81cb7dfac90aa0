"""docs/reliability.md: what is promised of runs that are cut off, and what the soak found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

HEAD = """\
# Reliability

A run that was cut off, at any moment and however often, goes on by the same command, and ends
with the bits of one that never was: the weights, the optimiser, the rows of `metrics.csv` and
`layers.csv`, each once, and the points of TensorBoard's curves, each once. Only what is a time
differs (`seconds`, images per second), as it does from run to run.

- **Checkpoints.** `checkpoints/last.ckpt` is written after every epoch, and within one whenever
  `--checkpoint_every` seconds (60) have gone by; with 0, after every step. It holds weights,
  optimiser, schedule, the states of all random number generators of each process, the sums over
  the epoch so far, and the state of every callback. The interval is not part of what makes a run
  that run.
- **Files.** A checkpoint is written beside the last one, put on the disk, and then takes its
  name; its last bytes are the SHA-256 of all others. The one before is kept as `previous.ckpt`
  until the run has finished. Of a checkpoint that is damaged (cut short, empty, a bit flipped)
  the one before is taken, and the log says so; if that is damaged too the run starts anew, and
  the log says that. They are read as data: no code in them is run. So a run keeps two, and while
  it writes three, and its best epoch's.
- **Stopping.** At SIGTERM and at Ctrl-C a run finishes its step (within the measuring at the end
  of an epoch, that), writes a checkpoint and ends, with exit code 143 or 130. Processes that
  train together agree on the step. A study passes it on to its workers, and waits 20 seconds for
  them. A second Ctrl-C does not wait.
- **One at a time.** A second command on the same run waits for the first one and takes its
  result; where several processes train together it refuses.

The same bits need the same machine, versions and number of threads. On a GPU they need
`--trainer.deterministic true`, for some layers. Of three or more processes that train together
the sums of gradients may be taken in another order in the first step after the run was cut off.
Checkpoints of versions without a SHA-256 count as damaged.

## The soak

`make soak` (`python -m tests.soak -o docs`) carries out each of these once undisturbed. It then
kills the same command, elsewhere, by SIGKILL at random moments and gives it again until it has
ended, in as many passes as the kills need. The ends are compared bit for bit, as above; so are
learning rates, generators, and the states of callbacks. This page and `docs/results/soak.json`
are what it wrote.

"""

COLUMNS = (
    "",
    "kills",
    "in epochs",
    "at their ends",
    "before any",
    "passes",
    "rows",
    "points",
    "end",
)


def page(record: Mapping[str, Any]) -> str:
    """The page for a record of the soak."""
    variants = record["variants"]
    named = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    lines = [
        f"Seed {record['seed']}; {named}; one thread for each process; commit {record['commit']}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * (len(COLUMNS) - 2)}---|",
        *(f"| {' | '.join(cells(each))} |" for each in variants),
        "",
        "Kills are counted by what was kept at that moment to go on from: a checkpoint within an",
        "epoch, one at an epoch's end, or none; of the study they are not told apart. Rows and",
        "points are those of one pass.",
        "",
        *(line for each in variants for line in details(each)),
    ]
    return HEAD + "\n".join(lines) + "\n"


def cells(variant: Mapping[str, Any]) -> list[str]:
    kept = [kill["kept"] for kill in variant["kills"]]
    within = sum("step" in each for each in kept)
    ends = sum(each.startswith("epoch") for each in kept) - within
    study = any("runs done" in each for each in kept)
    counts = ["–"] * 3 if study else [within, ends, kept.count("nothing kept")]
    found = variant["differences"]
    end = f"{len(found)} differences: {found[0]}" if found else "the same bits"
    numbers = (len(kept), *counts, variant["passes"], variant["rows"], variant["points"])
    return [variant["name"], *map(str, numbers), end]


def details(variant: Mapping[str, Any]) -> list[str]:
    """The command, and what of it was killed."""
    victims = Counter(kill["victim"] for kill in variant["kills"])
    killed = ", ".join(f"{name} {count}" for name, count in sorted(victims.items()))
    return [f"- {variant['name']}: `{variant['command']}`. Killed: {killed}."]


def line(variant: Mapping[str, Any]) -> str:
    """A variant's outcome in one line."""
    name, kills, *_, passes, _, _, end = cells(variant)
    return f"{name}: {kills} kills in {passes} passes, {end}"
