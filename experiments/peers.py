"""Writes the page of what every pair reports in every mode, with other packages beside it.

python -m experiments.peers -o docs/correctness.md
"""

import sys

from experiments.site.peers import main

if __name__ == "__main__":
    sys.exit(main())
