"""Measures how false the gradients of trained networks are, over their training.

python -m experiments.audit runs/audit -o docs/images
"""

import sys

from experiments.analysis.audit.command import main

if __name__ == "__main__":
    sys.exit(main())
