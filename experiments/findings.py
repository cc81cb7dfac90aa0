"""Writes what was claimed about activations, and what came out, from published results.

python -m experiments.findings docs/results -o docs/findings.md
"""

import sys

from experiments.analysis.findings.page import main

if __name__ == "__main__":
    sys.exit(main())
