"""Draws what activations do to a distribution.

python -m experiments.gallery -o gallery/
"""

import sys

from experiments.pictures.gallery import main

if __name__ == "__main__":
    sys.exit(main())
