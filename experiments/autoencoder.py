"""Which activation gives the best autoencoder of Fashion-MNIST, and is it better than none?

    python -m experiments.autoencoder --act cantor2
    python -m experiments.autoencoder --act relu gelu "Staircase(step=0.5) / Blurred(width=0.3)"

The network is `experiments.networks.Autoencoder`; the score is the mean squared error on the
test images. Optimiser, learning rate, batch size and loss are our choice: the comparison that
this one follows did not publish its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from experiments import cli


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    return cli.main("autoencoder", arguments)


if __name__ == "__main__":
    sys.exit(main())
