"""Draws what a fake derivative is, in one picture for the README.

python -m experiments.overview docs/results/autoencoder.jsonl -o docs/images
"""

import sys

from experiments.pictures.overview import main

if __name__ == "__main__":
    sys.exit(main())
