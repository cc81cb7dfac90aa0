"""Results side by side: tables, figures and, over several seeds, verdicts.

    python -m experiments.report runs/autoencoder
    python -m experiments.report docs/results/claims.jsonl
    python -m experiments.report runs/claims --publish docs/results/claims.jsonl

Single runs give the table that the experiment's command ends with, and loss.png and loss.svg.
Several seeds or learning rates give the table of a study, in table.md, table.csv and table.tex too,
and the figures loss, rank and learning_rate. `--publish` writes no report but one file with what
results need to be kept, a line of JSON for each run; such files are read like folders of runs.
"""

from experiments.analysis.report.command import main, report
from experiments.analysis.report.figures import curves, draw, spread
from experiments.analysis.report.study import summary
from experiments.analysis.report.table import table

__all__ = ["curves", "draw", "main", "report", "spread", "summary", "table"]
