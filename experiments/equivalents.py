"""Writes the page of other packages' names in our terms.

python -m experiments.equivalents -o docs/equivalents.md
"""

import sys

from experiments.site.equivalents import main

if __name__ == "__main__":
    sys.exit(main())
