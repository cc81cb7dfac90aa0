"""How false the gradients of trained networks are, over their training.

    python -m experiments.audit runs/audit -o docs/images
    python -m experiments.audit runs/autoencoder/cantor2/seed0 --sigma 0.003
    python -m experiments.audit docs/results/audit.jsonl -o docs/images

Each run is audited (`surrogate.audit`) with the weights that it kept: of every epoch if it was
trained with `--keep_checkpoints true`, else the last ones. What is found stays with the run, in
audit.csv (a row per epoch and total, layer, and input and output of a site) and audit.json. What
was audited with the same settings before is not repeated. Then come a table and two figures. What
was published, with `--publish FILE.jsonl`, is read and shown.
"""

from experiments.analysis.audit.command import main
from experiments.analysis.audit.files import Audited, audited

__all__ = ["Audited", "audited", "main"]
