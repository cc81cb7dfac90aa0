"""Writes the Explorer: a page to choose a pair, turn its numbers and see what follows.

python -m experiments.explorer -o explorer.html --runs docs/results/autoencoder.jsonl
"""

import sys

from experiments.pictures.explorer.command import main

if __name__ == "__main__":
    sys.exit(main())
