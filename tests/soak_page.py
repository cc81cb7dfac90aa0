"""docs/reliability.md: what is promised of runs that are cut off, and what the soak found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

HEAD = """\
# Reliability

A run that was interrupted, at any moment and however often, is continued by the same command, and
ends with the same bits as one that never was: weights, optimiser, the rows of `metrics.csv` and
`layers.csv`, each once, and the points of TensorBoard's curves, each once. Only times differ
(`seconds`, images per second), as they do from run to run.

- **Checkpoints.** `checkpoints/last.ckpt` is written after every epoch, and within one whenever
  `--checkpoint_every` seconds (60) have gone by; with 0, after every step. It holds weights,
  optimiser, schedule, the states of all random number generators of each process, the sums over
  the epoch so far, and the state of every callback. The interval can be changed when a run is
  continued.
- **Files.** A new checkpoint is written beside the last one, flushed to disk, and then takes its
  name; its last bytes are the SHA-256 of all others. The one before is kept as `previous.ckpt`
  until the run has finished. If a checkpoint is damaged (cut short, empty, a bit flipped), the
  one before is used, and the log says so; if that is damaged too, the run starts anew, and the
  log says that. They are read as data: no code in them is run. So a run keeps two checkpoints,
  three while it writes one, and that of its best epoch.
- **Stopping.** At SIGTERM or Ctrl-C a run finishes its step, or the evaluation at the end of an
  epoch, writes a checkpoint and ends, with exit code 143 or 130. Processes that train together
  agree on the step. A study passes the signal on to its workers, and waits 20 seconds for them.
  A second Ctrl-C does not wait.
- **One at a time.** A second command on the same run waits for the first one and takes its
  result; where several processes train together it refuses.

The same bits need the same machine, versions and number of threads. On a GPU some layers need
`--trainer.deterministic true` for them. Three or more processes that train together may add
gradients in another order in the first step after an interruption. Checkpoints of versions
without a SHA-256 count as damaged.

## The soak

`make soak` (`python -m tests.soak -o docs`) runs each command below once undisturbed. It then
runs the same command in another folder, kills it by SIGKILL at random moments and gives it again
until it ends, in as many passes as the kills need. The results are compared bit for bit, as
above; so are learning rates, random generators and the states of callbacks. It writes this page
and `docs/results/soak.json`.

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
