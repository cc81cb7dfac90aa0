"""Writes the page of all functions, derivatives and named pairs.

python -m experiments.catalogue -o docs/catalogue.md
"""

import sys

from experiments.site.catalogue import main

if __name__ == "__main__":
    sys.exit(main())
