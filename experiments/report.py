"""Prints the table of runs side by side, and draws their curves.

python -m experiments.report runs/autoencoder
"""

import sys

from experiments.analysis.report.command import main

if __name__ == "__main__":
    sys.exit(main())
