"""Runs the code of pages, and writes what it prints and draws into them.

python -m experiments.documents docs/tutorial.md docs/gallery.md
"""

import sys

from experiments.site.documents import main

if __name__ == "__main__":
    sys.exit(main())
