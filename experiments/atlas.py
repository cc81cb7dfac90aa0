"""Draws the state of a small network over the plane of its two inputs.

python -m experiments.atlas --act cantor2 -o atlas.png
"""

import sys

from experiments.pictures.atlas.command import main

if __name__ == "__main__":
    sys.exit(main())
